"""docs/results.md's tables: what was measured, side by side, with the commands."""

from __future__ import annotations

import shlex
import statistics

from benchmarks.experiments.plan import Comparison, Line, Plan, Training
from benchmarks.experiments.runs import Record
from mapgan.measures import MEASURES, SHOWN

BEGIN, END = "<!-- measured: written by `python -m benchmarks.experiments` -->", "<!-- end of measured -->"
BASELINES = {"median_colour": "median colour", "input_copied": "input copied"}


def document(plan: Plan, records: dict[str, Record]) -> str:
    """All comparisons of which something was measured, then the commands."""
    parts = [comparison_table(each, plan, records) for each in plan.comparisons]
    done = [each for each in plan.trainings if each.name in records]
    if not done:
        return "Not measured yet."
    return "\n\n".join([*filter(None, parts), commands(done, records)])


def comparison_table(comparison: Comparison, plan: Plan, records: dict[str, Record]) -> str:
    """A table as Markdown; empty when nothing of it was measured.

    A cell is the mean over the seeds and, in brackets, the lowest and the highest end of the seeds' 95 %
    intervals over the choice of tiles.
    """
    shown = SHOWN[comparison.direction]
    titles = ["", "seeds", "steps", "processor minutes", *(MEASURES[name].label for name in shown)]
    rows: list[list[str]] = []
    last: Record | None = None
    for line in comparison.lines:
        found = [records[each.name] for each in plan.of(line.experiment) if each.name in records]
        if found:
            rows.append(_cells(line, comparison.direction, found))
            last = found[-1]
    if last is None:
        return ""
    for name, title in BASELINES.items():
        figures = last["measures"][comparison.direction][name]
        cells = [MEASURES[measure].text(figures["values"].get(measure)) for measure in shown]
        rows.append([title, "", "", "", *cells])
    table = [titles, ["---"] * len(titles), *rows]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in table)
    return "\n\n".join(
        filter(None, [f"### {comparison.title}", comparison.question, text, comparison.finding])
    )


def _cells(line: Line, direction: str, records: list[Record]) -> list[str]:
    figures = [record["measures"][direction][line.weights] for record in records]
    minutes = statistics.mean(record["processor_seconds"] for record in records) / 60
    cells = [line.title, str(len(records)), f"{records[0]['steps']:,}", f"{minutes:.0f}"]
    for name in SHOWN[direction]:
        measure = MEASURES[name]
        values = [each["values"][name] for each in figures if each["values"].get(name) is not None]
        ends = [end for each in figures for end in each["intervals"].get(name) or ()]
        text = measure.text(statistics.mean(values)) if values else "-"
        cells.append(f"{text} ({measure.text(min(ends))}..{measure.text(max(ends))})" if ends else text)
    return cells


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
In the root of the repository. DATA is the *maps* set, a folder or the archive, OUT any folder. The first
seed is shown. All seeds of one, trained anew and written into this page:
`.venv/bin/python -m benchmarks.experiments --data DATA --out OUT --only NAME --again --threads 1`."""
