"""Contact sheets of a data set: small pictures in a grid, A's and B's in the same order."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from mapgan.datasets import DatasetError, Pictures, load_pair, load_picture
from mapgan.doctor.listing import Entry, list_entries

LAYOUT_FILE: Final = "sheets.json"
COLUMNS: Final = 8
QUALITY: Final = 82
GAP: Final = 4
"""Pixels between two cells, transparent."""


def draw_sheets(
    root: Path,
    out: Path,
    *,
    a_side: str = "left",
    count: int = 48,
    cell: int = 160,
    tiles: Iterable[str] = (),
    progress: Callable[[float], None] = lambda _: None,
) -> list[str]:
    """Write ``out/a.webp`` and ``out/b.webp``, and ``out/tiles.webp`` when tiles are named.

    ``out/sheets.json`` says what is where: ``cell`` and ``gap`` in pixels; for ``a``, ``b`` and ``tiles`` the
    ``columns`` and the ``names`` row by row.

    A picture that cannot be read leaves its cell empty: the sheet is for looking, the doctor complains.

    Args:
        root: the data set's folder, of any layout.
        out: folder to write into; made where it is missing.
        a_side: the half of a side-by-side picture that is A.
        count: pictures on each of the first two sheets at most, evenly spread over all.
        cell: pixels of a cell's side.
        tiles: names as the doctor's report has them (``train/12``); their A and B stand side by side.
        progress: called with the finished share, 0 to 1.

    Returns:
        The names of the tiles on the first sheet, row by row.

    Raises:
        DatasetError: no such folder, or no picture in it.
        OSError: the sheets cannot be written.
    """
    entries = list_entries(root, a_side).entries
    with_a, with_b = ([entry for entry in entries if half in entry.halves] for half in "AB")
    shown_a, shown_b = _spread(with_a, count), _spread(with_b, count)
    named = {entry.name: entry for entry in entries}
    asked = [named[name] for name in tiles if name in named]
    out.mkdir(parents=True, exist_ok=True)
    halves: dict[str, dict[str, Pictures]] = {}
    for done, entry in enumerate(wanted := [*shown_a, *shown_b, *asked]):
        progress(done / len(wanted))
        if entry.name not in halves:
            halves[entry.name] = _halves(entry, cell)
    layout: dict[str, object] = {"cell": cell, "gap": GAP}
    for half, shown in (("A", shown_a), ("B", shown_b)):
        cells = [halves[entry.name].get(half) for entry in shown]
        columns = _write(out / f"{half.lower()}.webp", cells, (cell, cell), COLUMNS)
        layout[half.lower()] = {"columns": columns, "names": [entry.name for entry in shown]}
    if asked:
        blank = np.zeros((cell, cell, 3), np.uint8)
        both = [[halves[entry.name].get(half, blank) for half in "AB"] for entry in asked]
        pairs = [np.hstack(pair) for pair in both]
        columns = _write(out / "tiles.webp", pairs, (2 * cell, cell), COLUMNS // 2)
        layout["tiles"] = {"columns": columns, "names": [entry.name for entry in asked]}
    (out / LAYOUT_FILE).write_text(json.dumps(layout) + "\n", encoding="utf-8")
    progress(1.0)
    return [entry.name for entry in shown_a]


def _spread(entries: Sequence[Entry], count: int) -> list[Entry]:
    """At most ``count`` of them, evenly spread over all."""
    count = min(count, len(entries))
    return [entries[place * len(entries) // count] for place in range(count)]


def _halves(entry: Entry, cell: int) -> dict[str, Pictures]:
    """The halves there are, each filling a square cell; none of a picture that cannot be read."""
    try:
        if len(entry.halves) == 1:  # of an unpaired set
            return {entry.halves[0]: load_picture(entry.pair.a, cell)}
        return dict(zip("AB", load_pair(entry.pair, cell), strict=True))
    except DatasetError:
        return {}


def _write(path: Path, cells: Sequence[Pictures | None], size: tuple[int, int], columns: int) -> int:
    """Cells of ``size`` (width, height) in rows of at most ``columns``; gives how many there are in a row."""
    width, height = size
    columns = min(columns, max(len(cells), 1))
    rows = -(-max(len(cells), 1) // columns)
    sheet = Image.new("RGBA", (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP))
    for place, picture in enumerate(cells):
        if picture is not None:
            row, column = divmod(place, columns)
            sheet.paste(Image.fromarray(picture), (column * (width + GAP), row * (height + GAP)))
    sheet.save(path, "WEBP", quality=QUALITY)
    return columns
