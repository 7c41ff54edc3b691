"""A run that has to end when nothing is ready for it: it fetches its data, has made no update, stores."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from jobs import lifecycle
from jobs.lifecycle import from_now
from jobs.models import JobState
from jobs.runner import STOPPING
from jobs.services import job_reconcile
from tests.training.stored import a_checkpoint
from tests.training.test_runs import child_of_this_process, when
from tests.training.tiny import examined, tiny_run, worked_on
from training_jobs.models import Checkpoint, TrainingRun
from training_jobs.services import recording
from training_jobs.services.runs import run_cancel, run_finish, run_pause, run_resume
from training_jobs.worker import keeping, training
from training_jobs.worker.keeping import RunKeeper
from translator.storage import walk

pytestmark = [pytest.mark.django_db(transaction=True)]

Check = Callable[[], None]


@pytest.fixture
def start(carol: User, archive: bytes, tmp_path: Path, settings: Settings) -> Callable[..., TrainingRun]:
    """Queue a tiny run; wishes are heard soon."""
    settings.JOB_PROGRESS_SECONDS = 0.05
    version = examined(carol, archive, tmp_path)
    return lambda **changes: tiny_run(carol, version, **changes)


def until_told(check: Check) -> None:
    """Bytes that take their time: asked again and again whether to go on."""
    for _ in range(600):
        check()
        sleep(0.05)
    raise AssertionError("nobody was told to stop")


def while_fetching(monkeypatch: pytest.MonkeyPatch, act: Callable[[TrainingRun], Any]) -> None:
    """Have somebody act while the dataset is on its way."""

    def slow(version: object, on_share: Callable[[float], None]) -> Path:
        act(TrainingRun.objects.get())
        until_told(lambda: on_share(0.1))
        raise AssertionError

    monkeypatch.setattr(training, "dataset_file", slow)


def while_storing(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[TrainingRun], Any]) -> list[str]:
    """Have somebody act when a checkpoint's weights begin their way out, which is slow then.

    The first time the first one acts, and so on; afterwards all goes as ever. Returns the folders of the
    checkpoints that began, as they do.
    """
    begun: list[str] = []
    real = keeping.FileStash.save

    def slow(stash: Any, key: str, content: Any, check: Check | None = None) -> str:
        if isinstance(content, Path) and content.name == "arrays.npz":
            begun.append(key)
            if len(begun) <= len(acts):
                acts[len(begun) - 1](TrainingRun.objects.get())
                assert check is not None
                until_told(check)
        return real(stash, key, content, check)

    monkeypatch.setattr(keeping.FileStash, "save", slow)
    return begun


def kinds(run: TrainingRun) -> list[str]:
    """Its story."""
    return [note.kind for note in run.notes.all()]


def test_ended_while_data_are_fetched_with_nothing_made_it_can_go_on(
    start: Callable[..., TrainingRun], carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()
    while_fetching(monkeypatch, lambda row: run_finish(run=row, by=carol))
    worked_on(run)
    assert (run.state, run.wish, run.can_retry) == (JobState.CANCELLED, "", True)
    assert "nothing to keep" in run.notes.get(kind="finished").message
    assert run_resume(run=run, by=carol)
    assert (run.state, run.cancel_requested) == (JobState.QUEUED, False)


def test_ended_while_data_are_fetched_it_is_done_with_its_last_checkpoint(
    start: Callable[..., TrainingRun], carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had come to step 7 when its worker died; what came after the checkpoint of step 4 is gone."""
    run = start()
    a_checkpoint(run, 4)
    rows = [[float(step)] for step in range(1, 8)]
    assert lifecycle.claim(TrainingRun, run.pk, "gone")
    recording.curves_append(run=run, attempt=1, steps=range(1, 8), rows=rows, columns=["g_l1"], step=7)
    assert lifecycle.requeue(TrainingRun, run.pk, 1)
    while_fetching(monkeypatch, lambda row: run_finish(run=row, by=carol))
    worked_on(run)
    assert (run.state, run.wish, run.step) == (JobState.SUCCEEDED, "", 4)
    assert [chunk.last_step for chunk in run.chunks.all()] == [4]


def test_paused_while_data_are_fetched_it_waits(
    start: Callable[..., TrainingRun], carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()
    while_fetching(monkeypatch, lambda row: run_pause(run=row, by=carol))
    worked_on(run)
    assert (run.is_paused, run.wish) == (True, "")
    assert "no checkpoint yet" in run.notes.get(kind="paused").message


@pytest.mark.slow
def test_ended_before_its_first_update_it_can_go_on(start: Callable[..., TrainingRun], carol: User) -> None:
    run = start(steps=2, checkpoint_every=2)
    asking = when(child_of_this_process, lambda: run_finish(run=TrainingRun.objects.get(), by=carol))
    worked_on(run)
    asking.join()
    assert (run.state, run.checkpoints.count(), run.can_retry) == (JobState.CANCELLED, 0, True)
    assert run_resume(run=run, by=carol)
    assert run.state == JobState.QUEUED


@pytest.mark.slow
def test_a_checkpoint_on_its_way_out_arrives_all_the_same(
    start: Callable[..., TrainingRun], carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(steps=4, checkpoint_every=4)
    begun = while_storing(monkeypatch, lambda row: run_pause(run=row, by=carol))
    worked_on(run)
    assert len(begun) == 2
    assert (run.is_paused, run.checkpoints.get().step, run.step, run.wish) == (True, 4, 4, "")
    named = set(run.storage_keys) | set(run.checkpoints.get().storage_keys)
    assert set(walk("runs")) | set(walk("checkpoints")) == named


@pytest.mark.slow
def test_cancelled_after_a_pause_it_does_not_wait_for_the_checkpoint(
    start: Callable[..., TrainingRun], carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(steps=100_000, checkpoint_every=4)
    begun = while_storing(
        monkeypatch, lambda row: run_pause(run=row, by=carol), lambda row: run_cancel(run=row, by=carol)
    )
    worked_on(run)
    assert len(begun) == 2
    assert (run.state, run.checkpoints.count()) == (JobState.CANCELLED, 0)
    assert "paused" not in kinds(run)


def claimed(run: TrainingRun, worker: str = "w") -> TrainingRun:
    """Taken by a worker."""
    found = lifecycle.claim(TrainingRun, run.pk, worker)
    assert found is not None
    return found


def vanish(run: TrainingRun, **columns: Any) -> TrainingRun:
    """Its worker is gone, and that was noticed."""
    TrainingRun.objects.filter(pk=run.pk).update(lease_expires_at=from_now(-1), **columns)
    job_reconcile(model=TrainingRun)
    run.refresh_from_db()
    return run


def recorded(run: TrainingRun, step: int) -> None:
    """A checkpoint's row."""
    recording.checkpoint_record(
        run=run, attempt=run.attempt, checkpoint_id=Checkpoint().pk, step=step,
        files={"arrays.npz": {"key": "k", "bytes": 1, "sha256": "0"}}, weights_sha256="0" * 64,
    )  # fmt: skip


@pytest.mark.database
def test_workers_may_die_often_while_checkpoints_come(
    start: Callable[..., TrainingRun],
) -> None:
    run = start()
    for number in range(1, 9):
        recorded(claimed(run), step=number)
        vanish(run, stage="Training", step=number)
        assert run.state == JobState.QUEUED
    for number in range(1, run.max_attempts - run.attempt + 1):
        assert run.state == JobState.QUEUED
        claimed(run)
        vanish(run, stage="Training", step=100 + number)
    assert (run.state, run.error_code) == (JobState.FAILED, "interrupted")


@pytest.mark.database
def test_a_worker_that_vanishes_twice_at_one_step_takes_no_third_along(
    start: Callable[..., TrainingRun], carol: User
) -> None:
    run = start()
    claimed(run)
    vanish(run, stage="Fetching the dataset", step=0)
    claimed(run)
    vanish(run, stage="Starting", step=0)
    assert (run.state, run.failed_step) == (JobState.QUEUED, 0)
    claimed(run)
    vanish(run, stage=STOPPING, step=0)
    claimed(run)
    vanish(run, stage="Fetching the dataset", step=0)  # a machine that is taken away says nothing of the run
    claimed(run)
    vanish(run, stage="Training", step=0)
    assert (run.state, run.error_code) == (JobState.FAILED, "died_twice")
    assert run_resume(run=run, by=carol)
    claimed(run)
    assert vanish(run, stage="Training", step=0).state == JobState.QUEUED


def a_keeper(run: TrainingRun, folder: Path) -> RunKeeper:
    """Of a run at work."""
    (folder / "run" / "checkpoints").mkdir(parents=True)
    return RunKeeper(run, run.attempt, folder / "run", lambda: None)


def saved(folder: Path, step: int) -> str:
    """A checkpoint as the library leaves it."""
    path = folder / "run" / "checkpoints" / f"step-{step:08d}"
    path.mkdir()
    (path / "arrays.npz").write_bytes(b"weights")
    (path / "manifest.json").write_text('{"weights_sha256": "abc"}')
    return str(path)


def test_a_checkpoint_that_was_retired_before_the_storage_took_it_is_passed_over(
    start: Callable[..., TrainingRun], tmp_path: Path
) -> None:
    run = claimed(start())
    keeper = a_keeper(run, tmp_path / "attempt")
    retired, half, newest = (saved(tmp_path / "attempt", step) for step in (4, 8, 12))
    shutil.rmtree(retired)
    (Path(half) / "manifest.json").unlink()
    for step, path in ((4, retired), (8, half), (12, newest)):
        keeper.keep_checkpoint(step, path)
    assert run.checkpoints.get().step == 12
    assert [note.step for note in run.notes.filter(kind="warning")] == [4]
    assert len(list(walk("checkpoints"))) == 2


def test_samples_of_a_checkpoint_that_is_not_stored_leave_nothing(
    start: Callable[..., TrainingRun], tmp_path: Path
) -> None:
    run = claimed(start())
    keeper = a_keeper(run, tmp_path / "attempt")
    keeper.keep_samples(4, str(tmp_path), {"map2sat": []})
    assert [key for key in walk("runs") if "samples" in key or "thumbnail" in key] == []
