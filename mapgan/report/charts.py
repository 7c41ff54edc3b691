"""Measures over training steps as small inline SVG charts, one a measure, a line a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from mapgan.measures import MEASURES, Measure, columns
from mapgan.report.table import BASELINES
from mapgan.scoring import Row

WIDTH, HEIGHT = 340, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 26
COLOURS: Final = 6
"""Lines that have a colour of their own in report.css; more share them."""
MARKS: Final = 4
_BEST, _OTHER = 'r="4.5" class="best"', 'r="2.5"'


@dataclass(frozen=True)
class _Scale:
    """From values to places along one axis."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def charts(rows: Sequence[Row], direction: str) -> str:
    """All charts of a direction; nothing where no run has two checkpoints."""
    runs: dict[str, list[Row]] = {}
    for row in rows:
        if row.kind == "checkpoint" and row.step is not None:
            runs.setdefault(row.series, []).append(row)
    runs = {
        name: sorted(found, key=lambda row: row.step or 0) for name, found in runs.items() if len(found) > 1
    }
    if not runs:
        return ""
    baselines = [row for row in rows if row.kind == "baseline"]
    measured = [set(row.measured.values) for found in runs.values() for row in found]
    drawn = "".join(
        _chart(MEASURES[name], runs, baselines)
        for name in columns(direction, set[str].intersection(*measured))
    )
    legend = ""
    if len(runs) > 1:
        items = "".join(
            f'<li><span class="swatch line-{index % COLOURS}"></span>{escape(name)}</li>'
            for index, name in enumerate(runs)
        )
        legend = f'<ul class="legend">{items}</ul>'
    return f'<h3>Over the training</h3>{legend}<div class="charts">{drawn}</div>'


def _chart(measure: Measure, runs: dict[str, list[Row]], baselines: Sequence[Row]) -> str:
    """One measure: bands of intervals, lines, points that tell their value, baselines that are near."""
    every = [row for found in runs.values() for row in found]
    values = [
        value
        for row in every
        for value in (row.measured.values[measure.name], *row.measured.intervals.get(measure.name, ()))
        if math.isfinite(value)
    ]
    if not values:
        return ""
    low, high, flat = _range(values, measure, baselines)
    steps = [row.step or 0 for row in every]
    x = _Scale(min(steps), max(*steps, min(steps) + 1), LEFT, WIDTH - RIGHT)
    y = _Scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = [_grid(measure, x, y)]
    parts += [
        f'<line class="flat" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value)}" y2="{y(value)}"/>'
        f'<text class="flat-name" x="{WIDTH - RIGHT}" y="{y(value) - 4:.1f}" text-anchor="end">'
        f"{escape(name)}</text>"
        for name, value in flat.items()
    ]
    for index, found in enumerate(runs.values()):
        parts.append(_line(measure, found, x, y, f"line-{index % COLOURS}"))
    label = f"{measure.title} over steps"
    unit = f"<small>{escape(measure.unit)}</small>" if measure.unit else ""
    return (
        f"<figure><figcaption>{escape(measure.title)} {unit}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg></figure>"
    )


def _range(
    values: Sequence[float], measure: Measure, baselines: Sequence[Row]
) -> tuple[float, float, dict[str, float]]:
    """The axis, and the baselines that lie within one more height of it: others would flatten the curves."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    flat = {
        BASELINES.get(row.series, row.name): row.measured.values[measure.name]
        for row in baselines
        if low - span <= row.measured.values.get(measure.name, math.inf) <= high + span
    }
    low, high = min([low, *flat.values()]), max([high, *flat.values()])
    room = ((high - low) or abs(high) or 1.0) * 0.06
    return low - room, high + room, flat


def _grid(measure: Measure, x: _Scale, y: _Scale) -> str:
    """Lines and numbers of both axes."""
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(mark)}" y2="{y(mark)}"/>'
        f'<text x="{LEFT - 6}" y="{y(mark) + 3.5}" text-anchor="end">{measure.text(mark)}</text>'
        for mark in _marks(y.low, y.high)
    ]
    marks = [mark for mark in _marks(x.low, x.high) if mark == int(mark)]
    parts += [
        f'<text x="{x(mark)}" y="{HEIGHT - 8}" text-anchor="middle">{_short(mark)}</text>' for mark in marks
    ]
    return "".join(parts)


def _line(measure: Measure, rows: Sequence[Row], x: _Scale, y: _Scale, colour: str) -> str:
    """A run: its band, its line and its points; the best of all is larger."""
    points = [
        (x(row.step or 0), y(row.measured.values[measure.name]), row)
        for row in rows
        if math.isfinite(row.measured.values[measure.name])
    ]
    ranges = [
        (across, y(ends[0]), y(ends[1]))
        for across, _, row in points
        if (ends := row.measured.intervals.get(measure.name)) and all(map(math.isfinite, ends))
    ]
    upper = " ".join(f"{across},{top}" for across, _, top in ranges)
    lower = " ".join(f"{across},{bottom}" for across, bottom, _ in reversed(ranges))
    band = f'<polygon class="band" points="{upper} {lower}"/>' if len(ranges) > 1 else ""
    line = f'<polyline points="{" ".join(f"{across},{up}" for across, up, _ in points)}"/>'
    dots = "".join(
        f'<circle cx="{across}" cy="{up}" {_BEST if row.rank == 1 else _OTHER}>'
        f"<title>{escape(row.name)}: {measure.text(row.measured.values[measure.name])}</title></circle>"
        for across, up, row in points
    )
    return f'<g class="{colour}">{band}{line}{dots}</g>'


def _marks(low: float, high: float) -> list[float]:
    """Round numbers inside the range, some four of them."""
    rough = (high - low) / MARKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step)
    return [index * step for index in range(first, math.floor(high / step) + 1)]


def _short(steps: float) -> str:
    """12000 as 12k."""
    return f"{steps / 1000:g}k" if steps >= 1000 else f"{steps:g}"
