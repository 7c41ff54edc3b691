"""What ``mapgan train`` says: JSON lines or a progress bar, the run's log, and the exit code.

The log, standard output and standard error are windows, not walls: when one cannot be written (a full
disk, a supervisor that is gone), training is not lost to it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import click

from mapgan import events
from mapgan.stopping import Stop, Stopped

LOG_FILE: Final = "log.jsonl"
EXIT_FAILED: Final = 1
EXIT_DIVERGED: Final = 3
EXIT_STORAGE: Final = 4
FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
BAR: Final = 24


class Report:
    """Context of a command: shows events, keeps them in the run's log, ends with the right exit code.

    What a person can mend (data, settings, a full disk) becomes one line on stderr and an exit code of
    its own; anything else also keeps its traceback.

    Args:
        run: its folder; the log is written once it exists.
        as_events: print JSON lines instead of text for people.
    """

    def __init__(self, run: Path, *, as_events: bool) -> None:
        self._run = run
        self._show: events.Listener = _print_line if as_events else Progress()
        self._logging = True
        self._step = 0
        self.stop: Stop | None = None
        """Asked to stop when nobody reads standard output any more."""

    def __enter__(self) -> Report:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if isinstance(error, Stopped):
            self.stopped()
            sys.exit(0)
        if not isinstance(error, Exception) or isinstance(error, click.ClickException):
            return
        code = _exit_code(error)
        reason = str(error) if code else f"unexpected {type(error).__name__}: {error}"
        self.listen(events.Failed(reason=reason, step=self._step))
        if code:
            sys.exit(code)

    def listen(self, event: events.Event) -> None:
        """Show and keep one event."""
        self._step = getattr(event, "step", self._step)
        self._log(event)
        try:
            self._show(event)
        except OSError as error:
            _silence_what_fails()
            # Whoever started this is gone, and another one may want to resume: save, and free the folder.
            if isinstance(error, BrokenPipeError) and self.stop is not None:
                self.stop.wanted = True

    def note(self, text: str) -> None:
        """Tell a person something that is no event, on standard error."""
        try:
            click.echo(text, err=True)
        except OSError:
            _silence_what_fails()

    def stopped(self) -> None:
        """Say that a run ended on request while nothing was unsaved."""
        from mapgan import checkpoints

        self.listen(events.Finished(step=max(checkpoints.steps(self._run), default=0), reason="stopped"))

    def _log(self, event: events.Event) -> None:
        """Append to the run's log; a run that could not start has no folder, and gets none."""
        if not self._run.is_dir():
            return
        try:
            with (self._run / LOG_FILE).open("a+b") as log:
                length = log.tell()
                log.seek(max(0, length - 1))
                cut = log.read() not in (b"", b"\n")  # by a full disk or a kill
                log.write(b"\n" * cut + events.to_line(event).encode() + b"\n")
            self._logging = True
        except OSError as error:
            if self._logging:
                self.note(f"mapgan: {self._run / LOG_FILE} cannot be written ({error.strerror})")
            self._logging = False


def _silence_what_fails() -> None:
    """A stream that still cannot be written leads nowhere from now on; Python would fail at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), stream.fileno())


def _exit_code(error: Exception) -> int:
    """Of an error that a person can mend; 0 for any other."""
    from mapgan.checkpoints import CheckpointError
    from mapgan.datasets import DatasetError
    from mapgan.engine.state import EngineError
    from mapgan.runlock import InUseError
    from mapgan.training import DivergedError, StorageError, TrainingError

    if isinstance(error, DivergedError):
        return EXIT_DIVERGED
    if isinstance(error, StorageError) or _is_full_disk(error):
        return EXIT_STORAGE
    known = (DatasetError, CheckpointError, TrainingError, EngineError, InUseError, OSError)
    return EXIT_FAILED if isinstance(error, known) else 0


def _is_full_disk(error: Exception) -> bool:
    """Whether there was no room to unpack the data, or for another file."""
    from mapgan.archives import ArchiveError

    cause = error.__cause__
    if isinstance(cause, ArchiveError):
        return cause.code == "disk"
    return isinstance(error, OSError) and error.errno in FULL


def _print_line(event: events.Event) -> None:
    """One JSON line, at once."""
    click.echo(events.to_line(event))


class Progress:
    """A bar with the time left on a terminal, a plain line a report elsewhere."""

    def __init__(self) -> None:
        self._open = False

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        if isinstance(event, events.Step):
            self._step(event)
            return
        text = _sentence(event)
        if text:
            click.echo(("\n" if self._open else "") + text, err=isinstance(event, events.Failed))
            self._open = False

    def _step(self, event: events.Step) -> None:
        """Move the bar, or print losses and time left."""
        losses = "  ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
        text = (
            f"{event.step}/{event.steps}  {losses}  {event.images_per_second:.1f} img/s"
            f"  left {_clock(event.eta)}"
        )
        if sys.stdout.isatty():
            done = int(BAR * event.step / event.steps)
            click.echo(f"\r[{'#' * done}{'.' * (BAR - done)}] {text}\033[K", nl=False)
            self._open = True
        else:
            click.echo(text)


def _sentence(event: events.Event) -> str:
    """What a person is told of an event that is no step; empty for what goes without saying."""
    text = ""
    match event:
        case events.Resumed(step=step):
            text = f"resumed at step {step}" if step else "no checkpoint yet: starting at step 0"
        case events.Started(step=step, steps=steps) if step >= steps:
            text = f"this run is finished: {step} of {steps} steps are made; more --steps continue it"
        case events.Started():
            text = (
                f"{event.images} training pictures, {event.validation} to validate, {event.parameters:,} "
                f"parameters, {event.steps} steps, about {event.memory_bytes / 2**30:.1f} GB of memory"
            )
        case events.Evaluation():
            rows = event.directions.items()
            text = "\n".join(f"  step {event.step} {way}: {_brief(row)}" for way, row in rows)
        case events.Alarm():
            text = f"ALARM: {event.message}"
        case events.AlarmCleared():
            text = f"alarm over at step {event.step}: {event.kind}"
        case events.Warned():
            text = f"warning: {event.message}"
        case events.Finished():
            text = f"{event.reason} at step {event.step}"
        case events.Failed():
            text = f"mapgan: {event.reason}"
    return text


def _brief(measures: dict[str, Any]) -> str:
    """The measures that say most, in one line."""
    shown = ("rmse", "acc5", "acc10", "palette_miou", "psnr", "sharpness_ratio")
    return "  ".join(f"{name} {measures[name]:.3g}" for name in shown if name in measures)


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds; a day has 24 hours and a long run has days."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
