"""docs/results.md's tables: what was measured, side by side, with the commands."""

from __future__ import annotations

import math
import shlex
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.experiments.plan import Comparison, Plan, Training
from benchmarks.experiments.runs import Record
from mapgan.measures import MEASURES, SHOWN, Measure

BEGIN, END = "<!-- measured: written by `python -m benchmarks.experiments` -->", "<!-- end of measured -->"
BASELINES = {"median_colour": "median colour", "input_copied": "input copied"}
STUDENT = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23)  # t at 97.5 %, by degrees of freedom


def document(plan: Plan, records: dict[str, Record]) -> str:
    """All comparisons of which something was measured, then the commands."""
    parts = [comparison_table(each, plan, records) for each in plan.comparisons]
    done = [each for each in plan.trainings if each.name in records]
    if not done:
        return "Not measured yet."
    return "\n\n".join([*filter(None, parts), commands(done, records)])


def comparison_table(comparison: Comparison, plan: Plan, records: dict[str, Record]) -> str:
    """A table as Markdown; empty when nothing of it was measured.

    A cell is the mean over the seeds and, in brackets, 95 % over tiles and trainings (`cells`).
    """
    shown = SHOWN[comparison.direction]
    titles = ["", "seeds", "steps", "processor minutes", *(MEASURES[name].label for name in shown)]
    rows: list[list[str]] = []
    last: Record | None = None
    for line in comparison.lines:
        found = [records[each.name] for each in plan.of(line.experiment) if each.name in records]
        if found:
            minutes = statistics.mean(record["processor_seconds"] for record in found) / 60
            start = [line.title, str(len(found)), f"{found[0]['steps']:,}", f"{minutes:.0f}"]
            figures = [record["measures"][comparison.direction][line.weights] for record in found]
            spread = spreads(comparison.direction, line.weights, plan, records)
            rows.append([*start, *cells(comparison.direction, figures, spread)])
            last = found[-1]
    if last is None:
        return ""
    for name, title in BASELINES.items():
        figures = last["measures"][comparison.direction][name]
        own = [MEASURES[measure].text(figures["values"].get(measure)) for measure in shown]
        rows.append([title, "", "", "", *own])
    parts = [f"### {comparison.title}", comparison.question, markdown(titles, rows), comparison.finding]
    return "\n\n".join(filter(None, parts))


def markdown(titles: list[str], rows: list[list[str]]) -> str:
    """A table's lines."""
    table = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)


def bracketed(measure: Measure, value: float | None, ends: Sequence[float] | None) -> str:
    """A value and, where there is one, its interval."""
    text = measure.text(value)
    return f"{text} ({'..'.join(measure.text(end) for end in ends)})" if ends else text


@dataclass(frozen=True)
class Spread:
    """How far trainings lie apart that differ in the seed alone, as a share of their mean.

    A share, because it is pooled over experiments whose values differ by an order of magnitude.

    Attributes:
        deviation: the standard deviation, pooled over the experiments with several seeds.
        freedom: degrees of freedom behind it; 0 when no experiment has several.
    """

    deviation: float
    freedom: int

    def half_width(self, mean: float, seeds: int) -> float:
        """Of the 95 % prediction interval of one more training, around the mean of ``seeds``."""
        if not self.freedom:
            return 0.0
        quantile = STUDENT[min(self.freedom, len(STUDENT)) - 1]
        return quantile * self.deviation * abs(mean) * math.sqrt(1 + 1 / seeds)


def spreads(direction: str, weights: str, plan: Plan, records: dict[str, Record]) -> dict[str, Spread]:
    """Each measure's spread over seeds."""
    found = {}
    for name in SHOWN[direction]:
        squares, freedom = 0.0, 0
        for experiment in dict.fromkeys(each.experiment for each in plan.trainings):
            mine = [records[each.name] for each in plan.of(experiment) if each.name in records]
            mine = [each for each in mine if direction in each["measures"]]
            values = [each["measures"][direction][weights]["values"][name] for each in mine]
            if len(values) > 1 and statistics.mean(values):
                shares = [value / statistics.mean(values) for value in values]
                squares += statistics.variance(shares) * (len(shares) - 1)
                freedom += len(shares) - 1
        found[name] = Spread(math.sqrt(squares / freedom) if freedom else 0.0, freedom)
    return found


def cells(direction: str, figures: list[Record], spread: dict[str, Spread]) -> list[str]:
    """The measures of one line: means, and where one more training would lie, measured on other tiles.

    The two causes are independent, so the half widths of their 95 % intervals add as squares: of the tiles
    that of the bootstrap (mean over the seeds), of the trainings `Spread.half_width`.
    """
    return [_cell(name, figures, spread[name]) for name in SHOWN[direction]]


def _cell(name: str, figures: list[Record], spread: Spread) -> str:
    measure = MEASURES[name]
    values = [each["values"][name] for each in figures if each["values"].get(name) is not None]
    if not values:
        return "-"
    mean = statistics.mean(values)
    widths = [each["intervals"][name] for each in figures if each["intervals"].get(name)]
    tiles = statistics.mean((high - low) / 2 for low, high in widths) if widths else 0.0
    half = math.hypot(tiles, spread.half_width(mean, len(values)))
    ends = (max(mean - half, measure.low), min(mean + half, measure.high))
    return bracketed(measure, mean, ends if half else None)


def commands(trainings: list[Training], records: dict[str, Record]) -> str:
    """How each of them is made again: once for the seeds that differ in nothing else."""
    parts = ["### The commands", _ABOUT_COMMANDS]
    for experiment in dict.fromkeys(each.experiment for each in trainings):
        mine = [each for each in trainings if each.experiment == experiment]
        seeds = ", ".join(str(each.seed) for each in mine)
        record = records[mine[0].name]
        lines = [f"# {experiment}: seeds {seeds}"]
        lines += [shlex.join(record[what]) for what in ("train", "evaluate")]
        parts.append("```\n" + "\n".join(lines) + "\n```")
    machines = {
        f"{records[each.name]['about']['machine']}; {records[each.name]['about']['when'][:10]}, "
        f"at {records[each.name]['about']['commit']}"
        for each in trainings
    }
    return "\n\n".join([*parts, "Measured on:", "\n".join(f"- {machine}" for machine in sorted(machines))])


_ABOUT_COMMANDS = """\
In the root of the repository, with `. .venv/bin/activate`. DATA is the folder of the *maps* set, OUT an empty
one. The first seed is shown. All seeds of one, trained anew and written into this page:
`.venv/bin/python -m benchmarks.experiments --data DATA --out OUT --only NAME --again --threads 1`."""
