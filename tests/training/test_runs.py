"""Training runs by a worker: the real command, tiny networks, killed and asked to stop in every way."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from PIL import Image
from pytest_django import Settings

from accounts.models import User
from jobs.models import JobState
from jobs.services import job_reconcile
from tests.pages.helpers import text_of
from tests.support.waiting import wait_until
from tests.training.conftest import Clients
from tests.training.tiny import examined, tiny_run, worked_on
from training_jobs import curves, tasks
from training_jobs.models import Publication, TrainingRun
from training_jobs.services.runs import (
    run_cancel,
    run_delete,
    run_extend,
    run_finish,
    run_pause,
    run_resume,
)
from training_jobs.worker import publishing
from translator.models import Generator, GeneratorState
from translator.storage import read, walk

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def start(carol: User, archive: bytes, tmp_path: Path) -> Callable[..., TrainingRun]:
    """Queue a tiny run."""
    version = examined(carol, archive, tmp_path)
    return lambda **changes: tiny_run(carol, version, **changes)


def steps_logged(run: TrainingRun) -> list[int]:
    """Steps on the curves."""
    chunks = [(bytes(chunk.data), chunk.rows) for chunk in run.chunks.all()]
    return [int(step) for step in curves.join(chunks, len(run.columns))[0]]


def child_of_this_process() -> int:
    """Process number of the training child; 0 when there is none."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
            command = path.with_name("cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and b"mapgan.cli" in command and b"train" in command.split(b"\0"):
            return int(path.parent.name)
    return 0


def when(condition: Callable[[], Any], act: Callable[[], Any]) -> threading.Thread:
    """Act in another thread as soon as the condition holds."""

    def wait() -> None:
        from django.db import connections

        try:
            wait_until(condition, seconds=120, what="its moment")
            act()
        finally:
            connections.close_all()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def final_weights(run: TrainingRun) -> str:
    """Hash of the last checkpoint's weights."""
    last = run.checkpoints.order_by("-step").first()
    assert last is not None
    return last.weights_sha256


def test_a_run_leaves_curves_checkpoints_samples_and_measures(
    start: Callable[..., TrainingRun], carol: User, work_dir: Path
) -> None:
    run = worked_on(start())
    assert (run.state, run.error_details) == (JobState.SUCCEEDED, "")
    assert (run.step, run.progress) == (12, 1.0)
    assert steps_logged(run) == list(range(1, 13))
    assert {"g_gan", "g_l1", "d_real", "learning_rate"} <= set(run.columns)
    found = list(run.checkpoints.order_by("step"))
    assert [each.step for each in found] == [4, 8, 12]
    for each in found:
        assert each.size_bytes == sum(len(read(file["key"])) for file in each.files.values())
        assert "map2sat" in each.measures["directions"]
        with Image.open(io.BytesIO(read(each.sheets["map2sat"]))) as sheet:
            assert sheet.size == (512, 256)
    assert json.loads(read(run.files["split.json"]))
    assert any(name.startswith("tensorboard/") for name in run.files)
    assert {"input-map2sat", "target-map2sat"} <= set(run.files)
    assert run.facts["images"] > 0
    assert [note.kind for note in run.notes.all()][:2] == ["queued", "started"]
    assert [path.name for path in work_dir.iterdir()] == ["datasets"]
    keys = set(walk("runs")) | set(walk("checkpoints"))
    named = set(run.storage_keys) | {key for each in found for key in each.storage_keys}
    assert keys == named
    run_delete(run=run, by=carol)
    assert set(walk("runs")) | set(walk("checkpoints")) == set()


def test_a_checkpoint_is_published_and_the_translator_offers_it(
    start: Callable[..., TrainingRun], carol: User, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = worked_on(start(steps=2, checkpoint_every=2))
    checkpoint = run.checkpoints.get()
    address = f"/training/checkpoints/{checkpoint.pk}/publish/"
    assert clients["alice"].get(address).status_code == 404
    form = {"direction": "map2sat", "title": "Tiny town", "name": "tiny", "everyone": "on"}
    for wrong in ({"direction": "sat2map"}, {"name": "Not a name"}, {"title": ""}):
        assert clients["carol"].post(address, {**form, **wrong}).status_code == 422
    assert clients["carol"].post(address, form)["Location"] == run.get_absolute_url()
    publication = Publication.objects.get()
    with monkeypatch.context() as patch:  # the worker dies between handing over the file and saying so
        patch.setattr(publishing, "generator_describe", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            tasks.publish(str(publication.pk))
    assert Generator.objects.get().state == GeneratorState.TRIAL
    tasks.publish(str(publication.pk))  # no second version
    publication.refresh_from_db()
    assert (publication.state, publication.error_details) == (JobState.SUCCEEDED, "")
    assert (publication.parity["tiles"], publication.parity["list"]) == (2, "split.json")
    assert 0 < publication.parity["mean"] < publication.parity["largest"] < 5
    generator = publication.generator
    assert generator is not None
    assert (generator.title, generator.state, generator.version) == ("Tiny town", "published", 1)
    assert generator.card["step"] == 2
    assert set(generator.card["metrics"]) == {"held_out", "generator", "median_colour", "input_copied"}
    assert generator.card["training_data"].startswith("Maps, version 1")
    assert generator.sample_input
    assert "Tiny town" in text_of(clients["alice"].get("/translate/"))
    assert "version 1" in text_of(clients["carol"].get(run.get_absolute_url()))
    run_delete(run=run, by=carol)
    assert "Tiny town" in text_of(clients["alice"].get("/translate/"))  # what was published stays


def test_a_killed_child_is_followed_by_one_that_ends_the_same(
    start: Callable[..., TrainingRun], settings: Settings
) -> None:
    settings.JOB_PROGRESS_SECONDS = 0.05
    calm = worked_on(start(steps=30, checkpoint_every=5))
    run = start(steps=30, checkpoint_every=5)

    def kill() -> None:
        os.kill(child_of_this_process(), signal.SIGKILL)

    killer = when(lambda: run.checkpoints.filter(step__gte=5).exists(), kill)
    worked_on(run)
    killer.join()
    assert run.state == JobState.QUEUED, run.error_details
    assert "killed" in run.notes.get(kind="died").message
    kept = run.checkpoints.order_by("-step").first()
    assert kept is not None
    worked_on(run)
    assert (run.state, run.error_details) == (JobState.SUCCEEDED, "")
    assert run.resumed_step == kept.step > 0
    assert steps_logged(run) == list(range(1, 31))
    assert final_weights(run) == final_weights(calm)


def test_a_child_that_dies_twice_at_one_step_is_given_up(
    start: Callable[..., TrainingRun], settings: Settings
) -> None:
    run = start(steps=100_000, checkpoint_every=100_000, log_every=100_000)
    for expected in (JobState.QUEUED, JobState.FAILED):
        killer = when(child_of_this_process, lambda: os.kill(child_of_this_process(), signal.SIGKILL))
        worked_on(run)
        killer.join()
        assert run.state == expected
    assert run.error_code == "died_twice"
    assert "twice at step 0" in run.error_message


def test_paused_it_frees_the_worker_and_goes_on_where_it_was(
    start: Callable[..., TrainingRun], carol: User, settings: Settings
) -> None:
    settings.JOB_PROGRESS_SECONDS = 0.05
    run = start(steps=2_000, checkpoint_every=1_000)
    asking = when(
        lambda: TrainingRun.objects.filter(pk=run.pk, step__gt=3).exists(),
        lambda: run_pause(run=TrainingRun.objects.get(pk=run.pk), by=carol),
    )
    worked_on(run)
    asking.join()
    assert (run.state, run.is_paused, run.wish) == (JobState.QUEUED, True, "")
    saved = run.checkpoints.get()
    assert 3 < saved.step < 1_000
    job_reconcile(model=TrainingRun)
    assert worked_on(run).is_paused  # nobody takes it
    TrainingRun.objects.filter(pk=run.pk).update(config={**run.config, "steps": saved.step + 5})
    assert run_resume(run=run, by=carol)
    worked_on(run)
    assert (run.state, run.resumed_step, run.step) == (JobState.SUCCEEDED, saved.step, saved.step + 5)
    assert steps_logged(run) == list(range(1, saved.step + 6))


def test_ended_early_it_keeps_what_it_has_and_can_get_more(
    start: Callable[..., TrainingRun], carol: User, settings: Settings
) -> None:
    settings.JOB_PROGRESS_SECONDS = 0.05
    run = start(steps=5_000, checkpoint_every=5_000)
    asking = when(
        lambda: TrainingRun.objects.filter(pk=run.pk, step__gt=3).exists(),
        lambda: run_finish(run=TrainingRun.objects.get(pk=run.pk), by=carol),
    )
    worked_on(run)
    asking.join()
    assert run.state == JobState.SUCCEEDED
    saved = run.checkpoints.get()
    assert saved.step == run.step < 5_000
    run_extend(run=run, by=carol, steps=saved.step + 3)
    worked_on(run)
    assert (run.state, run.step, run.resumed_step) == (JobState.SUCCEEDED, saved.step + 3, saved.step)


def test_cancelled_it_ends_within_seconds(
    start: Callable[..., TrainingRun], carol: User, settings: Settings
) -> None:
    settings.JOB_PROGRESS_SECONDS = 0.05
    run = start(steps=100_000, checkpoint_every=50_000)
    asked: list[float] = []

    def cancel() -> None:
        asked.append(time.monotonic())
        run_cancel(run=TrainingRun.objects.get(pk=run.pk), by=carol)

    asking = when(lambda: TrainingRun.objects.filter(pk=run.pk, step__gt=3).exists(), cancel)
    worked_on(run)
    asking.join()
    assert run.state == JobState.CANCELLED
    assert child_of_this_process() == 0
    assert [note.kind for note in run.notes.filter(by=carol)] == ["queued", "cancel"]


def test_a_deleted_run_leaves_nothing(
    start: Callable[..., TrainingRun], carol: User, settings: Settings
) -> None:
    settings.JOB_PROGRESS_SECONDS = 0.05
    run = start(steps=100_000, checkpoint_every=20)
    deleting = when(
        lambda: run.checkpoints.filter(step__gte=20).exists(),
        lambda: run_delete(run=TrainingRun.objects.get(pk=run.pk), by=carol),
    )
    tasks.train(str(run.pk))
    deleting.join()
    assert not TrainingRun.objects.exists()
    assert set(walk("runs")) | set(walk("checkpoints")) == set()


def test_curves_grow_by_few_rows(start: Callable[..., TrainingRun]) -> None:
    run = worked_on(start(steps=40, checkpoint_every=40, log_every=1))
    assert run.chunks.count() == 1
