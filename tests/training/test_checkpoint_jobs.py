"""Workers around checkpoints: measuring, retention, time-lapses, and nothing left behind."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image

from accounts.models import User
from jobs import lifecycle
from jobs.errors import LeaseLost
from jobs.models import JobState
from tests.pages.helpers import text_of
from tests.training.conftest import Clients
from tests.training.stored import GOOD, a_checkpoint, a_run, sheet
from tests.training.tiny import examined, tiny_run, worked_on
from training_jobs import tasks
from training_jobs.models import Checkpoint, Evaluation, TimeLapse, TrainingRun
from training_jobs.objects import checkpoint_key, run_key
from training_jobs.services import recording
from training_jobs.services.checkpoints import Retention, checkpoints_pin, retention_change
from training_jobs.services.evaluations import evaluation_retry, evaluations_request
from training_jobs.services.runs import RunRefused, run_delete
from training_jobs.services.timelapses import timelapse_request
from translator.services import orphans_sweep
from translator.storage import walk

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def start(carol: User, archive: bytes, tmp_path: Path) -> Callable[..., TrainingRun]:
    """Queue a tiny run."""
    version = examined(carol, archive, tmp_path)
    return lambda **changes: tiny_run(carol, version, **changes)


def stored() -> set[str]:
    """Every object of runs and checkpoints."""
    return set(walk("runs")) | set(walk("checkpoints"))


def named(run: TrainingRun) -> set[str]:
    """Every object that the run's rows name."""
    keys = set(run.storage_keys) | {key for each in run.checkpoints.all() for key in each.storage_keys}
    return keys | {each.file for each in run.timelapses.all() if each.file}


def evaluated(evaluation: Evaluation) -> Evaluation:
    """One attempt."""
    tasks.evaluate(str(evaluation.pk))
    evaluation.refresh_from_db()
    return evaluation


def test_a_checkpoint_is_measured_on_its_runs_own_tiles(
    start: Callable[..., TrainingRun], carol: User, clients: Clients, work_dir: Path
) -> None:
    run = worked_on(start(steps=2, checkpoint_every=2, evaluate_tiles=0))
    checkpoint = run.checkpoints.get()
    assert not checkpoint.measures
    (evaluation,) = evaluations_request(checkpoints=[checkpoint], by=carol)
    whole = checkpoint.files
    damaged = {name: {**file, "sha256": "0" * 64} for name, file in whole.items()}
    Checkpoint.objects.update(files=damaged)
    assert evaluated(evaluation).error_code == "checkpoint_damaged"
    Checkpoint.objects.update(files=whole)
    assert evaluation_retry(evaluation=evaluation, by=carol)
    assert (evaluated(evaluation).state, evaluation.error_details) == (JobState.SUCCEEDED, "")
    assert not evaluation_retry(evaluation=evaluation, by=carol)
    side = evaluation.directions["map2sat"]
    assert evaluation.result["list"] == "split.json"
    assert evaluation.result["tiles"] == 2  # a fifth of twelve
    assert {"kid_random_cnn", "psnr", "psnr_other"} <= set(side["measures"])
    low, high = side["intervals"]["psnr"]
    assert low <= side["measures"]["psnr"] <= high
    assert set(evaluation.result["baselines"]["map2sat"]) == {"median_colour", "input_copied"}
    assert "2 held-out tiles, evaluated" in text_of(clients["carol"].get(run.get_absolute_url()))
    assert [path.name for path in work_dir.iterdir()] == ["datasets"]


def test_retention_is_the_sites_and_minds_pins_and_changes(
    start: Callable[..., TrainingRun], carol: User
) -> None:
    """The child removes locally what it likes; rows and objects go by the row's retention alone."""
    run = start(steps=6, checkpoint_every=1, keep_checkpoints=2, evaluate_tiles=0)
    worked_on(run)
    assert [each.step for each in run.checkpoints.order_by("step")] == [5, 6]
    assert stored() == named(run)
    checkpoints_pin(checkpoints=list(run.checkpoints.filter(step=5)), by=carol, pinned=True)
    freed = retention_change(run=run, by=carol, retention=Retention(keep_checkpoints=1))
    assert (freed.steps, freed.bytes) == ([], 0)
    checkpoints_pin(checkpoints=list(run.checkpoints.all()), by=carol, pinned=False)
    freed = retention_change(run=run, by=carol, retention=Retention(keep_checkpoints=1))
    assert (freed.steps, freed.bytes > 0) == ([5], True)
    assert stored() == named(run)


def test_a_run_at_work_minds_a_changed_retention(carol: User, archive: bytes, tmp_path: Path) -> None:
    run = a_run(carol, examined(carol, archive, tmp_path), state=JobState.QUEUED, keep_checkpoints=0)
    attempt = lifecycle.claim(TrainingRun, run.pk, "test")
    assert attempt is not None
    for step in (10, 20, 30):
        a_checkpoint(run, step, {"map2sat": {**GOOD, "kid_random_cnn": step / 1000}})
    retention_change(run=run, by=carol, retention=Retention(keep_checkpoints=1, keep_best=1, keep_every=0))
    assert [each.step for each in run.checkpoints.order_by("step")] == [10, 30]
    new = a_checkpoint(run, 40)
    measures = {"tiles": 20, "directions": {"map2sat": {**GOOD, "kid_random_cnn": 0.001}}}
    recording.checkpoint_measured(run=attempt, attempt=attempt.attempt, step=40, measures=measures)
    assert [each.step for each in run.checkpoints.order_by("step")] == [40]  # the newest, and the best
    assert stored() == set(new.storage_keys)
    with pytest.raises(LeaseLost):
        recording.checkpoint_measured(run=attempt, attempt=attempt.attempt + 1, step=40, measures=measures)


def test_samples_drawn_again_take_the_place_of_the_first(carol: User, archive: bytes, tmp_path: Path) -> None:
    """An attempt that resumes draws its checkpoint anew: nothing of the earlier one is left behind."""
    run = a_run(carol, examined(carol, archive, tmp_path), state=JobState.QUEUED)
    attempt = lifecycle.claim(TrainingRun, run.pk, "test")
    assert attempt is not None
    old = a_checkpoint(run, 10)
    recording.checkpoint_drawn(
        run=run, attempt=attempt.attempt, step=10, sheets={"map2sat": "a"}, thumbnails={}
    )
    assert stored() == {file["key"] for file in old.files.values()}


def test_what_a_killed_worker_leaves_is_swept(carol: User, archive: bytes, tmp_path: Path) -> None:
    run = a_run(carol, examined(carol, archive, tmp_path))
    for step in (10, 20):
        a_checkpoint(run, step)
    TimeLapse.objects.create(run=run, direction="map2sat", state=JobState.SUCCEEDED)
    lapse = default_storage.save(
        run_key(run.pk, "timelapse-map2sat", "webp", attempt=1), ContentFile(b"kept")
    )
    TimeLapse.objects.update(file=lapse)
    used = stored()
    assert used == named(run)
    for key in (
        checkpoint_key(Checkpoint().pk, "arrays", "npz", attempt=2),
        run_key(run.pk, "samples-30-map2sat", "webp", attempt=2),
        run_key(run.pk, "timelapse-map2sat", "webp", attempt=2),
    ):
        default_storage.save(key, ContentFile(b"left"))
    assert orphans_sweep(older_than=timedelta(0)) == 3
    assert stored() == used
    run_delete(run=run, by=carol)
    assert stored() == set()


def lapsed(lapse: TimeLapse) -> TimeLapse:
    """One attempt."""
    tasks.draw_timelapse(str(lapse.pk))
    lapse.refresh_from_db()
    return lapse


def test_a_time_lapse_shows_every_checkpoint_with_its_step(
    carol: User, archive: bytes, tmp_path: Path, clients: Clients
) -> None:
    run = a_run(carol, examined(carol, archive, tmp_path))
    with pytest.raises(RunRefused, match="nothing to show yet"):
        timelapse_request(run=run, by=carol, direction="map2sat")
    for step in (40, 120, 200):
        a_checkpoint(run, step)
    lapse = lapsed(timelapse_request(run=run, by=carol, direction="map2sat"))
    assert (lapse.state, lapse.error_details) == (JobState.SUCCEEDED, "")
    assert (lapse.frames, lapse.last_step) == (3, 200)
    answer = clients["carol"].get(f"{run.get_absolute_url()}timelapse/map2sat/file/?download")
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert answer["Content-Disposition"] == 'attachment; filename="streets-map2sat.webp"'
    assert len(content) == lapse.size_bytes
    with Image.open(io.BytesIO(content)) as film:
        assert (film.format, getattr(film, "n_frames", 1)) == ("WEBP", 3)
        frames = []
        for number in range(3):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB")).astype(int))
    with Image.open(io.BytesIO(sheet(120))) as drawn:
        made = np.asarray(drawn.convert("RGB")).astype(int)
    assert np.abs(frames[1][: made.shape[0]] - made).mean() < 4  # the samples as they are
    captions = [frame[made.shape[0] + 6 :] for frame in frames]
    assert captions[0].max() > 200  # ink
    assert np.abs(captions[0] - captions[1]).max() > 100  # another number
    a_checkpoint(run, 300)
    assert "Make it anew" in text_of(clients["carol"].get(run.get_absolute_url()))
    newer = lapsed(timelapse_request(run=run, by=carol, direction="map2sat"))
    assert (newer.frames, TimeLapse.objects.count()) == (4, 1)
    assert stored() == named(run)  # the first film is gone
