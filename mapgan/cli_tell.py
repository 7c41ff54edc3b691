"""``--events`` of the commands that do one thing: JSON lines for whoever supervises them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import click

EVERY_SECONDS: Final = 0.5  # between two lines about one stage
EXIT_FAILED: Final = 1


def tell(event: str, **fields: Any) -> None:
    """One JSON line, at once."""
    click.echo(json.dumps({"event": event, **fields}))


def fail(reason: str) -> NoReturn:
    """Say why, for programs and people, and end."""
    tell("failed", reason=reason)
    click.echo(f"mapgan: {reason}", err=True)
    sys.exit(EXIT_FAILED)


class Progress:
    """``progress`` events: the share of the whole that is done, and the stage; a few a second.

    Args:
        wanted: False says nothing.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted, self._next = wanted, 0.0

    def begin(self, stage: str, share: float) -> None:
        """A new stage."""
        self._next = 0.0
        self.tell(stage, share)

    def tell(self, stage: str, share: float) -> None:
        """So much of the whole is done."""
        if self._wanted and time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY_SECONDS
            tell("progress", share=round(share, 4), stage=stage)

    def within(self, stage: str, first: float, last: float) -> Callable[[float], None]:
        """Takes the share of a stage that covers ``first`` to ``last`` of the whole."""
        self.begin(stage, first)
        return lambda share: self.tell(stage, first + (last - first) * share)


@contextmanager
def explained(*errors: type[Exception], as_events: bool) -> Iterator[None]:
    """Errors that have a message for people: that message and exit code 1, as an event if wanted."""
    try:
        yield
    except errors as error:
        if as_events:
            fail(str(error))
        raise click.ClickException(str(error)) from error
