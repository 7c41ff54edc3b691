"""A run's curves: packed into few rows, read back thinned out.

A row of a relational table for every logged step would be 109,700 rows of some hundred bytes for one run.
Instead up to a thousand of them are one row: little-endian, a uint32 for the step and a float32 for each
curve, zlib over it all.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

Steps = npt.NDArray[np.uint32]
Values = npt.NDArray[np.float32]

ROWS: Final = 1000
"""Logged steps in one chunk at most."""


def pack(steps: Steps, values: Values) -> bytes:
    """Steps ``(n,)`` and values ``(n, curves)`` as the bytes of a chunk."""
    # Column by column: neighbours in time are alike, and compress better than neighbours in a row.
    return zlib.compress(
        steps.astype("<u4").tobytes() + np.ascontiguousarray(values.T).astype("<f4").tobytes(), 6
    )


def unpack(data: bytes, rows: int) -> tuple[Steps, Values]:
    """The opposite of :func:`pack`.

    Raises:
        ValueError: the bytes are not those of so many rows.
    """
    raw = zlib.decompress(data)
    steps = np.frombuffer(raw, "<u4", rows).astype(np.uint32)
    values = np.frombuffer(raw, "<f4", offset=4 * rows)
    if rows == 0 or values.size % rows:
        raise ValueError(f"{len(raw)} bytes are not {rows} rows")
    return steps, values.reshape(-1, rows).T.astype(np.float32)


def row_of(columns: Sequence[str], figures: Mapping[str, float | None]) -> list[float]:
    """The figures in the order of the columns; NaN where there is none."""
    found = (figures.get(name) for name in columns)
    return [float("nan") if figure is None else float(figure) for figure in found]


def join(chunks: Iterable[tuple[bytes, int]], curves: int) -> tuple[Steps, Values]:
    """All chunks (their bytes and rows) one after the other; early ones may lack curves that came later."""
    steps, values = [np.empty(0, np.uint32)], [np.empty((0, curves), np.float32)]
    for data, rows in chunks:
        some_steps, some_values = unpack(data, rows)
        missing = curves - some_values.shape[1]
        steps.append(some_steps)
        values.append(np.pad(some_values, ((0, 0), (0, missing)), constant_values=np.nan))
    return np.concatenate(steps), np.concatenate(values)


def thin(steps: Steps, values: Values, points: int) -> tuple[Steps, Values]:
    """At most ``points`` rows that still show every peak.

    The range is cut into equal parts; each keeps, for each curve, the rows of its smallest and its largest
    value, and the ends of all stay. (Largest-triangle downsampling chooses other rows for every curve; these
    share one axis.)

    Args:
        points: at least four for each curve.
    """
    count, curves = values.shape
    if count <= points:
        return steps, values
    parts = max(1, (points - 2) // (2 * max(curves, 1)))
    kept = {0, count - 1}
    for rows in np.array_split(np.arange(count), parts):
        block = values[rows]
        known = ~np.isnan(block)
        for curve in np.flatnonzero(known.any(axis=0)):
            column = np.where(known[:, curve], block[:, curve], np.inf)
            kept.add(int(rows[column.argmin()]))
            kept.add(int(rows[np.where(known[:, curve], block[:, curve], -np.inf).argmax()]))
    chosen = np.array(sorted(kept))
    return steps[chosen], values[chosen]
