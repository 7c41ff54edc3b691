"""The child, the worker, the broker and at last everything is killed during a run: it resumes by itself."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.support.live import LiveStack
from tests.support.waiting import wait_until
from tests.training.live_runs import bring, checkpoints, child, notes, query, row, start

EVERY = 40  # steps between two checkpoints
STEPS = 20 * EVERY  # enough to be at work whenever it is killed


@pytest.fixture
def stack(live_stacks: Callable[..., LiveStack]) -> LiveStack:
    """A system of its own, to be killed."""
    return live_stacks()


def between(stack: LiveStack, run: str, after: int) -> int:
    """Wait until the run is some steps past a new checkpoint; returns that checkpoint's step."""

    def newest() -> int:
        stored, found = max(checkpoints(stack, run), default=0), row(stack, run)
        if found["state"] in ("failed", "cancelled", "succeeded"):
            pytest.fail(f"{found}\n{stack.logs()}")
        return stored if stored > after and found["step"] > stored + 2 else 0

    return wait_until(newest, seconds=180, what=f"a checkpoint after step {after}", every=0.02)


def resumed(stack: LiveStack, run: str, attempt: int) -> int:
    """Wait until a later attempt has gone on; returns the step it went on from."""

    def step() -> int:
        found = row(stack, run)
        again = [each[1] for each in notes(stack, run) if each[0] == "resumed" and each[2] > attempt]
        assert found["state"] in ("running", "queued"), f"{found}\n{stack.logs()}"
        return again[-1] or 0 if again else 0

    return wait_until(step, seconds=180, what="the run to go on", every=0.1)


def kill_child(stack: LiveStack) -> None:
    found = child(stack)
    assert found is not None
    found.kill()


def kill_everything(stack: LiveStack) -> None:
    """As a machine that loses its power; then it is switched on again."""
    assert stack._process is not None
    top = psutil.Process(stack._process.pid)
    for each in [top, *top.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.send_signal(signal.SIGKILL)
    stack._process.wait(timeout=20)
    stack._process = None
    stack.output.unlink()
    stack.start()


KILLS: dict[str, Callable[[LiveStack], object]] = {
    "the child": kill_child,
    "the worker": lambda stack: stack.kill("train"),
    "everything": kill_everything,
}


@pytest.mark.timeout(900)
def test_whatever_is_killed_the_run_ends_as_if_nothing_had_been(stack: LiveStack, tmp_path: Path) -> None:
    version = bring(stack, tmp_path, staff="dora", name="Durable")
    settings = {"steps": STEPS, "checkpoint_every": EVERY}
    calm, run = start(stack, version, staff="dora", calm=settings, killed=settings)
    wait_until(lambda: row(stack, calm)["state"] == "succeeded", seconds=240, what="the calm run", every=0.3)

    before = 0
    for what, kill in KILLS.items():
        newest = between(stack, run, before)
        attempt = row(stack, run)["attempt"]
        kill(stack)
        went_on = resumed(stack, run, attempt)
        # between the look and the blow one more may have been stored; never an earlier one, never the start
        assert went_on in (newest, newest + EVERY), f"after {what} was killed"
        assert went_on in checkpoints(stack, run)
        before = went_on
    attempt = row(stack, run)["attempt"]
    stack.kill("broker")
    wait_until(lambda: row(stack, run)["state"] == "succeeded", seconds=240, what="the run to end", every=0.2)
    assert row(stack, run)["attempt"] == attempt, "a broker that dies is nothing to a training"

    assert checkpoints(stack, run) == checkpoints(stack, calm)
    told = [words for kind, _, _, words in notes(stack, run) if kind == "continuity"]
    assert len(told) == len(KILLS)
    assert all("jumped: look" not in words for words in told), told
    assert any("had been made before and came again with exactly the same losses" in words for words in told)
    chunks = "SELECT sum(rows), max(last_step) FROM training_curvechunk WHERE run_id = ?"
    assert query(stack, chunks, run) == [(STEPS, STEPS)], "every step once on the curves"
