"""Optuna's part of a sweep: proposals by TPE, and which runs are not worth their end.

Optuna keeps nothing. Each time it is told all that the rows say (ask and tell, in memory), with seeds of the
sweep's own, so that equal rows give equal answers and no second database can disagree with ours.

It minds only the order of results. So a result is told as its place by the library's rule (`places`): what
decides is that whole rule, with its guard and its second measure, and not one number of it.

Imported by the maintenance worker alone: it takes a second and 45 MB.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner, MedianPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler, TPESampler
from optuna.trial import TrialState

from training_jobs.search import Axis, Key, Told, Value, seed_of

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

STARTING_SHARE: Final = 4
"""One of so many runs, and three at least, are drawn at random before TPE learns from them."""
STARTING_LIMIT: Final = 10
MEDIAN_NEEDS: Final = 3
"""Runs that must be complete before one is called behind their median."""
REDUCTION: Final = 3


def propose(
    axes: Sequence[Axis], told: Sequence[Told], *, number: int, size: int, seed: int
) -> dict[str, Value]:
    """The settings of the ``number``-th of ``size`` trials, after those that were tried."""
    startup = min(STARTING_LIMIT, max(3, size // STARTING_SHARE))
    sampler = TPESampler(seed=seed_of(seed, number), n_startup_trials=startup, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    space = {axis.name: _distribution(axis) for axis in axes}
    place = places(told)
    states = {
        "running": TrialState.RUNNING,
        "complete": TrialState.COMPLETE,
        "pruned": TrialState.PRUNED,
        "failed": TrialState.FAIL,
    }
    for each in told:
        state = states[each.state]
        if state == TrialState.COMPLETE and each.best is None:
            state = TrialState.FAIL  # it ended, and nobody knows how good it is
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                params=dict(each.values),
                distributions=space,
                value=place[each.best] if state == TrialState.COMPLETE and each.best is not None else None,
                intermediate_values={step: float(place[key]) for step, key in each.reports.items()},
            )
        )
    chosen: Mapping[str, Any] = study.ask(space).params
    return {axis.name: _fitted(axis, chosen[axis.name]) for axis in axes}


def unpromising(
    told: Sequence[Told], judged: Sequence[int], *, pruner: str, steps: int, checkpoint_every: int
) -> list[int]:
    """Indices of the running trials that should end now.

    Only a step after ``judged`` is looked at: successive halving is asynchronous, and who was let go on is
    not called back by what others score later.

    Args:
        told: every trial of the sweep, in the order of their numbers.
        judged: for each of them the last step that was looked at before.
        pruner: ``median`` or ``asha``.
    """
    study = optuna.create_study(
        direction="maximize", sampler=RandomSampler(seed=0), pruner=_pruner(pruner, steps, checkpoint_every)
    )
    place = places(told)
    found = []
    # What is over says first how it was; then those that run.
    for index in sorted(range(len(told)), key=lambda index: (told[index].state == "running", index)):
        each, trial, ends = told[index], study.ask(), False
        for step, key in each.reports.items():
            trial.report(float(place[key]), step)
            ends |= trial.should_prune() and step > judged[index]
        if each.state == "complete" and each.best is not None:
            study.tell(trial, float(place[each.best]))
        elif each.state == "pruned":
            study.tell(trial, state=TrialState.PRUNED)
        elif each.state != "running":
            study.tell(trial, state=TrialState.FAIL)
        elif ends:
            found.append(index)
    return found


def places(told: Iterable[Told]) -> dict[Key, int]:
    """Every result's place among all of them, the worst being 0."""
    keys = {key for each in told for key in each.reports.values()}
    keys |= {each.best for each in told if each.best is not None}
    return {key: place for place, key in enumerate(sorted(keys))}


def _pruner(name: str, steps: int, checkpoint_every: int) -> BasePruner:
    if name == "median":
        return MedianPruner(n_startup_trials=MEDIAN_NEEDS, n_warmup_steps=min(steps // 5, checkpoint_every))
    # Rungs at a ninth and a third of the run; checkpoints are the steps there are.
    first = max(checkpoint_every, steps // REDUCTION**2)
    return SuccessiveHalvingPruner(min_resource=first, reduction_factor=REDUCTION)


def _distribution(axis: Axis) -> BaseDistribution:
    low, high = axis.low, axis.high
    if low is None or high is None:
        return CategoricalDistribution(list(axis.values))
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=axis.log)
    return FloatDistribution(float(low), float(high), log=axis.log)


def _fitted(axis: Axis, value: Any) -> Value:
    fitted: Value = axis.fitted(value) if axis.is_range else value
    return fitted
