"""The JSON lines a run writes, one event a line, for whoever supervises it.

``started``, ``resumed``, ``step``, ``checkpoint``, ``finished`` and ``failed``: every line has
``event`` and ``time`` (seconds since the epoch); the rest is in each class below. A reader ignores
events and fields it does not know, so both may be added.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias


@dataclass(frozen=True, kw_only=True)
class Started:
    """The run is ready for its first step; ``step`` of ``steps`` are done."""

    name: ClassVar[str] = "started"
    step: int
    steps: int
    images: int
    parameters: int
    config: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """State restored from the checkpoint of ``step``; 0 says there was none to resume from."""

    name: ClassVar[str] = "resumed"
    step: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """Losses after ``step`` updates, images a second since the last report, seconds left."""

    name: ClassVar[str] = "step"
    step: int
    steps: int
    losses: dict[str, float]
    images_per_second: float
    eta: float


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A complete checkpoint is on disk at ``path``."""

    name: ClassVar[str] = "checkpoint"
    step: int
    path: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The run ended well: ``reason`` is ``completed`` or ``stopped`` (a signal asked for it)."""

    name: ClassVar[str] = "finished"
    step: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The run ended badly; ``reason`` is a sentence a person understands."""

    name: ClassVar[str] = "failed"
    reason: str


Event: TypeAlias = Started | Resumed | Step | Checkpoint | Finished | Failed
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
