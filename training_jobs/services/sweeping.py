"""What a sweep does by itself: launches the next runs, ends unpromising ones, notices that it is done.

`sweeps_advance` looks at rows and writes rows. It may be called by anybody at any time, twice, or not for an
hour: beat calls it every few seconds, and a train worker has it called when a run ends. Each sweep is
advanced in one transaction that begins with an UPDATE of its row, so that of two callers one waits, and then
finds nothing left to do.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from jobs.models import JobState
from mapgan.config import ConfigError, TrainConfig
from training_jobs.models import Method, Pruner, RunNote, Sweep, SweepState, TrainingRun, Trial, Wish
from training_jobs.search import Axis, Told, Value, configured, grid_point, random_point
from training_jobs.services.runs import RunRefused, run_again, run_release, run_start
from training_jobs.services.sweeps import note, settings_text
from training_jobs.standings import Scored, best_of, scored, standings

logger = logging.getLogger(__name__)

HOPELESS = 3
"""After so many failures for one reason and not one success, a sweep stops and asks."""
OWN_FAULT = ("diverged", "cancelled")
"""Reasons that say something of the settings and nothing of the machine."""
PROPOSALS = 8
"""How often TPE is asked again for settings that were not tried before."""


def sweeps_advance() -> int:
    """Advance every running sweep; returns how many runs were launched."""
    launched = 0
    for sweep in Sweep.objects.filter(state=SweepState.RUNNING).order_by("created_at"):
        try:
            launched += sweep_advance(sweep=sweep)
        except Exception:  # the others must go on
            logger.exception("Sweep %s could not be advanced; it is tried again.", sweep.pk)
    return launched


def sweep_advance(*, sweep: Sweep) -> int:
    """Let held runs go on, end unpromising ones, launch the next; returns how many were launched."""
    if sweep.method == Method.TPE or sweep.pruner != Pruner.NONE:
        from training_jobs import optuna_search  # noqa: F401 - takes a second, which no lock should wait for
    with transaction.atomic():
        if not Sweep.objects.filter(pk=sweep.pk, state=SweepState.RUNNING).update(advanced_at=Now()):
            return 0
        sweep.refresh_from_db()
        try:
            config = sweep.settings
        except ConfigError as error:
            _stop(sweep, f"This version of the library does not know its settings: {error}.")
            return 0
        _release(sweep)
        trials = list(sweep.trials.select_related("run"))
        if sweep.pruner != Pruner.NONE:
            _prune(sweep, config, trials)
        if reason := _hopeless(trials[sweep.forgiven :]):
            _stop(sweep, reason)
            return 0
        return _launch(sweep, config, trials)


def _launch(sweep: Sweep, base: TrainConfig, trials: list[Trial]) -> int:
    """The next runs, as many as may be at work at once; the end, when there is nothing more to do."""
    axes = [Axis.from_dict(each) for each in sweep.space]
    launched = 0
    active = sum(_is_active(trial) for trial in trials)
    paused = sum(trial.run is not None and trial.run.is_paused for trial in trials)
    for trial in trials:
        if trial.again and active < sweep.concurrency:
            active += _try_again(trial)
    while active < sweep.concurrency:
        values = _next(sweep, axes, trials) if len(trials) < sweep.size else None
        if values is None:
            if not active and not paused and not any(trial.again for trial in trials):
                _finish(sweep, len(trials))
            break
        trial = Trial(sweep=sweep, number=len(trials) + 1, values=values)
        try:
            trial.run = run_start(
                by=sweep.created_by,
                name=f"{sweep.name} #{trial.number}",
                dataset_version=sweep.dataset_version,
                config=configured(base, values),
            )
        except ConfigError as error:
            trial.refusal = settings_text(error)
        except RunRefused as refusal:
            _stop(sweep, str(refusal))
            break
        trial.save(force_insert=True)
        trials.append(trial)
        active += trial.run is not None
        launched += trial.run is not None
    return launched


def _try_again(trial: Trial) -> bool:
    """Queue a failed run once more; False when it is none any more."""
    trial.again = False
    again = trial.run is not None and trial.run.state == JobState.FAILED and run_again(run=trial.run)
    Trial.objects.filter(pk=trial.pk).update(again=False)
    return again


def _next(sweep: Sweep, axes: Sequence[Axis], trials: Sequence[Trial]) -> dict[str, Value] | None:
    """The settings of the next trial; None when there are no others."""
    number, tried = len(trials) + 1, [trial.values for trial in trials]
    if sweep.method == Method.GRID:
        return grid_point(axes, number)
    if sweep.method == Method.TPE:
        from training_jobs import optuna_search

        told = _told(sweep, trials)
        for again in range(PROPOSALS):
            seed = sweep.seed + again * 1_000_003
            found = optuna_search.propose(axes, told, number=number, size=sweep.size, seed=seed)
            if found not in tried:
                return found
    return random_point(axes, number, seed=sweep.seed, tried=tried)


def _prune(sweep: Sweep, config: TrainConfig, trials: Sequence[Trial]) -> None:
    """End running trials that are behind, where one of them has new figures."""
    running = [trial for trial in trials if trial.run is not None and trial.run.state == JobState.RUNNING]
    if not any(_last(trial) > trial.judged_step and trial.pruned_step is None for trial in running):
        return
    from training_jobs import optuna_search

    ends = optuna_search.unpromising(
        _told(sweep, trials),
        [trial.judged_step for trial in trials],
        pruner=sweep.pruner,
        steps=config.steps,
        checkpoint_every=config.checkpoint_every,
    )
    for index, trial in enumerate(trials):
        if trial.run is None or trial not in running:
            continue
        trial.judged_step = _last(trial)
        Trial.objects.filter(pk=trial.pk).update(judged_step=trial.judged_step)
        if index in ends and trial.pruned_step is None:
            _end_early(trial, trial.run)


def _end_early(trial: Trial, run: TrainingRun) -> None:
    """Ask the run's worker to end it well; what it has is kept."""
    step = trial.judged_step
    wanted = TrainingRun.objects.filter(pk=run.pk, state=JobState.RUNNING, wish="").update(wish=Wish.FINISH)
    if not wanted:
        return
    trial.pruned_step = step
    Trial.objects.filter(pk=trial.pk).update(pruned_step=step)
    message = f"Ended early by its sweep: at step {step:,} it was behind the others."
    RunNote.objects.create(run=run, attempt=run.attempt, step=run.step, kind="pruned", message=message)


def _told(sweep: Sweep, trials: Sequence[Trial]) -> list[Told]:
    """What Optuna is told of every trial: nothing but rows."""
    runs = [trial.run for trial in trials if trial.run is not None]
    stored = {each.run.pk: each.best for each in standings(runs, sweep.direction)}
    found = []
    for trial in trials:
        reports = _reports(sweep, trial)
        best = (stored.get(trial.run.pk) if trial.run is not None else None) or best_of(reports)
        found.append(
            Told(
                values=trial.values,
                state=_state_of(trial),
                best=best.key if best else None,
                reports={each.step: each.key for each in reports},
            )
        )
    return found


def _reports(sweep: Sweep, trial: Trial) -> list[Scored]:
    each = (scored(int(step), found, sweep.direction) for step, found in trial.reports.items())
    return sorted((found for found in each if found is not None), key=lambda found: found.step)


def _state_of(trial: Trial) -> str:
    if trial.run is None:
        # Refused, or deleted by a person: then what it scored still counts.
        return "complete" if trial.reports else "failed"
    if trial.run.is_active:
        return "running"
    if trial.run.state != JobState.SUCCEEDED:
        return "failed"
    return "complete" if trial.pruned_step is None else "pruned"


def _last(trial: Trial) -> int:
    """The last step that was measured."""
    return max(map(int, trial.reports), default=0)


def _is_active(trial: Trial) -> bool:
    """Its run takes one of the sweep's places; one that a person paused does not."""
    return trial.run is not None and trial.run.is_active and not trial.run.is_paused


def _release(sweep: Sweep) -> None:
    """Runs that were paused with the sweep go on with it."""
    for trial in sweep.trials.filter(held=True).select_related("run"):
        run = trial.run
        if run is not None and run.state == JobState.RUNNING:
            continue  # it is still saving: its worker takes the wish back some time before it holds the run
        if run is not None:
            run_release(run=run)
        Trial.objects.filter(pk=trial.pk).update(held=False)


def _hopeless(trials: Sequence[Trial]) -> str:
    """Why it makes no sense to go on; empty when it does."""
    over = [trial.run for trial in trials if trial.run is not None and trial.run.is_finished]
    codes = {run.error_code for run in over if run.state == JobState.FAILED}
    if len(over) < HOPELESS or any(run.state != JobState.FAILED for run in over) or len(codes) > 1:
        return ""
    if codes & set(OWN_FAULT):
        return ""
    return (
        f"All {len(over)} runs failed for one reason, so no more were launched. The last one said: "
        f"{over[-1].error_message}"
    )


def _stop(sweep: Sweep, reason: str) -> None:
    Sweep.objects.filter(pk=sweep.pk).update(state=SweepState.PAUSED, problem=reason)
    note(sweep, None, "stopped", reason)


def _finish(sweep: Sweep, runs: int) -> None:
    Sweep.objects.filter(pk=sweep.pk).update(state=SweepState.FINISHED, finished_at=timezone.now())
    note(sweep, None, "finished", f"Finished after {runs:,} runs.")
