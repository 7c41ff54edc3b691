"""Contestants take turns: each in a process of its own, idle while another one works.

Medians of interleaved rounds, so that heat and neighbours meet all alike. A process of its own gives every
contestant the settings, the threads and the memory that its users have, and lets PyTorch live in another
environment.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.worker import Settings

ROOT = Path(__file__).resolve().parent.parent
PAUSE_SECONDS = 0.1
"""Between two turns: thread pools spin for some milliseconds before they sleep."""
START_LIMIT, TURN_LIMIT = 900.0, 600.0
IDLE_SHARE = 0.03
"""Most of one core that a contestant may use while it waits."""


class MeasurementError(RuntimeError):
    """Something could not be measured; the message says what and why."""


class Contestant:
    """A worker process, see :func:`benchmarks.worker.serve`.

    Args:
        name: what a table calls it.
        module: such as ``benchmarks.composite``; run with ``-m``.
        settings: given to it as JSON.
        threads: of an operation, by the environment; workers set their library's own as well.
        python: the interpreter; ours if not given.
        environment: variables added to ours; None takes one away.
    """

    def __init__(
        self,
        name: str,
        module: str,
        settings: Settings,
        *,
        threads: int,
        python: Path | None = None,
        environment: dict[str, str | None] | None = None,
    ) -> None:
        self.name = name
        self.facts: dict[str, Any] = {}
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed with us
        variables = {**os.environ, **_pinned(threads), **(environment or {})}
        self._process = subprocess.Popen(
            [str(python or sys.executable), "-m", module, json.dumps({**settings, "threads": threads})],
            cwd=ROOT,
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,  # Ctrl-C is ours to handle
        )

    def __enter__(self) -> Contestant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()

    def ready(self) -> None:
        """Wait until it is built."""
        self.facts = self._answer(START_LIMIT)["facts"]

    def turn(self) -> dict[str, Any]:
        """One piece of work: its ``seconds``, ``cpu`` seconds of all threads, the ``idle_cpu`` spent before
        it, and what it tells besides."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failed() from None
        return self._answer(TURN_LIMIT)

    def _answer(self, limit: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        alarm = threading.Timer(limit, self._process.kill)
        alarm.start()
        try:
            line = self._process.stdout.readline()
        finally:
            alarm.cancel()
        if not line:
            raise self._failed()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _failed(self) -> MeasurementError:
        """Its last words."""
        status = self._process.wait()
        self._log.seek(0)
        words = "\n    ".join(self._log.read().strip().splitlines()[-15:])
        return MeasurementError(f"{self.name} ended with status {status}:\n    {words}")


@dataclass
class Outcome:
    """What a contest measured."""

    answers: dict[str, list[dict[str, Any]]]
    """Every counted answer of each contestant, round by round."""
    facts: dict[str, dict[str, Any]]
    busy_idlers: dict[str, float] = field(default_factory=dict)
    """Contestants that burnt processor time while they should have slept, with the share of one core."""

    def seconds(self, name: str) -> float:
        """Median of one turn."""
        return float(statistics.median(answer["seconds"] for answer in self.answers[name]))

    def median(self, name: str, key: str) -> float:
        """Median of another number in the answers."""
        return float(statistics.median(answer[key] for answer in self.answers[name]))

    def ratio(self, theirs: str, ours: str) -> float:
        """How many times as long ``theirs`` takes: the ratio of medians."""
        return self.seconds(theirs) / self.seconds(ours)

    def spread(self, theirs: str, ours: str) -> tuple[float, float]:
        """Smallest and largest ratio of one round."""
        ratios = [
            their["seconds"] / our["seconds"]
            for their, our in zip(self.answers[theirs], self.answers[ours], strict=True)
        ]
        return min(ratios), max(ratios)


def contest(contestants: Sequence[Contestant], *, rounds: int, warm_up: int = 2) -> Outcome:
    """Let all take turns, ``warm_up`` rounds uncounted and ``rounds`` counted.

    Raises:
        MeasurementError: one of them failed, or kept a core busy while another one worked.
    """
    for each in contestants:
        say(f"starting {each.name}")
        each.ready()
    outcome = Outcome(
        {each.name: [] for each in contestants}, {each.name: each.facts for each in contestants}
    )
    burnt = dict.fromkeys(outcome.answers, 0.0)
    waited = dict.fromkeys(outcome.answers, 0.0)
    ended = dict.fromkeys(outcome.answers, time.monotonic())
    for number in range(-warm_up, rounds):
        for each in contestants:
            time.sleep(PAUSE_SECONDS)
            begun = time.monotonic()
            answer = each.turn()
            if number >= 0:
                outcome.answers[each.name].append(answer)
                burnt[each.name] += answer["idle_cpu"]
                waited[each.name] += begun - ended[each.name]
            ended[each.name] = time.monotonic()
        say(_progress(number, rounds, outcome))
    outcome.busy_idlers = {
        name: burnt[name] / waited[name] for name in burnt if burnt[name] > IDLE_SHARE * waited[name]
    }
    if outcome.busy_idlers:
        guilty = ", ".join(f"{name} ({share:.0%} of a core)" for name, share in outcome.busy_idlers.items())
        raise MeasurementError(f"not a fair contest, busy while another one worked: {guilty}")
    return outcome


def say(words: str) -> None:
    """Progress, apart from the results."""
    print(f"  {words}", file=sys.stderr, flush=True)


def _progress(number: int, rounds: int, outcome: Outcome) -> str:
    if number < 0:
        return "warming up"
    last = (f"{name} {answers[-1]['seconds'] * 1e3:.0f} ms" for name, answers in outcome.answers.items())
    return f"round {number + 1} of {rounds}: {', '.join(last)}"


def _pinned(threads: int) -> dict[str, str]:
    """The environment that gives every library the same number of threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    brief = {"OPENBLAS_THREAD_TIMEOUT": "20"}  # 2^20 cycles of spinning after a product; 2^26 by itself
    return {
        **dict.fromkeys(names, str(threads)),
        **brief,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONUNBUFFERED": "1",
    }
