"""The JSON lines a run writes, one event a line, for whoever supervises it.

Every line has ``event`` and ``time`` (seconds since the epoch); the rest is in each class below. A
reader ignores events and fields it does not know, so both may be added. They come in this order::

    resumed?  started  warning*  baselines?
    ( step* checkpoint sample? evaluation? removed* alarm* alarm_cleared* )*
    finished | failed

``step`` comes every ``log_every`` updates, ``warning`` and ``alarm`` whenever there is reason. After
``resumed`` with a smaller step than was seen before, what was said about later steps is void: those
updates are made again, with the same numbers. A run that is killed says nothing at the end.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """State restored from the checkpoint of ``step``; 0 says there was none to resume from."""

    name: ClassVar[str] = "resumed"
    step: int


@dataclass(frozen=True, kw_only=True)
class Started:
    """The run is ready for its first step; ``step`` of ``steps`` are done.

    ``memory_bytes`` is what it is expected to need at most, a rough figure (:mod:`mapgan.memory`),
    ``validation`` the number of held-out tiles, ``environment`` what the exact bits depend on.
    """

    name: ClassVar[str] = "started"
    step: int
    steps: int
    images: int
    validation: int
    parameters: int
    memory_bytes: int
    config: dict[str, Any]
    environment: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Step:
    """Losses after ``step`` updates, images a second since the last report, seconds left.

    ``epoch`` counts passes through the training pictures; ``memory_bytes`` is the most that the
    process has held so far.
    """

    name: ClassVar[str] = "step"
    step: int
    steps: int
    epoch: float
    losses: dict[str, float]
    learning_rate: float
    images_per_second: float
    eta: float
    memory_bytes: int


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A complete checkpoint is on disk at ``path``."""

    name: ClassVar[str] = "checkpoint"
    step: int
    path: str


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The fixed tiles are drawn: ``path/DIRECTION/STEM.png`` for each of ``stems``."""

    name: ClassVar[str] = "sample"
    step: int
    path: str
    directions: list[str]
    stems: dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Baselines:
    """What two trivial translations score on the tiles of every evaluation below.

    ``directions`` has, for each direction, ``median_colour`` and ``input_copied`` with their measures.
    """

    name: ClassVar[str] = "baselines"
    tiles: int
    directions: dict[str, dict[str, dict[str, float]]]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The measures of the checkpoint of ``step`` on ``tiles`` held-out tiles, by direction."""

    name: ClassVar[str] = "evaluation"
    step: int
    tiles: int
    directions: dict[str, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Removed:
    """The checkpoint of ``step`` went, as the configuration's retention says."""

    name: ClassVar[str] = "removed"
    step: int
    path: str


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """The watchdog saw something: ``message`` says what it means and what may help.

    ``kind`` is ``d_won``, ``collapse``, ``checkerboard`` or ``nan``, ``direction`` that of the generator it
    is about, if it is about one. Said once until it clears.
    """

    name: ClassVar[str] = "alarm"
    kind: str
    direction: str | None = None
    step: int
    message: str


@dataclass(frozen=True, kw_only=True)
class AlarmCleared:
    """What the alarm of this ``kind`` (and ``direction``) was about is over."""

    name: ClassVar[str] = "alarm_cleared"
    kind: str
    direction: str | None = None
    step: int


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something beside the training failed or looks wrong; the training goes on."""

    name: ClassVar[str] = "warning"
    step: int
    message: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The run ended well: ``reason`` is ``completed`` or ``stopped`` (a signal asked for it)."""

    name: ClassVar[str] = "finished"
    step: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The run ended badly; ``reason`` is a sentence a person understands.

    ``step`` is the last one that was heard of: a supervisor that sees a run fail twice at the same one
    need not try a third time.
    """

    name: ClassVar[str] = "failed"
    reason: str
    step: int = 0


Event: TypeAlias = (
    Resumed
    | Started
    | Step
    | Checkpoint
    | Sample
    | Baselines
    | Evaluation
    | Removed
    | Alarm
    | AlarmCleared
    | Warned
    | Finished
    | Failed
)
Listener: TypeAlias = Callable[[Event], None]


def to_line(event: Event, *, now: Callable[[], float] = time.time) -> str:
    """One JSON object without line breaks. NaN, which JSON lacks, becomes null."""
    fields = {"event": event.name, "time": round(now(), 3), **dataclasses.asdict(event)}
    return json.dumps(_finite(fields), allow_nan=False)


def _finite(value: Any) -> Any:
    """``value`` with every NaN and infinity inside replaced by None."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and value - value != 0.0:
        return None
    return value
