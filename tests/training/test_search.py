"""The space of a sweep: lists and ranges, what makes no sense, and how a search walks through it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from mapgan.config import TrainConfig
from mapgan.presets import preset
from training_jobs import optuna_search
from training_jobs.search import (
    Axis,
    SpaceError,
    Told,
    check_space,
    combinations,
    configured,
    grid_point,
    parse,
    random_point,
    sweepable,
)

RATE = Axis(name="learning_rate", low=1e-5, high=1e-3, log=True, points=3)
WIDTH = Axis(name="generator_width", values=(8, 16, 32))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("learning_rate", "1e-4, 2e-4", Axis(name="learning_rate", values=(1e-4, 2e-4))),
        ("generator_width", "8,16 , 32", WIDTH),
        ("generator_width", "8 to 64", Axis(name="generator_width", low=8, high=64)),
        ("l1_weight", "10 to 100", Axis(name="l1_weight", low=10.0, high=100.0)),
        ("flip", "yes, no", Axis(name="flip", values=(True, False))),
        ("upsample", "resize, transposed", Axis(name="upsample", values=("resize", "transposed"))),
    ],
)
def test_what_a_person_types(name: str, text: str, expected: Axis) -> None:
    found = parse(name, text)
    assert found == expected
    assert Axis.from_dict(found.to_dict()) == found
    assert parse(name, found.text()) == found


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("learning_rate", "fast", "not a number"),
        ("generator_width", "8.5, 9", "not a whole number"),
        ("flip", "perhaps", "not yes or no"),
        ("upsample", "a to b", "Only numbers have a range"),
        ("learning_rate", "1e-3 to 1e-5", "from the smaller"),
        ("learning_rate", "nan to 1", "two ends"),
        ("learning_rate", "inf", "learning_rate must be from"),
        ("generator_width", " , ", "Give its values"),
        ("generator_width", "8, 8", "twice"),
        ("direction", "map2sat, sat2map", "ranked by a rule of its own"),
        ("image_size", "64, 128", "measured on other pictures"),
        ("log_every", "1, 2", "changes nothing that is learnt"),
        ("colour", "red", "no setting"),
    ],
)
def test_nonsense_is_refused_in_words(name: str, text: str, words: str) -> None:
    with pytest.raises(SpaceError) as refused:
        check_space(preset("draft"), [parse(name, text)])
    assert words in str(refused.value)


def test_the_library_has_the_last_word() -> None:
    base = preset("draft", steps=100)
    with pytest.raises(SpaceError, match=r"dropout must be from 0 to 1.*") as refused:
        check_space(base, [Axis(name="dropout", values=(0.5, 1.5)), WIDTH])
    assert refused.value.axis == "dropout"
    with pytest.raises(SpaceError, match=r"With steps 50, decay_steps 80: .*longer than the run"):
        check_space(base, [Axis(name="steps", values=(50,)), Axis(name="decay_steps", values=(80,))])
    with pytest.raises(SpaceError, match="there twice"):
        check_space(base, [WIDTH, WIDTH])
    with pytest.raises(SpaceError, match="at least one"):
        check_space(base, [])
    # each alone would not do: together they fit
    check_space(base, [Axis(name="steps", values=(500,)), Axis(name="decay_steps", values=(400,))])


def test_every_setting_that_can_be_swept_is_one_of_the_library() -> None:
    for model in ("pix2pix", "cyclegan"):
        base = preset("draft", model=model)
        for name in sweepable(model):
            check_space(base, [Axis(name=name, values=(getattr(base, name),))])
    assert "l1_weight" not in sweepable("cyclegan")


def test_a_grid_is_every_combination_once() -> None:
    axes = [RATE, WIDTH]
    assert combinations(axes) == 9
    points = [grid_point(axes, number) for number in range(1, 10)]
    assert grid_point(axes, 10) is None
    assert {(each["learning_rate"], each["generator_width"]) for each in points if each} == {
        (rate, width) for rate in (1e-5, 1e-4, 1e-3) for width in (8, 16, 32)
    }


def test_random_points_are_the_same_again_and_never_twice() -> None:
    axes = [RATE, Axis(name="generator_width", low=4, high=64)]
    tried: list[dict[str, Any]] = []
    for number in range(1, 30):
        point = random_point(axes, number, seed=7, tried=tried)
        assert point is not None
        assert point == random_point(axes, number, seed=7, tried=tried)
        assert point != random_point(axes, number, seed=8, tried=tried)
        configured(preset("draft"), point)
        assert 1e-5 <= float(point["learning_rate"]) <= 1e-3
        tried.append(point)
    assert len({each["learning_rate"] for each in tried}) == 29
    small = [random_point([WIDTH], n, seed=0, tried=[{"generator_width": 8}]) for n in range(20)]
    assert {each["generator_width"] for each in small if each} == {16, 32}
    everything = [{"generator_width": width} for width in (8, 16, 32)]
    assert random_point([WIDTH], 4, seed=0, tried=everything) is None


def told(rate: float, state: str = "complete", best: float | None = None) -> Told:
    """A trial that is the better the nearer its rate is to 1e-4."""
    score = -abs(math.log10(rate) + 4) if best is None else best
    return Told(values={"learning_rate": rate}, state=state, best=(1.0, score), reports={10: (1.0, score)})


def search_with_tpe(seed: int) -> list[float]:
    """The rates that TPE tries, one after the other."""
    done: list[Told] = []
    for number in range(1, 31):
        point = optuna_search.propose([RATE], done, number=number, size=30, seed=seed)
        done.append(told(float(point["learning_rate"])))
    return [float(each.values["learning_rate"]) for each in done]


def test_tpe_learns_from_what_it_is_told_and_needs_no_memory() -> None:
    searches = [search_with_tpe(seed) for seed in range(4)]
    assert searches[3] == search_with_tpe(3)
    last = [abs(math.log10(rate) + 4) for tried in searches for rate in tried[20:]]
    assert sum(last) / len(last) < 0.35  # chance alone would give 0.5


def test_tpe_takes_every_kind_of_setting_and_trial() -> None:
    axes = [
        RATE, WIDTH, Axis(name="flip", values=(True, False)), Axis(name="discriminator_width", low=4, high=8),
        Axis(name="upsample", values=("resize", "transposed")),
    ]  # fmt: skip
    done: list[Told] = []
    for number, state in enumerate(("complete", "failed", "pruned", "running", "complete", "complete"), 1):
        point = optuna_search.propose(axes, done, number=number, size=6, seed=0)
        check = configured(preset("draft"), point)
        assert isinstance(check, TrainConfig)
        reports = {} if state == "failed" else {10: (1.0, float(number))}
        best = None if number == 5 else (1.0, float(number))
        done.append(Told(values=point, state=state, best=best, reports=reports))


def running(scores: dict[int, float], state: str = "running") -> Told:
    """A trial with these scores by step."""
    reports = {step: (1.0, score) for step, score in scores.items()}
    return Told(values={}, state=state, best=max(reports.values(), default=None), reports=reports)


def test_who_is_behind_the_median_ends() -> None:
    done = [running({10: score, 20: score, 30: score}, "complete") for score in (0.5, 0.6, 0.7)]
    trials = [*done, running({10: 0.4, 20: 0.4}), running({10: 0.65, 20: 0.65}), running({})]
    ends = optuna_search.unpromising(trials, [0] * 6, pruner="median", steps=30, checkpoint_every=10)
    assert ends == [3]
    judged = [0, 0, 0, 20, 20, 0]  # what was looked at is not looked at again
    assert optuna_search.unpromising(trials, judged, pruner="median", steps=30, checkpoint_every=10) == []
    few = trials[1:]
    assert optuna_search.unpromising(few, [0] * 5, pruner="median", steps=30, checkpoint_every=10) == []


def test_successive_halving_lets_the_best_third_go_on() -> None:
    scores = [0.9, 0.1, 0.2, 0.3, 0.8, 0.05]
    trials = [running({10: score, 20: score, 30: score}, "complete") for score in scores]
    trials += [running({10: 0.15}), running({10: 0.95})]
    ends = optuna_search.unpromising(trials, [0] * 8, pruner="asha", steps=90, checkpoint_every=10)
    assert ends == [6]


def test_the_rule_decides_and_not_one_of_its_numbers() -> None:
    """Whoever fails the guard is the worst, however good its texture."""
    fails, passes = (0.0, -0.01), (1.0, -0.5)
    done = [
        Told(values={}, state="complete", best=fails, reports={1: fails}),
        Told(values={}, state="complete", best=passes, reports={1: passes}),
    ]
    place = optuna_search.places(done)
    assert place[fails] < place[passes]
