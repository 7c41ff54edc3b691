"""Where a run starts from: the named configurations. Standard library only, as :mod:`mapgan.config`."""

from __future__ import annotations

from typing import Any, Final

from mapgan.config import ConfigError, TrainConfig

PRESETS: Final[dict[str, TrainConfig]] = {
    # A picture of where it goes, in minutes on a CPU; the bundled generators are this one.
    "draft": TrainConfig(
        preset="draft",
        generator_width=20,
        discriminator_width=32,
        dropout=0.2,  # half of 160 channels is too much to lose
        ema_decay=0.999,
        steps=10_000,
        decay_steps=4_000,
        checkpoint_every=500,
        keep_checkpoints=3,
    ),
    # The run of the first MapGAN: 100 passes it counted as 1,097 tiles, BatchNorm everywhere.
    "seed": TrainConfig(
        preset="seed",
        generator_norm="batch",
        discriminator_norm="batch",
        steps=109_700,
        checkpoint_every=2_000,
    ),
    # The authors' schedule for 1,096 tiles: 100 passes at a constant rate, 100 falling to zero.
    "reference": TrainConfig(preset="reference", steps=219_200, decay_steps=109_600, checkpoint_every=5_000),
    # The larger generator, averaged weights and no transposed convolutions.
    "quality": TrainConfig(
        preset="quality",
        generator="resnet_9",
        upsample="resize",
        ema_decay=0.9995,
        steps=219_200,
        decay_steps=109_600,
        checkpoint_every=5_000,
    ),
}


# As published: ResNet generators, least squares, instance norm without weights (Zhu et al. 2017).
_CYCLEGAN: Final[dict[str, Any]] = {
    "model": "cyclegan",
    "generator": "resnet_9",
    "generator_norm": "instance",
    "discriminator_norm": "instance",
    "dropout": 0.0,
    "gan_loss": "lsgan",
}
# What a preset changes for CycleGAN, on top of what it says for Pix2Pix.
CYCLEGAN_PRESETS: Final[dict[str, dict[str, Any]]] = {
    # Six passes through a generator a step instead of one, so narrower and fewer of them.
    "draft": {
        **_CYCLEGAN,
        "generator": "resnet_6",
        "generator_width": 12,
        "discriminator_width": 24,
        "steps": 4_000,
        "decay_steps": 1_500,
    },
    "seed": _CYCLEGAN,
    "reference": _CYCLEGAN,
    "quality": _CYCLEGAN,
}


def preset(name: str, **overrides: Any) -> TrainConfig:
    """The named preset with some fields changed; ``model="cyclegan"`` gives CycleGAN's form of it.

    With another number of steps the decay keeps its share of the run, unless it is given, too.

    Raises:
        ConfigError: an unknown preset or field, or values that make no sense together.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
    own = CYCLEGAN_PRESETS[name] if overrides.get("model") == "cyclegan" else {}
    values = {**PRESETS[name].to_dict(), **own}
    steps = overrides.get("steps")
    if type(steps) is int and steps > 0:
        # The decay is a share of the run, whatever its length; who wants another one says so.
        values["decay_steps"] = values["decay_steps"] * steps // values["steps"]
    return TrainConfig.from_dict({**values, **overrides})
