"""A CycleGAN run from data to translated pictures: resumed bit for bit, exported both ways."""

from __future__ import annotations

import json
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mapgan import checkpoints, events
from mapgan.cli import main
from mapgan.config import TrainConfig
from mapgan.export import parity
from mapgan.imageio import from_unit, to_unit
from mapgan.inference import Generator
from mapgan.presets import preset
from mapgan.tiling import pad_to
from mapgan.training import train
from mapgan.unpaired import Domain, LoadedDomains, UnpairedDataset
from tests.mapgan.pairs import REAL_MAPS, write_maps
from tests.mapgan.processes import everything, inspected, killed_at, read_until, start
from tests.mapgan.stops import StopAfter

# A small U-Net where any generator will do: six passes through a ResNet take long to compile.
SETTINGS = {
    "generator_width": 4, "discriminator_width": 4, "image_size": 32, "load_size": 36, "pool_size": 3,
    "ema_decay": 0.9, "log_every": 2,
}  # fmt: skip
CONFIG = preset(
    "draft",
    model="cyclegan",
    generator="unet_32",
    **SETTINGS,
    steps=12,
    decay_steps=4,
    checkpoint_every=5,
    seed=5,
)


def dataset(config: TrainConfig = CONFIG) -> UnpairedDataset:
    """Four random pictures of one domain, five of the other."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (count, 36, 36, 3), dtype=np.uint8) for count in (4, 5))
    domains = LoadedDomains(Domain(list("abcd"), a), Domain(list("vwxyz"), b), [])
    return UnpairedDataset(
        domains, image_size=config.image_size, flip=True, batch_size=config.batch_size, seed=config.seed
    )


def arguments(maps: Path, run: Path, *more: str, steps: int, generator: str = "unet_32") -> list[str]:
    """A small run with a checkpoint every six steps."""
    settings = [part for name, value in SETTINGS.items() for part in ("--set", f"{name}={value}")]
    return [
        "train", "--preset", "draft", "--model", "cyclegan", "--data", str(maps), "--out", str(run),
        "--steps", str(steps), "--set", "decay_steps=0", "--checkpoint-every", "6", "--seed", "3",
        "--events", "--set", f"generator={generator}", *settings, *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven pairs, which CycleGAN does not take as such; real tiles where they are at hand."""
    folder = tmp_path_factory.mktemp("maps")
    if not REAL_MAPS.is_dir():
        write_maps(folder / "train", 7, side=64)
        return folder
    (folder / "train").mkdir()
    for number in range(1, 8):
        name = f"{number}.webp"
        (folder / "train" / name).symlink_to((REAL_MAPS / "train" / name).resolve())
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run of twelve steps, its pools of three long full."""
    folder = tmp_path_factory.mktemp("whole")
    heard: list[events.Event] = []
    assert train(CONFIG, dataset(), folder, listen=heard.append) == 12
    assert isinstance(heard[0], events.Started)
    assert heard[0].images == 5
    step = next(event for event in heard if isinstance(event, events.Step))
    assert set(step.losses) == {
        "g_a", "g_b", "cycle_a", "cycle_b", "identity_a", "identity_b", "d_a", "d_b"
    }  # fmt: skip
    return folder


@pytest.mark.parametrize("stop_after", [2, 8])
def test_stopped_and_resumed_equals_uninterrupted(tmp_path: Path, run: Path, stop_after: int) -> None:
    """Stopped while the pools fill and when they are full: every array equal, pools and draws included."""
    assert train(CONFIG, dataset(), tmp_path, stop=StopAfter(stop_after)) == stop_after
    stopped = checkpoints.read_arrays(checkpoints.find(tmp_path))
    assert int(stopped["pools/a/count"]) == min(stop_after, 3)
    assert stopped["pools/b/images"][0].any()
    heard: list[events.Event] = []
    assert train(CONFIG, dataset(), tmp_path, resume=True, listen=heard.append) == 12
    assert heard[0] == events.Resumed(step=stop_after)
    expected, found = (checkpoints.read_arrays(checkpoints.find(path)) for path in (run, tmp_path))
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert (expected["pools/a/draws"] != stopped["pools/a/draws"]).any()


def test_a_checkpoint_without_its_pools_does_not_fit(run: Path) -> None:
    """Resuming with fresh pools would be another run, so it is an error."""
    checkpoint = checkpoints.find(run)
    arrays = checkpoints.read_arrays(checkpoint)
    wanted = dict(arrays)
    del arrays["pools/a/images"]
    with pytest.raises(checkpoints.CheckpointError, match="lacks pools/a/images"):
        checkpoints.assign(arrays, wanted, checkpoint.path)


@pytest.mark.slow
@pytest.mark.timeout(900)  # three processes that each compile their step
def test_killed_and_resumed_equals_uninterrupted(maps: Path, tmp_path: Path) -> None:
    """SIGKILL at a random step after the first checkpoint, SIGTERM after resuming, then to the end."""
    more = ("--threads", "1")
    whole = start(arguments(maps, tmp_path / "whole", *more, steps=20))
    heard = everything(whole)
    assert whole.returncode == 0
    assert (heard[0]["images"], heard[0]["validation"]) == (6, 1)
    assert not [event for event in heard if event["event"] in ("alarm", "warning")]
    at = random.randint(7, 19)  # noqa: S311 - whichever step it is
    killed_at(at, arguments(maps, tmp_path / "broken", *more, "--set", "log_every=1", steps=20))
    last = max(checkpoints.steps(tmp_path / "broken"))
    assert last in (6, 12, 18)
    stopped = start(arguments(maps, tmp_path / "broken", *more, "--resume", steps=20))
    heard = read_until(stopped, lambda event: event["event"] in ("step", "finished"))
    assert (heard[0]["event"], heard[0]["step"]) == ("resumed", last)
    stopped.send_signal(signal.SIGTERM)
    everything(stopped)
    assert stopped.returncode == 0
    end = everything(start(arguments(maps, tmp_path / "broken", *more, "--resume", steps=20)))[-1]
    assert (end["event"], end["step"]) == ("finished", 20)
    assert inspected(tmp_path / "whole") == inspected(tmp_path / "broken")
    one, other = (checkpoints.find(tmp_path / name) for name in ("whole", "broken"))
    assert one.arrays_sha256 == other.arrays_sha256  # pools and random states included


@pytest.mark.parametrize(("direction", "name"), [("sat2map", "a_to_b"), ("map2sat", "b_to_a")])
def test_load_generator_takes_the_one_of_the_direction(run: Path, direction: str, name: str) -> None:
    """Averaged or last weights; without a direction the configuration's, which is map2sat."""
    arrays = checkpoints.read_arrays(checkpoints.find(run))
    for ema, part in ((True, "ema"), (False, "networks")):
        network, config, step = checkpoints.load_generator(run, ema=ema, direction=direction)
        assert (config.direction, step) == (direction, 12)
        for weight in network.weights:
            np.testing.assert_array_equal(weight.numpy(), arrays[f"{part}/{name}/{weight.path}"])
    default, config, _ = checkpoints.load_generator(run)
    assert config == CONFIG
    kernel = default.get_layer("up1_conv").kernel
    np.testing.assert_array_equal(kernel.numpy(), arrays["ema/b_to_a/up1_conv/kernel"])


def test_from_training_to_translated_pictures(maps: Path, tmp_path: Path) -> None:
    """Train, inspect, export both ways, translate a picture of odd sides, all by command."""

    def invoke(*command: str | Path) -> str:
        result = CliRunner().invoke(main, [str(part) for part in command])
        assert result.exit_code == 0, result.output
        return result.output

    trained = tmp_path / "run"
    invoke(*arguments(maps, trained, steps=3, generator="resnet_6"))
    found = json.loads(invoke("inspect", trained, "--json"))
    assert set(found["networks"]) == {"a_to_b", "b_to_a", "discriminator_a", "discriminator_b"}
    assert found["directions"] == ["map2sat", "sat2map"]
    picture = np.random.default_rng(1).integers(0, 256, (53, 75, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "in.png")
    hashes = set()
    for direction in ("AtoB", "map2sat"):
        file, out = tmp_path / f"{direction.lower()}.onnx", tmp_path / f"{direction}.png"
        invoke("export", trained, "--direction", direction, "--out", file, "--precision", "fp32")
        network, config, _ = checkpoints.load_generator(
            trained, direction="sat2map" if direction == "AtoB" else direction
        )
        assert parity(network, file, to_unit(picture[None, :32, :32])) < 2e-5
        card = Generator(file).card
        assert (card.model, card.direction, card.step) == ("cyclegan", config.direction, 3)
        assert (card.architecture, card.side_multiple, card.norm) == ("resnet_6", 4, "instance")
        assert "--preset draft --model cyclegan" in card.command
        hashes.add(card.weights_sha256)
        invoke("translate", tmp_path / "in.png", "--generator", file, "--out", out)
        with Image.open(out) as image:
            translated = np.asarray(image)
        # A ResNet takes the whole picture, mirrored up to multiples of four and cut back.
        padded, inner = pad_to(picture, 56, 76)
        expected = from_unit(np.asarray(_any_size(network)(to_unit(padded)[None]))[0][inner])
        assert translated.shape == picture.shape
        assert np.abs(translated.astype(int) - expected).max() <= 1
    assert len(hashes) == 2


def _any_size(network: Any) -> Any:
    """The same ResNet with open height and width."""
    from mapgan.networks import build_generator

    wide = build_generator("resnet_6", width=4, norm="instance", image_size=None)
    wide.set_weights(network.get_weights())
    return wide


def test_a_direction_that_was_not_learnt(tmp_path: Path, run: Path) -> None:
    """Pix2Pix has one; a typing error is wrong use."""
    from mapgan.engine.state import TrainState
    from mapgan.pix2pix import Pix2Pix

    config = TrainConfig(
        generator="unet_32", generator_width=2, discriminator_width=2, image_size=32, load_size=32
    )
    variables = TrainState(Pix2Pix(config), config).variables()
    checkpoints.save(tmp_path, step=1, config=config, variables=variables, environment={})
    out = str(tmp_path / "a.onnx")
    result = CliRunner().invoke(main, ["export", str(tmp_path), "--direction", "sat2map", "--out", out])
    assert (result.exit_code, "learns map2sat alone, not sat2map" in result.output) == (1, True)
    result = CliRunner().invoke(main, ["export", str(run), "--direction", "up", "--out", out])
    assert (result.exit_code, "direction must be one of" in result.output) == (2, True)
    assert not Path(out).exists()
