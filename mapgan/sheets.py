"""Contact sheets of a data set: small pictures in a grid, A's and B's in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from mapgan.datasets import DatasetError, Pictures, load_pair
from mapgan.doctor.files import Entry, list_entries

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

    A picture that cannot be read leaves its cell empty: the sheet is for looking, the doctor complains.

    Args:
        root: the data set's folder, of any paired layout.
        out: folder to write into; made where it is missing.
        a_side: the half of a side-by-side picture that is A.
        count: pairs on the first two sheets at most, evenly spread over all.
        cell: pixels of a cell's side.
        tiles: names as the doctor's report has them (``train/12``); their A and B stand side by side.
        progress: called with the finished share, 0 to 1.

    Returns:
        The names of the pairs on the first two sheets, row by row.

    Raises:
        DatasetError: no such folder, or no picture in it.
        OSError: the sheets cannot be written.
    """
    entries, _ = list_entries(root, a_side=a_side)
    shown = [entries[place * len(entries) // count] for place in range(count)]
    shown = list(dict.fromkeys(shown))
    named = {entry.name: entry for entry in entries}
    asked = [named[name] for name in tiles if name in named]
    out.mkdir(parents=True, exist_ok=True)
    halves: dict[Entry, tuple[Pictures, Pictures] | None] = {}
    for done, entry in enumerate(wanted := list(dict.fromkeys([*shown, *asked]))):
        progress(done / len(wanted))
        halves[entry] = _halves(entry, cell)
    for index, name in enumerate(("a", "b")):
        cells = [None if (pair := halves[entry]) is None else pair[index] for entry in shown]
        _write(out / f"{name}.webp", cells, (cell, cell), COLUMNS)
    if asked:
        pairs = [None if (pair := halves[entry]) is None else np.hstack(pair) for entry in asked]
        _write(out / "tiles.webp", pairs, (2 * cell, cell), COLUMNS // 2)
    progress(1.0)
    return [entry.name for entry in shown]


def _halves(entry: Entry, cell: int) -> tuple[Pictures, Pictures] | None:
    """Both halves, each filling a square cell."""
    try:
        a, b = load_pair(entry.pair, cell)
    except DatasetError:
        return None
    return a, b


def _write(path: Path, cells: Sequence[Pictures | None], size: tuple[int, int], columns: int) -> None:
    """Cells of ``size`` (width, height) in rows of ``columns``."""
    width, height = size
    columns = min(columns, max(len(cells), 1))
    rows = -(-max(len(cells), 1) // columns)
    sheet = Image.new("RGBA", (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP))
    for place, picture in enumerate(cells):
        if picture is not None:
            row, column = divmod(place, columns)
            sheet.paste(Image.fromarray(picture), (column * (width + GAP), row * (height + GAP)))
    sheet.save(path, "WEBP", quality=QUALITY)
