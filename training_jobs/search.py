"""The space of a sweep: which settings differ, over which values, and how grid and random walk through it.

What is chosen is a function of the rows alone (the space, a seed, a number, what was chosen before), so it
does not matter which process asks, or how often.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mapgan.config import ConfigError, TrainConfig, settings

Value = str | int | float | bool
Values = Mapping[str, Value]
Key = tuple[float, ...]
"""Of a result by the library's rule: the larger one is the better."""

AXES_LIMIT: Final = 6
SIZE_LIMIT: Final = 500
"""Runs of one sweep at most."""
LISTED_LIMIT: Final = 50
POINTS_LIMIT: Final = 50
CHECKED_LIMIT: Final = 1_000
DRAWS: Final = 200
"""How often another random point is drawn when one was tried before."""
DIGITS: Final = 6
"""Significant ones of a drawn number: who reads it, types it."""

_YARDSTICK = "the runs would be measured on other pictures, and nobody could rank them"
FIXED: Final = {
    "model": "a sweep ranks by one rule: make one of each model and compare them",
    "direction": "each direction is ranked by a rule of its own: make one sweep of each",
    "a_side": "it was said when the pictures were brought",
    "preset": "it is only a label",
    "image_size": _YARDSTICK,
    "validation_share": _YARDSTICK,
    "deterministic": "it changes the pace, not what is learnt",
}
LENGTHS: Final = ("steps", "decay_steps")


class SpaceError(ValueError):
    """A space that makes no sense, in words.

    Attributes:
        axis: the setting at fault; empty when it is about several.
    """

    def __init__(self, message: str, *, axis: str = "") -> None:
        super().__init__(message)
        self.axis = axis


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A setting and the values it takes: a list of them, or everything from ``low`` to ``high``.

    Attributes:
        log: a range is walked through by factors instead of by steps.
        points: of a range in a grid.
    """

    name: str
    values: tuple[Value, ...] = ()
    low: float | int | None = None
    high: float | int | None = None
    log: bool = False
    points: int = 3

    @property
    def is_range(self) -> bool:
        """Whether any number between two is meant."""
        return self.low is not None

    def grid(self) -> tuple[Value, ...]:
        """The values in a grid."""
        if self.low is None or self.high is None:
            return self.values
        shares = [index / (self.points - 1) for index in range(self.points)]
        return tuple(dict.fromkeys(self.at(share) for share in shares))

    def ends(self) -> tuple[Value, ...]:
        """The values between which all others lie."""
        return self.values if self.low is None or self.high is None else (self.low, self.high)

    def at(self, share: float) -> Value:
        """The number at a share, 0 to 1, of the range."""
        if self.low is None or self.high is None:
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        if self.log:
            number = self.low * (self.high / self.low) ** share
        else:
            number = self.low + (self.high - self.low) * share
        return self.fitted(number)

    def fitted(self, number: float) -> int | float:
        """A number of the range as a person would write it."""
        low, high = self.low or 0, self.high or 0
        if isinstance(low, int) and isinstance(high, int):
            return min(max(round(number), low), high)
        return min(max(float(f"{number:.{DIGITS}g}"), float(low)), float(high))

    def text(self) -> str:
        """As `parse` reads it."""
        if self.is_range:
            return f"{shown(self.low)} to {shown(self.high)}"
        return ", ".join(map(shown, self.values))

    def described(self) -> str:
        """In words, for a page."""
        return f"{self.text()}, by factors" if self.log else self.text()

    def to_dict(self) -> dict[str, Any]:
        """For a row, and for the API."""
        if not self.is_range:
            return {"name": self.name, "values": list(self.values)}
        limits = {"low": self.low, "high": self.high}
        return {"name": self.name, **limits, "log": self.log, "points": self.points}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Axis:
        """The opposite of `to_dict`."""
        return cls(**{**data, "values": tuple(data.get("values", ()))})


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the rows say of one trial.

    Attributes:
        values: its settings.
        state: ``running``, ``complete``, ``pruned`` or ``failed``.
        best: the key of its best checkpoint by the library's rule; None when none was measured.
        reports: the keys of all its checkpoints by step, the first step first.
    """

    values: Mapping[str, Value]
    state: str
    best: Key | None
    reports: Mapping[int, Key]


def sweepable(model: str) -> list[str]:
    """Names of the settings that a sweep of this model may vary, in the library's order."""
    return [
        name
        for name, setting in settings().items()
        if setting.only in (None, model) and name not in FIXED and (setting.learnt or name in LENGTHS)
    ]


def kind_of(name: str) -> str:
    """``int``, ``float``, ``bool`` or ``str``.

    Raises:
        SpaceError: there is no such setting.
    """
    found = (str(field.type) for field in dataclasses.fields(TrainConfig) if field.name == name)
    kind = next(found, None)
    if kind is None:
        raise SpaceError(f"There is no setting {name}.")
    return kind


def shown(value: Any) -> str:
    """A value as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def parse(name: str, text: str, *, log: bool = False, points: int = 3) -> Axis:
    """An axis from what a person typed: ``1e-4, 2e-4``, or ``1e-5 to 1e-3``.

    Raises:
        SpaceError: it is neither.
    """
    low, to, high = text.partition(" to ")
    if to:
        if kind_of(name) not in ("int", "float"):
            raise SpaceError("Only numbers have a range; give a list with commas.", axis=name)
        return checked(
            Axis(name=name, low=_number(name, low), high=_number(name, high), log=log, points=points)
        )
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return checked(Axis(name=name, values=tuple(_value(name, part) for part in parts)))


def checked(axis: Axis) -> Axis:
    """The axis itself, when its values are of the right kind and there are some.

    Raises:
        SpaceError: they are not.
    """
    kind = kind_of(axis.name)
    if axis.name in FIXED:
        raise SpaceError(f"{axis.name} cannot be swept: {FIXED[axis.name]}.", axis=axis.name)
    if not settings()[axis.name].learnt and axis.name not in LENGTHS:
        raise SpaceError(f"{axis.name} changes nothing that is learnt.", axis=axis.name)
    if axis.low is None and axis.high is None:
        return _checked_list(axis, kind)
    if kind not in ("int", "float") or axis.values:
        raise SpaceError("Give a list of values, or the two ends of a range of numbers.", axis=axis.name)
    return _checked_range(axis, kind)


def _checked_list(axis: Axis, kind: str) -> Axis:
    if not axis.values:
        raise SpaceError("Give its values with commas between them, or a range.", axis=axis.name)
    if len(axis.values) > LISTED_LIMIT:
        raise SpaceError(f"Give at most {LISTED_LIMIT} values.", axis=axis.name)
    values = tuple(float(v) if kind == "float" and type(v) is int else v for v in axis.values)
    if any(type(value).__name__ != kind for value in values):
        raise SpaceError(f"{axis.name} takes values of the kind {kind}.", axis=axis.name)
    if len(set(values)) != len(values):
        raise SpaceError("One value is there twice.", axis=axis.name)
    return dataclasses.replace(axis, values=values)


def _checked_range(axis: Axis, kind: str) -> Axis:
    ends = (axis.low, axis.high)
    fits = all(type(end) is int or (kind == "float" and type(end) is float) for end in ends)
    if not fits or not all(math.isfinite(end) for end in ends if end is not None):
        raise SpaceError(f"A range of {axis.name} has two ends of the kind {kind}.", axis=axis.name)
    low, high = (float(end) if kind == "float" else end for end in ends if end is not None)
    if low >= high:
        raise SpaceError("A range goes from the smaller number to the larger one.", axis=axis.name)
    if axis.log and low <= 0:
        raise SpaceError("A logarithmic range begins above zero.", axis=axis.name)
    if not 2 <= axis.points <= POINTS_LIMIT:
        raise SpaceError(f"A range has 2 to {POINTS_LIMIT} points in a grid.", axis=axis.name)
    return dataclasses.replace(axis, low=low, high=high)


def check_space(base: TrainConfig, axes: Sequence[Axis]) -> None:
    """Whether every run of the sweep makes sense to the library.

    Lists are combined in full, ranges by their ends: what lies between is looked at when it is launched.

    Raises:
        SpaceError: there is nothing to vary, a setting is there twice, or the library refuses a combination.
    """
    if not axes:
        raise SpaceError("Choose at least one setting to vary.")
    if len(axes) > AXES_LIMIT:
        raise SpaceError(f"Vary at most {AXES_LIMIT} settings.")
    names = [axis.name for axis in axes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SpaceError(f"{twice} is there twice.", axis=twice)
    for point in itertools.islice(itertools.product(*(axis.ends() for axis in axes)), CHECKED_LIMIT):
        values = dict(zip(names, point, strict=True))
        try:
            configured(base, values)
        except ConfigError as error:
            raise _refused(values, error) from error


def _refused(values: Values, error: ConfigError) -> SpaceError:
    """The library's message, and beside which setting it belongs."""
    name = str(error).split(maxsplit=1)[0]
    words = ", ".join(f"{key} {shown(value)}" for key, value in values.items())
    message = f"{error}." if name in values and "must be" in str(error) else f"With {words}: {error}."
    return SpaceError(message, axis=name if name in values else "")


def configured(base: TrainConfig, values: Values) -> TrainConfig:
    """The settings of one run.

    Raises:
        ConfigError: they do not fit together.
    """
    return TrainConfig.from_dict({**base.to_dict(), **values})


def combinations(axes: Sequence[Axis]) -> int:
    """How many points a grid has."""
    return math.prod(len(axis.grid()) for axis in axes)


def grid_point(axes: Sequence[Axis], number: int) -> dict[str, Value] | None:
    """The ``number``-th combination, from 1; the last setting changes first. None beyond the end."""
    names = [axis.name for axis in axes]
    points = itertools.product(*(axis.grid() for axis in axes))
    found = next(itertools.islice(points, number - 1, None), None)
    return None if found is None else dict(zip(names, found, strict=True))


def random_point(
    axes: Sequence[Axis], number: int, *, seed: int, tried: Iterable[Values]
) -> dict[str, Value] | None:
    """The ``number``-th draw, from 1, unlike all that were tried; None when there seems to be no other."""
    before = [dict(values) for values in tried]
    return next((point for point in _draws(axes, number, seed) if point not in before), None)


def _draws(axes: Sequence[Axis], number: int, seed: int) -> Iterator[dict[str, Value]]:
    source = random.Random(f"{seed}:{number}")  # noqa: S311 - it must be the same again
    for _ in range(DRAWS):
        yield {axis.name: axis.at(source.random()) for axis in axes}


def seed_of(seed: int, number: int) -> int:
    """A seed for the ``number``-th proposal."""
    return random.Random(f"{seed}:{number}").getrandbits(32)  # noqa: S311 - as above


def _number(name: str, text: str) -> int | float:
    value = _value(name, text.strip())
    if isinstance(value, str | bool):
        raise SpaceError("Only numbers have a range.", axis=name)
    return value


def _value(name: str, text: str) -> Value:
    kind = kind_of(name)
    words = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
    try:
        if kind == "bool":
            return words[text.lower()]
        return int(text) if kind == "int" else float(text) if kind == "float" else text
    except (KeyError, ValueError):
        expected = {"bool": "yes or no", "int": "a whole number", "float": "a number"}[kind]
        raise SpaceError(f"{text!r} is not {expected}.", axis=name) from None
