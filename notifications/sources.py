"""Where news comes from: other apps say what kinds there are and how to find what has not been told yet.

News is found by looking at rows, in the maintenance worker, and never reported by the work itself: a run can
neither be delayed nor fail because somebody wants to hear of it, and whatever ended it, nothing is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from notifications.models import Topic


@dataclass(frozen=True)
class Kind:
    """A kind of news, such as ``training_run.failed``.

    Attributes:
        words: what a form calls it.
        topic: which of a person's wishes it falls under.
    """

    name: str
    words: str
    topic: Topic


@dataclass(frozen=True)
class News:
    """Something that happened, once.

    Attributes:
        key: the same whenever it is found again; at most 120 characters.
        title: what it happened to.
        reason: why, or what came of it, in a sentence for people.
        path: of the page to look at.
        about: id of what it happened to.
        owner_id: of the person who started it; None when nobody did.
        data: for programs, with JSON values.
        quiet: for programs alone; no mail is sent.
    """

    key: str
    kind: str
    title: str
    reason: str
    path: str
    about: str
    owner_id: int | None
    at: datetime
    data: dict[str, Any] = field(default_factory=dict)
    quiet: bool = False


@dataclass(frozen=True)
class Source:
    """Two questions to an app, the first of them cheap.

    Attributes:
        keys: of everything that happened since then.
        tell: the news under these keys; what is gone meanwhile is left out.
    """

    keys: Callable[[datetime], Sequence[str]]
    tell: Callable[[Sequence[str]], Iterable[News]]


KINDS: dict[str, Kind] = {}
SOURCES: list[Source] = []

TEST = Kind("webhook.test", "A test of the endpoint", Topic.TEST)


def source_register(source: Source, kinds: Iterable[Kind]) -> None:
    """Called when an app is ready."""
    KINDS.update({kind.name: kind for kind in kinds})
    if source not in SOURCES:
        SOURCES.append(source)


def topic_of(kind: str) -> Topic:
    """Which wish a kind falls under."""
    return KINDS.get(kind, TEST).topic
