"""What a training run is: one frozen, validated configuration, its presets and its TOML file.

Standard library only, so that a web form can offer and check the same values without loading a
framework. Names of networks are checked here by pattern and again, exactly, when they are built.
"""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MODELS: Final = ("pix2pix", "cyclegan")
DIRECTIONS: Final = ("map2sat", "sat2map")
DIRECTION_ALIASES: Final = {"AtoB": "sat2map", "BtoA": "map2sat"}
NORMS: Final = ("batch", "instance", "instance_affine")
UPSAMPLES: Final = ("transposed", "resize")
GAN_LOSSES: Final = ("bce", "lsgan")
GENERATOR_PATTERN: Final = re.compile(r"unet_(16|32|64|128|256|512)|resnet_(6|9)")

# Settings that only one model reads; in a run of the other they must keep their defaults.
OWN_FIELDS: Final = {
    "pix2pix": ("l1_weight",),
    "cyclegan": ("cycle_weight", "identity_weight", "pool_size"),
}

# May differ between a run and its resumption: they say how long and how often, not what is learnt.
RUN_LENGTH_FIELDS: Final = frozenset({"steps", "checkpoint_every", "keep_checkpoints", "log_every"})


class ConfigError(ValueError):
    """A configuration that makes no sense; the message names the field and what it takes."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Every hyper-parameter of a run. The defaults are Pix2Pix's own.

    Attributes:
        preset: name of the preset this came from; a label only.
        model: ``pix2pix`` or ``cyclegan``.
        direction: ``map2sat`` (B to A) or ``sat2map`` (A to B); A, the left half, is the aerial one.
            A CycleGAN learns both, and this one is exported unless the other is asked for.
        generator: ``unet_256`` (or another power of two), ``resnet_9``, ``resnet_6``.
        generator_width, discriminator_width: channels of the first layer.
        generator_norm, discriminator_norm: ``batch``, ``instance`` or ``instance_affine``.
        dropout: rate of the U-Net's three dropouts.
        upsample: ``transposed`` or ``resize``.
        image_size: side of the training crops, in pixels.
        load_size: side the pictures are resized to before the crop; equal means no crop.
        flip: mirror left and right half of the time.
        batch_size: pairs a step, or pictures of each domain.
        gan_loss: ``bce`` on logits or ``lsgan``.
        l1_weight: Pix2Pix's, of mean |target - output| in the generator's loss.
        cycle_weight: CycleGAN's, of mean |there and back - input| in each domain.
        identity_weight: CycleGAN's, of mean |output - input| for a picture of the target domain, as a
            share of ``cycle_weight``; 0 leaves the term out.
        pool_size: CycleGAN's, generated pictures that are kept for D in each domain; 0 keeps none.
        learning_rate, beta_1, beta_2, epsilon: Adam's, the same for all networks.
        decay_steps: the rate falls linearly to zero over this many last steps.
        ema_decay: of the running mean of the generator's weights; 0 keeps none.
        steps: length of the run.
        checkpoint_every: steps between checkpoints; the last step always has one.
        keep_checkpoints: how many of the newest to keep; 0 keeps all.
        log_every: steps between reports of the losses.
        seed: fixes weights, order, crops and dropout masks.
        deterministic: the same machine, threads and seed give the same bits.

    Raises:
        ConfigError: a value out of its range or two that contradict each other.
    """

    preset: str = "custom"
    model: str = "pix2pix"
    direction: str = "map2sat"
    generator: str = "unet_256"
    generator_width: int = 64
    generator_norm: str = "instance_affine"
    discriminator_width: int = 64
    discriminator_norm: str = "instance_affine"
    dropout: float = 0.5
    upsample: str = "transposed"
    image_size: int = 256
    load_size: int = 286
    flip: bool = True
    batch_size: int = 1
    gan_loss: str = "bce"
    l1_weight: float = 100.0
    cycle_weight: float = 10.0
    identity_weight: float = 0.5
    pool_size: int = 50
    learning_rate: float = 2e-4
    beta_1: float = 0.5
    beta_2: float = 0.999
    epsilon: float = 1e-8
    decay_steps: int = 0
    ema_decay: float = 0.0
    steps: int = 109_700
    checkpoint_every: int = 2_000
    keep_checkpoints: int = 0
    log_every: int = 50
    seed: int = 0
    deterministic: bool = True

    def __post_init__(self) -> None:
        """Check types, ranges and combinations."""
        for field in dataclasses.fields(self):
            _check_type(field.name, getattr(self, field.name), str(field.type))
        for name, choices in (
            ("model", MODELS),
            ("direction", DIRECTIONS),
            ("generator_norm", NORMS),
            ("discriminator_norm", NORMS),
            ("upsample", UPSAMPLES),
            ("gan_loss", GAN_LOSSES),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        if not GENERATOR_PATTERN.fullmatch(self.generator):
            raise ConfigError(
                f"generator must be like unet_256, resnet_9 or resnet_6, not {self.generator!r}"
            )
        for name in (
            "generator_width",
            "discriminator_width",
            "batch_size",
            "steps",
            "checkpoint_every",
            "log_every",
        ):
            self._check_range(name, 1, math.inf)
        for name in ("l1_weight", "cycle_weight", "identity_weight"):
            self._check_range(name, 0, math.inf)
        for name in ("pool_size", "decay_steps", "keep_checkpoints", "seed"):
            self._check_range(name, 0, math.inf)
        for name in ("dropout", "beta_1", "beta_2", "ema_decay"):
            self._check_range(name, 0, 1, below=True)
        for name in ("learning_rate", "epsilon"):
            self._check_range(name, 1e-12, 1)
        self._check_sizes()
        self._check_own_fields()

    def _check_range(self, name: str, low: float, high: float, *, below: bool = False) -> None:
        """``low <= value <= high``, or ``< high`` with ``below``."""
        value = getattr(self, name)
        if not (math.isfinite(value) and low <= value <= high) or (below and value == high):
            limit = f"at least {low:g}" if high == math.inf else f"from {low:g} to {high:g}"
            raise ConfigError(f"{name} must be {limit}{' (exclusive)' if below else ''}, not {value!r}")

    def _check_sizes(self) -> None:
        """The crop fits the picture, the network fits the crop, the decay fits the run."""
        self._check_range("image_size", 32, 4096)
        if self.load_size < self.image_size:
            raise ConfigError(f"load_size ({self.load_size}) is smaller than image_size ({self.image_size})")
        multiple = int(self.generator.removeprefix("unet_")) if self.generator.startswith("unet_") else 4
        if self.image_size % multiple:
            raise ConfigError(
                f"{self.generator} needs an image_size that is a multiple of {multiple}, "
                f"not {self.image_size}"
            )
        if self.decay_steps > self.steps:
            raise ConfigError(f"decay_steps ({self.decay_steps}) is longer than the run ({self.steps} steps)")

    def _check_own_fields(self) -> None:
        """A setting of another model would be ignored, and whoever made it would not know."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for model, names in OWN_FIELDS.items():
            for name in names:
                if model != self.model and getattr(self, name) != defaults[name]:
                    raise ConfigError(f"{name} is a setting of {model}; {self.model} does not use it")

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions this run learns."""
        return DIRECTIONS if self.model == "cyclegan" else (self.direction,)

    def generator_for(self, direction: str) -> str:
        """Name of the network that translates in ``direction``.

        Raises:
            ConfigError: the run does not learn that direction.
        """
        if direction not in self.directions:
            raise ConfigError(f"the run learns {' and '.join(self.directions)} alone, not {direction}")
        if self.model == "cyclegan":
            return {"sat2map": "a_to_b", "map2sat": "b_to_a"}[direction]
        return "generator"

    def rate_at(self, step: int) -> float:
        """Learning rate of the update that takes the run from ``step`` to ``step + 1``."""
        if not self.decay_steps:
            return self.learning_rate
        return self.learning_rate * min(1.0, (self.steps - step) / self.decay_steps)

    def differences(self, other: TrainConfig) -> dict[str, tuple[Any, Any]]:
        """Fields in which ``other`` would be another run, with both values; lengths are left out."""
        mine, theirs = dataclasses.asdict(self), dataclasses.asdict(other)
        ignored = RUN_LENGTH_FIELDS | {"preset"}
        return {k: (mine[k], theirs[k]) for k in mine if mine[k] != theirs[k] and k not in ignored}

    def to_dict(self) -> dict[str, Any]:
        """Field names and plain values, in order."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainConfig:
        """The opposite of :meth:`to_dict`.

        Raises:
            ConfigError: a name that is no field, or a value that does not fit it.
        """
        known = {field.name: str(field.type) for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"unknown setting: {', '.join(unknown)}")
        # JSON and TOML writers may drop the point of 100.0; an integer is a fine float.
        fitted: dict[str, Any] = {
            name: float(value) if known[name] == "float" and type(value) is int else value
            for name, value in values.items()
        }
        return cls(**fitted)

    def to_toml(self) -> str:
        """The configuration as a TOML document that :meth:`from_toml` reads back exactly."""
        return "".join(f"{name} = {_toml_value(value)}\n" for name, value in self.to_dict().items())

    @classmethod
    def from_toml(cls, path: Path) -> TrainConfig:
        """Read a file written by :meth:`to_toml`, or by hand.

        Raises:
            ConfigError: no such file, broken TOML, unknown names or bad values; the path is named.
        """
        try:
            return cls.from_dict(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ConfigError(f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, ConfigError) as error:
            raise ConfigError(f"{path}: {error}") from error


def _check_type(name: str, value: object, expected: str) -> None:
    """Exact types: a bool is not an int here, and an int passes for a float."""
    accepted = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,)}[expected]
    if type(value) not in accepted:
        raise ConfigError(f"{name} must be a {expected}, not {value!r}")


def _toml_value(value: str | float | bool) -> str:
    """A TOML literal. Strings here are short names, yet quotes and controls are escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = "".join(
            f"\\u{ord(char):04x}" if char in '"\\' or ord(char) < 32 or ord(char) == 127 else char
            for char in value
        )
        return f'"{escaped}"'
    return repr(value)  # 1e-08 is valid TOML, and repr reads back as the same float


def parse_direction(text: str) -> str:
    """``map2sat``, ``sat2map`` or the papers' ``BtoA``, ``AtoB``, any case.

    Raises:
        ConfigError: anything else.
    """
    names = {name.lower(): name for name in DIRECTIONS}
    names |= {alias.lower(): name for alias, name in DIRECTION_ALIASES.items()}
    try:
        return names[text.lower()]
    except KeyError:
        choices = ", ".join((*DIRECTIONS, *DIRECTION_ALIASES))
        raise ConfigError(f"direction must be one of {choices}, not {text!r}") from None


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

    Raises:
        ConfigError: an unknown preset or field, or values that make no sense together.
    """
    if name not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
    own = CYCLEGAN_PRESETS[name] if overrides.get("model") == "cyclegan" else {}
    return TrainConfig.from_dict({**PRESETS[name].to_dict(), **own, **overrides})
