"""A run's log in words: what its child wrote on stderr, and a line for each of its events."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Final

from jobs.child import read_tail

STEP_SECONDS: Final = 1.0  # between two lines about steps; log.jsonl has them all
TAIL_BYTES: Final = 6_000


class RunLog:
    """Appends to the file that also takes the child's stderr, whose lines stand between ours."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._step_at = 0.0

    def hear(self, event: dict[str, Any]) -> None:
        """One event, if it is worth a line. A disk that is full is said elsewhere."""
        if event.get("event") == "step":
            if monotonic() - self._step_at < STEP_SECONDS:
                return
            self._step_at = monotonic()
        text = sentence(event)
        if text:
            self.write(text)

    def write(self, text: str) -> None:
        """One line, with the time."""
        line = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}  {text}\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError:
            return

    def tail(self) -> str:
        """The end of it."""
        return read_tail(self.path, TAIL_BYTES)


def sentence(event: dict[str, Any]) -> str:
    """An event in one line; empty for one of no interest, or of a later version of the library."""
    tell = _SENTENCES.get(str(event.get("event")))
    return tell(event) if tell else ""


def _step(event: dict[str, Any]) -> str:
    losses = "  ".join(f"{name} {value:.4g}" for name, value in event["losses"].items() if value is not None)
    pace = event.get("images_per_second")
    line = f"step {event['step']:,} of {event['steps']:,}  {losses}"
    return f"{line}  {pace:.1f} images/s" if pace else line


def _started(event: dict[str, Any]) -> str:
    return (
        f"step {event['step']:,} of {event['steps']:,}: {event['images']:,} training pictures, "
        f"{event['validation']:,} to validate, {event['parameters']:,} parameters"
    )


def _evaluation(event: dict[str, Any]) -> str:
    rows = (
        f"{way}: " + "  ".join(f"{name} {value:.4g}" for name, value in row.items() if value is not None)
        for way, row in event["directions"].items()
    )
    return f"measured the checkpoint of step {event['step']:,} on {event['tiles']} tiles; " + "; ".join(rows)


_SENTENCES: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "resumed": lambda e: f"resumed at step {e['step']:,}" if e["step"] else "no checkpoint yet",
    "started": _started,
    "step": _step,
    "checkpoint": lambda e: f"checkpoint of step {e['step']:,}",
    "sample": lambda e: f"drew the fixed tiles at step {e['step']:,}",
    "evaluation": _evaluation,
    "removed": lambda e: f"the checkpoint of step {e['step']:,} went, as retention says",
    "alarm": lambda e: f"ALARM: {e['message']}",
    "alarm_cleared": lambda e: f"alarm over at step {e['step']:,}: {e['kind']}",
    "warning": lambda e: f"warning: {e['message']}",
    "finished": lambda e: f"{e['reason']} at step {e['step']:,}",
    "failed": lambda e: f"FAILED: {e['reason']}",
}
