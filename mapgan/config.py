"""What a training run is: one frozen, validated configuration and its TOML file.

Every setting is declared once, with what it means and what it takes: the validation below, the command
line's help and a web form all read the same declaration. Standard library only, so that a web form
can offer and check values without loading a framework. The presets are in :mod:`mapgan.presets`.
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
SIDES: Final = ("left", "right")
NORMS: Final = ("batch", "instance", "instance_affine")
UPSAMPLES: Final = ("transposed", "resize")
GAN_LOSSES: Final = ("bce", "lsgan")
PRECISIONS: Final = ("float32", "bfloat16")
AUGMENTATIONS: Final = ("none", "color", "color,translation", "color,translation,cutout")
_MOST: Final = 2**63 - 1
GENERATOR_PATTERN: Final = re.compile(r"unet_(16|32|64|128|256|512)|resnet_(6|9)")


class ConfigError(ValueError):
    """A configuration that makes no sense; the message names the field and what it takes."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a field of :class:`TrainConfig` means and takes.

    Attributes:
        group: heading under which a form or a help text shows it.
        help: one or two sentences for whoever chooses it.
        choices: the values it may have; empty for numbers, switches and free text.
        low, high: inclusive range of a number; None for other fields.
        below: whether ``high`` itself is excluded.
        only: the model that reads it; in a run of the other it must keep its default.
        learnt: whether it changes what is learnt. The others say how long and how often, and may differ
            between a run and its resumption.
    """

    group: str
    help: str
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    below: bool = False
    only: str | None = None
    learnt: bool = True


def _field(default: Any, group: str, text: str, **limits: Any) -> Any:
    """A dataclass field with its :class:`Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(group=group, help=text, **limits)})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Every hyper-parameter of a run. The defaults are Pix2Pix's own; :func:`settings` explains each.

    Raises:
        ConfigError: a value out of its range or two that contradict each other.
    """

    preset: str = _field("custom", "run", "The preset this came from; a label only.", learnt=False)
    model: str = _field("pix2pix", "run", "Pix2Pix learns from pairs, CycleGAN without.", choices=MODELS)
    direction: str = _field(
        "map2sat",
        "run",
        "map2sat (B to A) or sat2map (A to B). A CycleGAN learns both and exports this one by default.",
        choices=DIRECTIONS,
    )
    steps: int = _field(109_700, "run", "Updates in all.", low=1, high=math.inf, learnt=False)
    seed: int = _field(0, "run", "Fixes weights, order, crops and dropout.", low=0, high=math.inf)
    deterministic: bool = _field(
        True, "run", "The same machine, threads and seed give the same bits; slower on a GPU."
    )
    precision: str = _field(
        "float32",
        "run",
        "bfloat16 computes the networks in half the bits (weights stay float32): for GPUs from Ampere on.",
        choices=PRECISIONS,
    )

    a_side: str = _field(
        "left",
        "data",
        "The half of a side-by-side picture that is A, the aerial one. Folders A/ and B/ say it themselves.",
        choices=SIDES,
    )
    image_size: int = _field(256, "data", "Side of the training crops, in pixels.", low=32, high=4096)
    load_size: int = _field(
        286,
        "data",
        "Side the pictures are resized to before the crop; equal means no crop.",
        low=32,
        high=4608,
    )
    flip: bool = _field(True, "data", "Mirror left and right half of the time.")
    batch_size: int = _field(1, "data", "Pairs a step, or pictures of each domain.", low=1, high=1024)
    validation_share: float = _field(
        0.05,
        "data",
        "Share of the tiles held out where the data have no val/; 0 trains on all of them.",
        low=0,
        high=0.5,
    )
    diff_augment: str = _field(
        "none",
        "data",
        "Differentiable augmentation of everything the discriminator sees (DiffAugment): for small sets.",
        choices=AUGMENTATIONS,
    )

    generator: str = _field("unet_256", "networks", "unet_256 (or another power of two), resnet_9, resnet_6.")
    generator_width: int = _field(64, "networks", "Channels of its first layer.", low=1, high=1024)
    generator_norm: str = _field(
        "instance_affine", "networks", "Normalisation of the generator.", choices=NORMS
    )
    discriminator_width: int = _field(64, "networks", "Channels of its first layer.", low=1, high=1024)
    discriminator_norm: str = _field(
        "instance_affine", "networks", "Normalisation of the discriminator.", choices=NORMS
    )
    spectral_norm: bool = _field(
        False, "networks", "Divide the discriminator's kernels by their spectral norm."
    )
    dropout: float = _field(0.5, "networks", "Rate of the U-Net's three dropouts.", low=0, high=1, below=True)
    upsample: str = _field(
        "transposed",
        "networks",
        "transposed convolutions as in the papers, or resize, which has no checkerboard.",
        choices=UPSAMPLES,
    )

    gan_loss: str = _field("bce", "losses", "bce on logits, or lsgan (least squares).", choices=GAN_LOSSES)
    l1_weight: float = _field(
        100.0, "losses", "Weight of mean |target - output|.", low=0, high=math.inf, only="pix2pix"
    )
    cycle_weight: float = _field(
        10.0, "losses", "Weight of mean |there and back - input|.", low=0, high=math.inf, only="cyclegan"
    )
    identity_weight: float = _field(
        0.5,
        "losses",
        "Of mean |output - input| for a picture of the target domain, as a share of cycle_weight.",
        low=0,
        high=math.inf,
        only="cyclegan",
    )
    pool_size: int = _field(
        50,
        "losses",
        "Generated pictures kept for the discriminator in each domain; 0 keeps none.",
        low=0,
        high=10_000,
        only="cyclegan",
    )

    learning_rate: float = _field(2e-4, "optimiser", "Adam's, for all networks.", low=1e-12, high=1)
    beta_1: float = _field(0.5, "optimiser", "Adam's memory of the gradient.", low=0, high=1, below=True)
    beta_2: float = _field(0.999, "optimiser", "Adam's memory of its square.", low=0, high=1, below=True)
    epsilon: float = _field(1e-8, "optimiser", "Adam's guard against zero.", low=1e-12, high=1)
    decay_steps: int = _field(
        0,
        "optimiser",
        "The rate falls linearly to zero over this many last steps.",
        low=0,
        high=math.inf,
        learnt=False,
    )
    ema_decay: float = _field(
        0.0,
        "optimiser",
        "Of the running mean of the generator's weights, which is exported; it follows quickly at first.",
        low=0,
        high=1,
        below=True,
    )

    checkpoint_every: int = _field(
        2_000,
        "checkpoints",
        "Steps between checkpoints; the last step always has one.",
        low=1,
        high=math.inf,
        learnt=False,
    )
    keep_checkpoints: int = _field(
        0, "checkpoints", "How many of the newest to keep; 0 keeps all.", low=0, high=math.inf, learnt=False
    )
    keep_best: int = _field(
        0,
        "checkpoints",
        "How many of the best measured ones to keep beside the newest.",
        low=0,
        high=math.inf,
        learnt=False,
    )
    keep_every: int = _field(
        0,
        "checkpoints",
        "Keep every checkpoint whose step is a multiple of this, too; 0 for none.",
        low=0,
        high=math.inf,
        learnt=False,
    )
    log_every: int = _field(
        50, "checkpoints", "Steps between reports of the losses.", low=1, high=math.inf, learnt=False
    )
    samples: int = _field(
        8,
        "checkpoints",
        "Fixed validation tiles that are drawn at every checkpoint; 0 for none.",
        low=0,
        high=64,
        learnt=False,
    )
    evaluate_tiles: int = _field(
        20,
        "checkpoints",
        "Validation tiles that every checkpoint is measured on; 0 for none.",
        low=0,
        high=10_000,
        learnt=False,
    )

    def __post_init__(self) -> None:
        """Check types, ranges and combinations."""
        for field in dataclasses.fields(self):
            _check(field.name, getattr(self, field.name), str(field.type), field.metadata["setting"])
        if not GENERATOR_PATTERN.fullmatch(self.generator):
            raise ConfigError(
                f"generator must be like unet_256, resnet_9 or resnet_6, not {self.generator!r}"
            )
        self._check_sizes()
        for field in dataclasses.fields(self):
            only = field.metadata["setting"].only
            # It would be ignored, and whoever made it would not know.
            if only not in (None, self.model) and getattr(self, field.name) != field.default:
                raise ConfigError(f"{field.name} is a setting of {only}; {self.model} does not use it")

    def _check_sizes(self) -> None:
        """The crop fits the picture, the network fits the crop, the decay fits the run."""
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
        known = settings()
        return {k: (mine[k], theirs[k]) for k in mine if mine[k] != theirs[k] and known[k].learnt}

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
            name: float(value) if known[name] == "float" and _countable(value) else value
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


def settings() -> dict[str, Setting]:
    """The declaration of every field, by name, in order."""
    return {field.name: field.metadata["setting"] for field in dataclasses.fields(TrainConfig)}


def _check(name: str, value: Any, expected: str, setting: Setting) -> None:
    """Type, choice and range of one field. A bool is not an int here, and an int passes for a float."""
    accepted = {"str": (str,), "int": (int,), "float": (float, int), "bool": (bool,)}[expected]
    if type(value) not in accepted:
        raise ConfigError(f"{name} must be a {expected}, not {value!r}")
    if setting.choices and value not in setting.choices:
        raise ConfigError(f"{name} must be one of {', '.join(setting.choices)}, not {value!r}")
    if setting.low is None or setting.high is None:
        return
    if type(value) is int and not _countable(value):
        raise ConfigError(f"{name} must be at most {_MOST}, not a number of {value.bit_length()} bits")
    inside = math.isfinite(value) and setting.low <= value <= setting.high
    if not inside or (setting.below and value == setting.high):
        unlimited = setting.high == math.inf
        limit = f"at least {setting.low:g}" if unlimited else f"from {setting.low:g} to {setting.high:g}"
        raise ConfigError(f"{name} must be {limit}{' (exclusive)' if setting.below else ''}, not {value!r}")


def _countable(value: Any) -> bool:
    """Whether it is an integer of 64 bits: what a database, a random generator and a float take."""
    return type(value) is int and abs(value) <= _MOST


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
