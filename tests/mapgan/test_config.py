"""The configuration: presets, validation, TOML, directions and the learning-rate schedule."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapgan import networks
from mapgan.config import (
    GENERATOR_PATTERN,
    NORMS,
    UPSAMPLES,
    ConfigError,
    TrainConfig,
    parse_direction,
    settings,
)
from mapgan.presets import PRESETS, preset


def test_presets_are_what_they_are_named_after() -> None:
    """The figures other documents quote."""
    assert set(PRESETS) == {"draft", "seed", "reference", "quality"}
    seed, reference = PRESETS["seed"], PRESETS["reference"]
    assert (seed.steps, seed.checkpoint_every, seed.batch_size, seed.decay_steps) == (109_700, 2_000, 1, 0)
    assert (seed.generator_norm, seed.discriminator_norm, seed.ema_decay) == ("batch", "batch", 0.0)
    assert (reference.steps, reference.decay_steps) == (219_200, 109_600)
    assert PRESETS["quality"].generator == "resnet_9"
    assert PRESETS["quality"].ema_decay > 0
    assert all(config.preset == name for name, config in PRESETS.items())


@pytest.mark.parametrize("name", list(PRESETS))
def test_toml_gives_back_the_same_configuration(name: str, tmp_path: Path) -> None:
    """Every field of every preset survives the file."""
    path = tmp_path / "config.toml"
    path.write_text(PRESETS[name].to_toml(), encoding="utf-8")
    assert TrainConfig.from_toml(path) == PRESETS[name]


@given(
    st.text(), st.floats(1e-12, 1.0), st.floats(0, 1e300), st.integers(0, 2**62), st.booleans()
)  # the label is the only free text
def test_toml_survives_any_value(label: str, rate: float, weight: float, seed: int, flip: bool) -> None:
    """Quotes, control characters and odd floats included."""
    import tomllib

    config = TrainConfig(preset=label, learning_rate=rate, l1_weight=weight, seed=seed, flip=flip)
    assert TrainConfig.from_dict(tomllib.loads(config.to_toml())) == config


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("steps", 0, "steps must be at least 1"),
        ("steps", 1.5, "steps must be a int"),
        ("steps", True, "steps must be a int"),
        ("learning_rate", float("nan"), "learning_rate"),
        ("learning_rate", -1.0, "learning_rate"),
        ("dropout", 1.0, "exclusive"),
        ("beta_1", 1.0, "beta_1"),
        ("ema_decay", 1.0, "ema_decay"),
        ("l1_weight", -1.0, "l1_weight"),
        ("direction", "AtoB", "map2sat, sat2map"),
        ("generator", "unet_100", "unet_256"),
        ("generator", "resnet_7", "resnet_9"),
        ("generator_norm", "layer", "generator_norm"),
        ("gan_loss", "wgan", "bce, lsgan"),
        ("load_size", 200, "smaller than image_size"),
        ("image_size", 8, "image_size"),
        ("decay_steps", 200_000, "longer than the run"),
        ("model", "stylegan", "pix2pix, cyclegan"),
        ("pool_size", 20, "pool_size is a setting of cyclegan; pix2pix does not use it"),
        ("identity_weight", 0.0, "a setting of cyclegan"),
        ("cycle_weight", -1.0, "cycle_weight must be at least 0"),
        ("precision", "float16", "precision must be one of float32, bfloat16"),
        ("a_side", "top", "a_side must be one of left, right"),
        ("diff_augment", "colour", "diff_augment must be one of none, color"),
        ("validation_share", 0.6, "validation_share must be from 0 to 0.5"),
        ("samples", 65, "samples must be from 0 to 64"),
        ("steps", 10**400, "steps must be at most 9223372036854775807"),
        ("l1_weight", 10**400, "l1_weight must be at most"),
        ("seed", 2**63, "seed must be at most"),
    ],
)
def test_nonsense_is_named(field: str, value: Any, message: str) -> None:
    """The message says which field and what it takes."""
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**{field: value})
    with pytest.raises(ConfigError, match=message):
        TrainConfig.from_dict({field: value})


def test_cyclegan_of_every_preset() -> None:
    """As published in all of them; lengths as in Pix2Pix's, but for the draft's."""
    for name, pix2pix in PRESETS.items():
        config = preset(name, model="cyclegan")
        assert (config.model, config.preset, config.gan_loss) == ("cyclegan", name, "lsgan")
        assert config.generator_norm == config.discriminator_norm == "instance"
        assert (config.cycle_weight, config.identity_weight, config.pool_size) == (10.0, 0.5, 50)
        assert config.generator == ("resnet_6" if name == "draft" else "resnet_9")
        if name != "draft":
            assert (config.steps, config.decay_steps) == (pix2pix.steps, pix2pix.decay_steps)
            assert (config.generator_width, config.discriminator_width) == (64, 64)
        assert preset(name, model="pix2pix") == pix2pix
    seed = preset("seed", model="cyclegan", pool_size=7)
    assert (seed.steps, seed.checkpoint_every, seed.upsample, seed.pool_size) == (
        109_700, 2_000, "transposed", 7
    )  # fmt: skip
    with pytest.raises(ConfigError, match="l1_weight is a setting of pix2pix"):
        preset("seed", model="cyclegan", l1_weight=10.0)


def test_which_network_translates_which_way() -> None:
    """A is the aerial domain; Pix2Pix has the one direction it was trained for."""
    cycle = preset("draft", model="cyclegan")
    assert cycle.directions == ("map2sat", "sat2map")
    assert cycle.generator_for("sat2map") == "a_to_b"
    assert cycle.generator_for("map2sat") == "b_to_a"
    assert PRESETS["draft"].directions == ("map2sat",)
    assert PRESETS["draft"].generator_for("map2sat") == "generator"
    for config in (PRESETS["draft"], cycle):
        with pytest.raises(ConfigError, match="not up" if config is cycle else "learns map2sat alone"):
            config.generator_for("up" if config is cycle else "sat2map")


def test_network_and_crop_must_fit() -> None:
    """A U-Net's side is its size's multiple; a ResNet only needs fours."""
    with pytest.raises(ConfigError, match="multiple of 256"):
        TrainConfig(image_size=128)
    assert TrainConfig(generator="unet_128", image_size=128).image_size == 128
    assert TrainConfig(generator="resnet_6", image_size=100).image_size == 100


def test_unknown_names_and_broken_files(tmp_path: Path) -> None:
    """A typing error never silently trains with a default."""
    with pytest.raises(ConfigError, match="unknown setting: stepz"):
        TrainConfig.from_dict({"stepz": 3})
    with pytest.raises(ConfigError, match="preset must be one of"):
        preset("best")
    path = tmp_path / "config.toml"
    with pytest.raises(ConfigError, match=r"cannot read .*config\.toml"):
        TrainConfig.from_toml(path)
    path.write_text("steps = = 3", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"config\.toml"):
        TrainConfig.from_toml(path)


def test_integers_fit_floats() -> None:
    """JSON and people write 100 for 100.0."""
    config = TrainConfig.from_dict({"l1_weight": 100})
    assert type(config.l1_weight) is float


@pytest.mark.parametrize(
    ("text", "direction"),
    [
        ("map2sat", "map2sat"),
        ("BtoA", "map2sat"),
        ("AtoB", "sat2map"),
        ("atob", "sat2map"),
        ("Sat2Map", "sat2map"),
    ],
)
def test_directions(text: str, direction: str) -> None:
    """A, the left half, is the aerial one."""
    assert parse_direction(text) == direction


def test_unknown_direction() -> None:
    """All four names are offered."""
    with pytest.raises(ConfigError, match="map2sat, sat2map, AtoB, BtoA"):
        parse_direction("up")


def test_rate_is_constant_then_falls_to_zero() -> None:
    """The last update is made at 1/decay of the rate, and the one after it would be at zero."""
    config = TrainConfig(steps=100, decay_steps=50, learning_rate=1e-3)
    assert [config.rate_at(step) for step in (0, 49, 50)] == [1e-3] * 3
    assert config.rate_at(75) == pytest.approx(0.5e-3)
    assert config.rate_at(99) == pytest.approx(1e-3 / 50)
    assert config.rate_at(100) == 0
    assert TrainConfig(steps=100).rate_at(99) == 2e-4


def test_differences_ignore_the_length_of_the_run() -> None:
    """A run may be resumed for longer, not with another network."""
    config = TrainConfig()
    assert (
        config.differences(TrainConfig(steps=200_000, checkpoint_every=7, keep_checkpoints=2, preset="x"))
        == {}
    )
    assert config.differences(TrainConfig(seed=5)) == {"seed": (0, 5)}


def test_names_agree_with_the_networks() -> None:
    """config.py cannot import Keras, so it repeats the names; here they are compared."""
    assert NORMS == networks.NORMS
    assert UPSAMPLES == networks.UPSAMPLES
    assert all(GENERATOR_PATTERN.fullmatch(name) for name in networks.GENERATORS)


def test_light_modules_load_no_framework() -> None:
    """A web process may import them."""
    code = (
        "import sys, mapgan.config, mapgan.events; print([m for m in ('keras', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_another_length_keeps_the_share_of_the_decay() -> None:
    """A short trial of a preset has the preset's schedule in small; a decay that is given stays."""
    assert preset("draft", steps=300).decay_steps == 120
    assert preset("draft", model="cyclegan", steps=300).decay_steps == 112
    assert preset("reference", steps=1).decay_steps == 0
    assert preset("draft", steps=300, decay_steps=7).decay_steps == 7
    assert preset("seed", steps=300).decay_steps == 0


def test_every_setting_is_explained() -> None:
    """A form shows the declaration as it is: a sentence, and a range or choices where there are any."""
    declared = settings()
    assert list(declared) == list(TrainConfig().to_dict())
    for name, setting in declared.items():
        assert setting.help.endswith("."), name
        value = TrainConfig().to_dict()[name]
        if type(value) in (int, float):
            assert setting.low is not None, name
            assert setting.high is not None, name


def test_a_longer_run_with_other_housekeeping_is_the_same_run() -> None:
    """Length, reports and retention may change at a resumption; what is learnt may not."""
    config = TrainConfig()
    longer = TrainConfig(steps=200_000, decay_steps=10, keep_best=2, samples=0, log_every=1, preset="other")
    assert config.differences(longer) == {}
    assert set(config.differences(TrainConfig(a_side="right", precision="bfloat16"))) == {
        "a_side",
        "precision",
    }
