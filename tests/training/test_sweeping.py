"""What a sweep does by itself, told by rows alone: how many runs at once, what ends it, who is the best."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from accounts.models import User
from jobs import lifecycle
from jobs.models import JobState
from mapgan.presets import preset
from tests.training.conftest import brought
from training_jobs.models import Checkpoint, DatasetVersion, Sweep, TrainingRun, Trial
from training_jobs.search import Axis
from training_jobs.services import recording
from training_jobs.services.runs import RunRefused, run_cancel, run_delete, run_pause, run_resume
from training_jobs.services.sweeping import sweeps_advance
from training_jobs.services.sweeps import (
    Plan,
    sweep_cancel,
    sweep_delete,
    sweep_extend,
    sweep_pause,
    sweep_resume,
    sweep_retry,
    sweep_start,
)
from training_jobs.standings import standings

pytestmark = pytest.mark.database

RATES = Axis(name="learning_rate", values=(1e-4, 2e-4, 4e-4, 8e-4))


@pytest.fixture
def pictures(carol: User, archive: bytes) -> DatasetVersion:
    """A dataset that was examined (its files do not matter here)."""
    version = brought(carol, archive)
    DatasetVersion.objects.filter(pk=version.pk).update(
        state=JobState.SUCCEEDED, archive="a", report="r", summary={"pairs": {"train": 12}}
    )
    version.refresh_from_db()
    return version


def started(by: User, version: DatasetVersion, **plan: Any) -> Sweep:
    """A sweep over four learning rates, nothing launched yet."""
    config = preset("draft", direction="sat2map", steps=400, checkpoint_every=100)
    plan.setdefault("axes", [RATES])
    return sweep_start(by=by, name="Rates", dataset_version=version, config=config, plan=Plan(**plan))


def active(sweep: Sweep) -> list[TrainingRun]:
    """Its runs that wait or run."""
    return [trial.run for trial in sweep.trials.select_related("run") if trial.run and trial.run.is_active]


def claimed(run: TrainingRun) -> TrainingRun:
    """A worker has it."""
    found = lifecycle.claim(TrainingRun, run.pk, "test")
    assert found is not None
    return found


def measured(run: TrainingRun, step: int, score: float) -> None:
    """Its worker stored and measured a checkpoint."""
    Checkpoint.objects.create(
        run=run, step=step, attempt=run.attempt, files={}, size_bytes=1, weights_sha256="w"
    )
    measures = {"tiles": 2, "directions": {"sat2map": {"palette_miou": score, "acc5": 0.1}}}
    recording.checkpoint_measured(run=run, attempt=run.attempt, step=step, measures=measures)


def done(run: TrainingRun, score: float | None = None) -> None:
    """A worker claimed it and made all its steps."""
    run = claimed(run)
    if score is not None:
        measured(run, 400, score)
    assert lifecycle.succeed(TrainingRun, run.pk, run.attempt, {"step": 400, "wish": ""})


def failed(run: TrainingRun, code: str = "train_failed") -> None:
    """A worker claimed it, and it failed."""
    run = claimed(run)
    assert lifecycle.fail(TrainingRun, run.pk, run.attempt, code=code, message="The disk is full.")


def state_of(sweep: Sweep) -> str:
    sweep.refresh_from_db()
    return sweep.state


def test_never_more_at_once_than_it_may_and_all_in_the_end(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures, concurrency=2)
    assert sweep.size == 4
    for score in (0.2, 0.4, 0.3, 0.1):
        sweeps_advance()
        assert sweeps_advance() == 0  # twice is once
        assert 1 <= len(active(sweep)) <= 2
        done(active(sweep)[0], score)
    sweeps_advance()
    assert state_of(sweep) == "finished"
    assert sweeps_advance() == 0
    trials = list(sweep.trials.select_related("run"))
    assert [trial.values["learning_rate"] for trial in trials] == [1e-4, 2e-4, 4e-4, 8e-4]
    runs = [trial.run for trial in trials if trial.run]
    assert [run.config["learning_rate"] for run in runs] == [1e-4, 2e-4, 4e-4, 8e-4]
    assert [run.name for run in runs][:2] == ["Rates #1", "Rates #2"]
    ranked = standings(runs, sweep.direction)
    assert [each.run.name[-1] for each in ranked] == ["2", "3", "1", "4"]
    assert [each.place for each in ranked] == [1, 2, 3, 4]
    assert [note.kind for note in sweep.notes.all()] == ["started", "finished"]


def test_a_failed_run_does_not_end_it(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures, concurrency=4)
    sweeps_advance()
    runs = active(sweep)
    failed(runs[0])
    done(runs[1], 0.5)
    run_cancel(run=runs[2], by=carol)
    run_delete(run=runs[3], by=carol)
    sweeps_advance()
    assert state_of(sweep) == "finished"
    assert sweep.trials.count() == 4
    best = standings(TrainingRun.objects.filter(trial__sweep=sweep), sweep.direction)
    assert [each.place for each in best] == [1, None, None]
    assert sweep_retry(sweep=sweep, by=carol) == 1
    assert state_of(sweep) == "running"
    sweeps_advance()
    assert [run.pk for run in active(sweep)] == [runs[0].pk]
    done(runs[0], 0.9)
    sweeps_advance()
    assert state_of(sweep) == "finished"


def test_when_all_fail_for_one_reason_it_stops_and_says_so(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures)
    for _ in range(3):
        sweeps_advance()
        failed(active(sweep)[0], "no_room")
    assert sweeps_advance() == 0
    assert state_of(sweep) == "paused"
    assert "The disk is full." in sweep.problem
    assert sweep_resume(sweep=sweep, by=carol)
    assert sweeps_advance() == 1
    assert state_of(sweep) == "running"


def test_diverging_runs_say_something_of_the_settings_alone(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures)
    for _ in range(4):
        assert sweeps_advance() == 1
        failed(active(sweep)[0], "diverged")
    sweeps_advance()
    assert state_of(sweep) == "finished"


def test_pausing_frees_the_workers_and_goes_on_where_it_was(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures, concurrency=2)
    sweeps_advance()
    first, second = active(sweep)
    claimed(first)
    assert sweep_pause(sweep=sweep, by=carol)
    assert not sweep_pause(sweep=sweep, by=carol)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.wish, second.is_paused) == ("pause", True)
    assert sweeps_advance() == 0
    assert sweep_resume(sweep=sweep, by=carol)
    sweeps_advance()  # the first is still saving
    lifecycle.write(TrainingRun, first.pk, 1, wish="")
    sweeps_advance()  # its worker has heard of it and puts away what it has
    assert lifecycle.hold(TrainingRun, first.pk, 1, wish="")
    sweeps_advance()
    first.refresh_from_db()
    second.refresh_from_db()
    assert not first.is_paused
    assert not second.is_paused
    assert len(active(sweep)) == 2
    assert not Trial.objects.filter(held=True).exists()


def test_who_lets_one_run_go_on_pauses_it_alone_from_then_on(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures)
    sweeps_advance()
    run = active(sweep)[0]
    sweep_pause(sweep=sweep, by=carol)
    assert run_resume(run=run, by=carol)
    assert run_pause(run=run, by=carol)
    sweep_resume(sweep=sweep, by=carol)
    sweeps_advance()
    run.refresh_from_db()
    assert run.is_paused


def test_a_run_that_a_person_paused_stays_paused(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures, concurrency=1)
    sweeps_advance()
    first = active(sweep)[0]
    run_pause(run=first, by=carol)
    for _ in range(3):
        assert sweeps_advance() == 1
        done(next(run for run in active(sweep) if not run.is_paused), 0.1)
    sweeps_advance()
    assert state_of(sweep) == "running"  # it waits for that one
    sweep_pause(sweep=sweep, by=carol)
    sweep_resume(sweep=sweep, by=carol)
    sweeps_advance()
    first.refresh_from_db()
    assert first.is_paused
    run_resume(run=first, by=carol)
    done(first)
    sweeps_advance()
    assert state_of(sweep) == "finished"


def test_cancelled_and_going_on_all_the_same(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures, concurrency=2)
    sweeps_advance()
    assert sweep_cancel(sweep=sweep, by=carol)
    assert active(sweep) == []
    assert sweeps_advance() == 0
    assert not sweep_cancel(sweep=sweep, by=carol)
    assert sweep_resume(sweep=sweep, by=carol)
    assert sweeps_advance() == 2
    assert {trial.number for trial in sweep.trials.all()} == {1, 2, 3, 4}


def test_deleted_with_its_runs_or_without(carol: User, pictures: DatasetVersion) -> None:
    for with_runs, left in ((False, 2), (True, 2)):
        sweep = started(carol, pictures, concurrency=2)
        sweeps_advance()
        sweep_delete(sweep=sweep, by=carol, with_runs=with_runs)
        assert not Sweep.objects.exists()
        assert TrainingRun.objects.count() == left
        assert sweeps_advance() == 0


def test_settings_that_do_not_fit_are_a_trial_without_a_run(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures, method="random", size=2, concurrency=2)
    Sweep.objects.update(space=[{"name": "load_size", "values": [100, 120]}])  # as another library sees it
    sweeps_advance()
    sweeps_advance()
    assert state_of(sweep) == "finished"
    assert [trial.run for trial in sweep.trials.all()] == [None, None]
    assert "smaller than image_size" in sweep.trials.all()[0].refusal


def test_settings_that_nobody_knows_any_more_stop_it(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures)
    Sweep.objects.update(config={**sweep.config, "warp": 9})
    assert sweeps_advance() == 0
    assert state_of(sweep) == "paused"
    assert "unknown setting: warp" in sweep.problem


def test_tpe_is_told_the_rows_and_chooses_the_same_again(carol: User, pictures: DatasetVersion) -> None:
    axes = [Axis(name="learning_rate", low=1e-5, high=1e-3, log=True)]
    chosen = []
    for _ in range(2):
        sweep = started(carol, pictures, axes=axes, method="tpe", size=5, concurrency=2, seed=4)
        for score in (0.1, 0.4, 0.2, 0.3, 0.3):
            sweeps_advance()
            done(active(sweep)[0], score)
        sweeps_advance()
        assert state_of(sweep) == "finished"
        chosen.append([trial.values for trial in sweep.trials.all()])
    assert chosen[0] == chosen[1]
    assert len({each["learning_rate"] for each in chosen[0]}) == 5


def test_a_search_that_has_tried_everything_ends(carol: User, pictures: DatasetVersion) -> None:
    for method in ("random", "tpe"):
        sweep = started(carol, pictures, method=method, size=20, concurrency=20)
        assert sweeps_advance() == 4
        for run in active(sweep):
            done(run, 0.1)
        sweeps_advance()
        assert state_of(sweep) == "finished"
        assert {trial.values["learning_rate"] for trial in sweep.trials.all()} == set(RATES.values)


@pytest.mark.parametrize("pruner", ["median", "asha"])
def test_who_is_behind_is_ended_early_and_keeps_what_it_has(
    carol: User, pictures: DatasetVersion, pruner: str
) -> None:
    rates = Axis(name="learning_rate", low=1e-5, high=1e-3)
    sweep = started(carol, pictures, axes=[rates], method="random", size=5, concurrency=5, pruner=pruner)
    sweeps_advance()
    runs = active(sweep)
    for run, score in zip(runs[:3], (0.5, 0.6, 0.7), strict=True):
        claimed(run)
        for step in (100, 200, 300, 400):
            run.refresh_from_db()
            measured(run, step, score)
        assert lifecycle.succeed(TrainingRun, run.pk, run.attempt, {"step": 400})
    for run, score in zip(runs[3:], (0.1, 0.9), strict=True):
        claimed(run)
        run.refresh_from_db()
        measured(run, 100, score)
        measured(run, 200, score)
        run.checkpoints.filter(step=100).delete()  # retention may drop it: the sweep remembers
    sweeps_advance()
    wishes = [TrainingRun.objects.get(pk=run.pk).wish for run in runs[3:]]
    assert wishes == ["finish", ""]
    trial = Trial.objects.get(run=runs[3])
    assert trial.pruned_step == trial.judged_step == 200
    assert "behind the others" in runs[3].notes.get(kind="pruned").message
    assert runs[3].notes.filter(kind="pruned").count() == 1
    sweeps_advance()
    assert runs[3].notes.filter(kind="pruned").count() == 1


def test_more_runs_for_a_search_that_is_done(carol: User, pictures: DatasetVersion) -> None:
    rates = Axis(name="learning_rate", low=1e-5, high=1e-3)
    sweep = started(carol, pictures, axes=[rates], method="random", size=1)
    sweeps_advance()
    done(active(sweep)[0])
    sweeps_advance()
    assert state_of(sweep) == "finished"
    with pytest.raises(RunRefused, match="It has 1 run"):
        sweep_extend(sweep=sweep, by=carol, size=0, concurrency=1)
    sweep_extend(sweep=sweep, by=carol, size=3, concurrency=2)
    assert sweeps_advance() == 2
    grid = started(carol, pictures)
    with pytest.raises(RunRefused, match="as many runs as it has combinations"):
        sweep_extend(sweep=grid, by=carol, size=9, concurrency=1)


@pytest.mark.parametrize(
    ("plan", "field", "words"),
    [
        ({"method": "guess"}, "method", "grid, random or tpe"),
        ({"pruner": "axe"}, "pruner", "median or asha"),
        ({"concurrency": 0}, "concurrency", "1 to 32"),
        ({"seed": -1}, "search_seed", "from 0 on"),
        ({"method": "random", "size": 10_000}, "size", "10,000 runs"),
        ({"axes": []}, "space", "at least one setting"),
        ({"axes": [Axis(name="seed", values=(1, 2))]}, "space.seed", "no tiles of its own"),
        ({"axes": [Axis(name="direction", values=("sat2map",))]}, "space.direction", "a rule of its own"),
        (
            {"axes": [Axis(name="learning_rate", low=1e-5, high=1e-3, points=p) for p in (2,)] * 2},
            "space.learning_rate",
            "twice",
        ),
    ],
)
def test_a_plan_that_makes_no_sense(
    carol: User, pictures: DatasetVersion, plan: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(RunRefused, match=words) as refused:
        started(carol, pictures, **plan)
    assert refused.value.field == field
    assert not Sweep.objects.exists()


def test_whoever_began_it_may_leave(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures)
    Sweep.objects.update(created_by=None)
    assert sweeps_advance() == 1
    assert active(sweep)[0].created_by is None


@pytest.mark.django_db(transaction=True)
def test_many_who_look_at_once_launch_no_more_than_one(carol: User, pictures: DatasetVersion) -> None:
    sweep = started(carol, pictures, concurrency=2)
    barrier = threading.Barrier(4)

    def look() -> int:
        barrier.wait()
        try:
            return sweeps_advance()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        launched = [each.result() for each in [pool.submit(look) for _ in range(4)]]
    assert sum(launched) == 2
    assert [trial.number for trial in sweep.trials.all()] == [1, 2]
    assert len(active(sweep)) == 2
