"""From the events of a run (`mapgan.events`) to rows and stored objects."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic
from typing import Any, Final, Protocol

import numpy as np
from django.conf import settings

from jobs.errors import JobFailed
from jobs.runner import Attempt
from training_jobs import curves
from training_jobs.continuity import ROWS, Seam
from training_jobs.models.runs import TRAINING, TrainingRun
from training_jobs.selectors import curve_tail
from training_jobs.services import recording

NOT_LOSSES: Final = ("learning_rate", "images_per_second")
FACTS: Final = ("images", "validation", "parameters", "memory_bytes", "environment")


class Keeper(Protocol):
    """Who stores what a run writes to its folder; see `training_jobs.keeping`."""

    def keep_checkpoint(self, step: int, path: str) -> None:
        """Store the checkpoint's files and write its row."""

    def keep_samples(self, step: int, path: str, stems: dict[str, list[str]]) -> None:
        """Store what it drew."""

    def keep_run_files(self) -> None:
        """Store the split, the configuration, the log and TensorBoard's files as they are now."""


class Ingest:
    """Hears the events of one attempt. Logged steps are gathered for a while and written together."""

    def __init__(self, run: TrainingRun, attempt: Attempt, keeper: Keeper, *, expected: int | None) -> None:
        """``expected`` is the step of the checkpoint that was brought; None when there was none."""
        self.failure = ""
        self.finished = ""
        self._ending = False
        self._run, self._attempt, self._keeper, self._expected = run, attempt, keeper, expected
        self._columns: list[str] = list(run.columns)
        self._steps: list[int] = []
        self._rows: list[list[float]] = []
        self._figures: dict[str, Any] = {}
        self._flushed_at = monotonic()
        self._seam: Seam | None = None
        self._alarms: dict[str, dict[str, Any]] = {}
        self._late: list[dict[str, Any]] = []
        self._heard: dict[str, Callable[[dict[str, Any]], None]] = {
            "resumed": self._resumed,
            "started": self._started,
            "step": self._step,
            "checkpoint": self._checkpoint,
            "sample": self._now_or_later,
            "evaluation": self._now_or_later,
            "baselines": self._baselines,
            "alarm": self._alarm,
            "alarm_cleared": self._alarm_cleared,
            "warning": self._warning,
            "finished": self._finished,
            "failed": self._failed,
        }

    def __call__(self, event: dict[str, Any]) -> None:
        """One event; those of a later version of the library are passed over.

        Raises:
            JobFailed: the run resumed from another step than the one whose checkpoint was brought.
            LeaseLost: the run is another worker's by now.
        """
        hear = self._heard.get(str(event.get("event")))
        if hear is not None:
            hear(event)

    def at_end(self, begin: Callable[[], None]) -> Callable[[dict[str, Any]], None]:
        """The listener for what the child says after it was told to stop: nothing interrupts it any more.

        What has to be stored waits for `bring_home`, so that a child that still works does not.

        Args:
            begin: called before each of these events.
        """

        def listen(event: dict[str, Any]) -> None:
            self._ending = True
            begin()
            self(event)

        return listen

    def bring_home(self) -> None:
        """Store the newest checkpoint that the child made, if it is not: its way out was cut short, or it was
        the last thing the child did; then write what was gathered.
        """
        late, self._late = self._late, []
        for event in late:
            self._store(event)
        self.flush()
        self.tell_seam()

    def note(self, kind: str, message: str, step: int | None = None) -> None:
        """A line of the run's story."""
        recording.run_note(run=self._run, attempt=self._attempt.number, kind=kind, message=message, step=step)

    def flush(self) -> None:
        """Write what was gathered."""
        if self._steps:
            recording.curves_append(
                run=self._run,
                attempt=self._attempt.number,
                steps=self._steps,
                rows=[row + [float("nan")] * (len(self._columns) - len(row)) for row in self._rows],
                columns=self._columns,
                **self._figures,
            )
            self._steps, self._rows = [], []
        self._flushed_at = monotonic()
        if self._seam is not None and self._seam.is_known:
            self.tell_seam()

    def tell_seam(self) -> None:
        """Say how the losses went on after the resume, with what is known by now."""
        seam, self._seam = self._seam, None
        words = seam.words() if seam else ""
        if seam and words:
            self.note("continuity", words, seam.step)

    def show(self, **fields: Any) -> None:
        """Write what else the page shows of a running training."""
        self._record(**fields)

    def _resumed(self, event: dict[str, Any]) -> None:
        step = int(event["step"])
        if self._expected is not None and step != self._expected:
            message = f"The run should go on from step {self._expected}, but it began at step {step}."
            raise JobFailed("resume_mismatch", message)
        steps, values = recording.curves_trim(run=self._run, attempt=self._attempt.number, step=step)
        if step:
            again = {int(each): self._losses(row) for each, row in zip(steps, values.tolist(), strict=True)}
            before = [self._losses(row) for row in curve_tail(self._run, ROWS)[1].tolist()]
            self._seam = Seam(step, before, again)
            self._record(resumed_step=step)
            self.note("resumed", f"Went on from the checkpoint of step {step:,}.", step)

    def _started(self, event: dict[str, Any]) -> None:
        # The watchdog of an earlier attempt is gone: nobody would ever say that what it saw is over.
        self._record(facts={name: event[name] for name in FACTS if name in event}, alarms=[])
        if not event["step"]:
            self.note("started", f"Began with {event['images']:,} pictures.", 0)
        self._keeper.keep_run_files()
        self._report(event)

    def _step(self, event: dict[str, Any]) -> None:
        figures = {**event["losses"], **{name: event.get(name) for name in NOT_LOSSES}}
        self._columns += [name for name in figures if name not in self._columns]
        self._steps.append(int(event["step"]))
        self._rows.append(curves.row_of(self._columns, figures))
        if self._seam is not None:
            stored = np.array(self._rows[-1], np.float32).tolist()  # as the earlier ones were
            self._seam.hear(int(event["step"]), self._losses(stored))
        self._figures = {
            "step": int(event["step"]),
            "epoch": float(event.get("epoch") or 0.0),
            "images_per_second": event.get("images_per_second"),
            "eta_seconds": event.get("eta"),
            "memory_bytes": event.get("memory_bytes"),
        }
        self._report(event)
        if monotonic() - self._flushed_at >= settings.JOB_PROGRESS_SECONDS:
            self.flush()

    def _checkpoint(self, event: dict[str, Any]) -> None:
        self.flush()  # a curve never ends before a checkpoint that is shown
        self._late = []  # at the end the newest one is enough
        self._now_or_later(event)

    def _now_or_later(self, event: dict[str, Any]) -> None:
        """Store it, and remember it until that is done; at the end `bring_home` does it."""
        self._late.append(event)
        if not self._ending:
            self._store(event)
            self._late = []

    def _store(self, event: dict[str, Any]) -> None:
        """A checkpoint, what it drew or what it scored."""
        step = int(event["step"])
        if event["event"] == "checkpoint":
            self._keeper.keep_checkpoint(step, str(event["path"]))
        elif event["event"] == "sample":
            self._keeper.keep_samples(step, str(event["path"]), event["stems"])
        else:
            recording.checkpoint_measured(
                run=self._run,
                attempt=self._attempt.number,
                step=step,
                measures={"tiles": event["tiles"], "directions": event["directions"]},
            )

    def _baselines(self, event: dict[str, Any]) -> None:
        self._record(baselines={"tiles": event["tiles"], "directions": event["directions"]})

    def _alarm(self, event: dict[str, Any]) -> None:
        self._alarms[_of(event)] = {
            name: event.get(name) for name in ("kind", "direction", "step", "message")
        }
        self._record(alarms=list(self._alarms.values()))
        self.note("alarm", str(event["message"]), event.get("step"))

    def _alarm_cleared(self, event: dict[str, Any]) -> None:
        if self._alarms.pop(_of(event), None):
            self._record(alarms=list(self._alarms.values()))
            self.note("alarm_cleared", "What the alarm was about is over.", event.get("step"))

    def _warning(self, event: dict[str, Any]) -> None:
        self.note("warning", str(event["message"]), event.get("step"))

    def _finished(self, event: dict[str, Any]) -> None:
        self.finished = str(event["reason"])

    def _failed(self, event: dict[str, Any]) -> None:
        self.failure = str(event["reason"])

    def _losses(self, row: list[float]) -> dict[str, float]:
        """A row's losses by name; without those that were not logged."""
        named = zip(self._columns, row, strict=False)
        return {name: value for name, value in named if name not in NOT_LOSSES and not math.isnan(value)}

    def _record(self, **fields: Any) -> None:
        recording.run_record(run=self._run, attempt=self._attempt.number, **fields)

    def _report(self, event: dict[str, Any]) -> None:
        if not self._ending:
            self._attempt.report(event["step"] / max(event["steps"], 1), TRAINING)


def _of(event: dict[str, Any]) -> str:
    """What an alarm is about."""
    return f"{event['kind']}/{event.get('direction') or ''}"
