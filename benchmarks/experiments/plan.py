"""The plan: what is trained, with which seeds, and which of it stands side by side."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PLAN = Path(__file__).resolve().parent / "plan.toml"
HOLDOUT = "generators/holdout.tsv"  # from the root of the repository, where the commands run


class PlanError(ValueError):
    """The plan contradicts itself; the message says where."""


@dataclass(frozen=True)
class Training:
    """One run of ``mapgan train``.

    Attributes:
        experiment: what it belongs to.
        seed: the run's; trainings that differ in nothing else are one experiment.
        arguments: of ``mapgan train``, without data, folder and seed.
        directions: what it learns.
    """

    experiment: str
    seed: int
    arguments: tuple[str, ...]
    directions: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the run's folder."""
        return f"{self.experiment}-{self.seed}"

    def train(self, data: str, out: str, *more: str) -> list[str]:
        """The command that trains it, on all tiles but the held-out ones."""
        where = ["--data", data, "--exclude", HOLDOUT, "--out", f"{out}/{self.name}"]
        return ["mapgan", "train", *self.arguments, *where, "--seed", str(self.seed), *more]

    def evaluate(self, data: str, out: str, *more: str) -> list[str]:
        """The command that measures its last checkpoint on the held-out tiles."""
        where = ["--data", data, "--tiles", HOLDOUT, "--checkpoint", "latest"]
        return ["mapgan", "evaluate", f"{out}/{self.name}", *where, *more]


@dataclass(frozen=True)
class Line:
    """A line of a comparison: an experiment, in words, with averaged weights or those as trained."""

    experiment: str
    title: str
    weights: str = "averaged"


@dataclass(frozen=True)
class Comparison:
    """What stands side by side in one table."""

    title: str
    direction: str
    question: str
    finding: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Plan:
    """All of it."""

    trainings: tuple[Training, ...]
    comparisons: tuple[Comparison, ...]

    def of(self, experiment: str) -> list[Training]:
        """The trainings of an experiment, one a seed."""
        return [training for training in self.trainings if training.experiment == experiment]


def read(path: Path = PLAN) -> Plan:
    """Read a plan.

    Raises:
        PlanError: a comparison of something that is not trained, or not in its direction.
    """
    values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    trainings = tuple(
        Training(name, seed, tuple(entry["train"]), tuple(entry["directions"]))
        for name, entry in values["experiment"].items()
        for seed in entry["seeds"]
    )
    comparisons = tuple(
        Comparison(
            title=entry["title"],
            direction=entry["direction"],
            question=entry["question"],
            finding=entry.get("finding", ""),
            lines=tuple(Line(**line) for line in entry["lines"]),
        )
        for entry in values["comparison"]
    )
    plan = Plan(trainings, comparisons)
    for comparison in comparisons:
        for line in comparison.lines:
            found = plan.of(line.experiment)
            if not found or any(comparison.direction not in each.directions for each in found):
                raise PlanError(f"{comparison.title}: {line.experiment} learns no {comparison.direction}")
    return plan
