"""The ranking as an HTML table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Final

from mapgan.measures import MEASURES, Measure, columns
from mapgan.scoring import Row

TITLES: Final = {"sat2map": "Satellite to map", "map2sat": "Map to satellite"}
BASELINES: Final = {"median_colour": "Median colour", "input_copied": "Input copied"}
ARROWS: Final = {"higher": "↑", "lower": "↓", "one": "→ 1"}


def title_of(row: Row) -> str:
    """What people call it."""
    name = BASELINES.get(row.series, row.name) if row.kind == "baseline" else row.name
    return name + row.name.removeprefix(row.series) if row.kind == "baseline" else name


def ranking(rows: Sequence[Row], direction: str) -> str:
    """A generator a row, the best first and marked; the baselines stay at the foot, however it is sorted."""
    shown = columns(direction, {name for row in rows for name in row.measured.values})
    if any("fid_keras_inception" in row.measured.values for row in rows):
        shown.append("fid_keras_inception")
    heads = "".join(_head(MEASURES[name]) for name in shown)
    body, baselines = (
        "".join(_row(row, shown) for row in rows if (row.rank is None) == last) for last in (False, True)
    )
    note = ""
    if not all(row.guarded for row in rows if row.rank):
        note = (
            '<p class="muted small">“off” marks generators whose pictures are no nearer to their own targets '
            "than other targets are: good texture in the wrong place.</p>"
        )
    return f"""<div class="scroll" role="region" aria-label="Ranking" tabindex="0">
<table class="ranking">
<thead><tr>
<th scope="col"><span>Rank</span></th><th scope="col"><span>Generator</span></th>{heads}
</tr></thead>
<tbody>{body}</tbody>
<tfoot>{baselines}</tfoot>
</table>
</div>{note}"""


def _head(measure: Measure) -> str:
    """Title, unit, and which way is better."""
    small = f"{measure.unit} {ARROWS[measure.better]}".strip()
    return (
        f'<th scope="col" title="{escape(measure.sees)}"><span>{escape(measure.title)}</span>'
        f"<small>{escape(small)}</small></th>"
    )


def _row(row: Row, shown: Sequence[str]) -> str:
    kind = "best" if row.rank == 1 else "baseline" if row.rank is None else ""
    badge = ' <span class="badge">best</span>' if row.rank == 1 else ""
    badge += "" if row.guarded else ' <span class="badge badge--off">off</span>'
    size = f"<small>{row.size} pixels</small>" if row.kind != "baseline" else "<small>baseline</small>"
    cells = "".join(_cell(row, name) for name in shown)
    rank = "–" if row.rank is None else str(row.rank)  # noqa: RUF001
    order = 1e9 if row.rank is None else row.rank
    return (
        f'<tr class="{kind}"><td data-value="{order:g}">{rank}</td>'
        f'<th scope="row">{escape(title_of(row))}{badge}{size}</th>{cells}</tr>'
    )


def _cell(row: Row, name: str) -> str:
    measure = MEASURES[name]
    value = row.measured.values.get(name)
    if value is None or not math.isfinite(value):
        return '<td data-value="">–</td>'  # noqa: RUF001
    interval = row.measured.intervals.get(name)
    # the same on both sides says nothing
    ends = [measure.text(end) for end in interval] if interval else []
    small = f"<small>{ends[0]} … {ends[1]}</small>" if len(set(ends)) > 1 else ""
    return f'<td data-value="{value:.9g}">{measure.text(value)}{small}</td>'
