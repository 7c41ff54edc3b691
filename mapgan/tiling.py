"""Overlapping windows and their blending: images of any size through a network of one size.

A window's result is best at its centre and worst at its edge, where the network saw nothing beyond. So
windows overlap, each pixel is taken from the window in whose interior it lies, and from one window to the
next a raised cosine leads over. Along each axis the weights add up to one at every pixel by construction;
in two dimensions they are products of the two, so no sum of weights has to be kept.

Rows of windows are translated from top to bottom and given away as soon as nothing below can change them:
beside the image itself the memory is one row of windows. NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Predict = Callable[[Pixels], Floats]
"""(windows, window, window, 3) uint8 to float32 of the same shape."""


@dataclass(frozen=True)
class Axis:
    """How windows lie along one axis of an image.

    Attributes:
        length: pixels of the axis, at least one window.
        window: pixels of a window.
        starts: first pixel of each window; the first is 0 and the last window ends with the axis.
        cuts: the pixels at which the weight passes from each window to the next, one less than `starts`.
        feather: pixels over which it passes, centred on the cut.
    """

    length: int
    window: int
    starts: tuple[int, ...]
    cuts: tuple[int, ...]
    feather: int

    def extent(self, index: int) -> tuple[int, int]:
        """First pixel, and the one after the last, at which a window has any weight."""
        half = self.feather // 2
        first = self.cuts[index - 1] - half if index else 0
        last = self.cuts[index] + half if index < len(self.cuts) else self.length
        return first, last

    def weights(self, index: int) -> Floats:
        """The weight of a window at each pixel of its `extent`, float32 in (0, 1]."""
        first, last = self.extent(index)
        weights = np.ones(last - first, np.float32)
        ramp = raised_cosine(self.feather)
        if index and self.feather:
            weights[: self.feather] = ramp
        if index < len(self.cuts) and self.feather:
            weights[-self.feather :] = 1 - ramp
        return weights


def raised_cosine(length: int) -> Floats:
    """`length` samples of (1 - cos(pi t)) / 2 at the centres of as many equal parts of [0, 1]."""
    parts = (np.arange(length, dtype=np.float64) + 0.5) / max(length, 1)
    ramp: Floats = (0.5 - 0.5 * np.cos(np.pi * parts)).astype(np.float32)
    return ramp


def plan_axis(length: int, window: int, overlap: int) -> Axis:
    """Spreads the fewest windows that overlap by at least `overlap` pixels evenly over an axis.

    Where even spreading makes them overlap by more, the blending still takes `overlap` pixels in the
    middle: two windows paint different details, and averaging them over more pixels would only blur.

    Args:
        length: pixels of the axis, at least `window`.
        window: pixels of a window.
        overlap: pixels that neighbours share at least; even, at most a third of a window, so that no
            pixel is shared by three.

    Raises:
        ValueError: when the numbers do not fit together.
    """
    if overlap < 0 or overlap % 2 or overlap * 3 > window:
        raise ValueError(f"the overlap ({overlap}) must be even and at most a third of {window}")
    if length < window:
        raise ValueError(f"an axis of {length} pixels is shorter than a window of {window}")
    count = 1 + math.ceil((length - window) / (window - overlap))
    spacing = (length - window) / max(count - 1, 1)
    starts = tuple(round(index * spacing) for index in range(count))
    cuts = tuple((left + window + right) // 2 for left, right in pairwise(starts))
    return Axis(length, window, starts, cuts, overlap)


def pad_to(image: Pixels, height: int, width: int) -> tuple[Pixels, tuple[slice, slice]]:
    """Enlarges an image by reflection on all sides, however often it takes.

    `numpy.pad` wants each side to be longer than its padding; a 20-pixel strip in a 256-pixel window is
    reflected back and forth instead, a triangle wave over its rows.

    Args:
        image: (h, w, channels).
        height: rows wanted; no change when `image` has as many or more.
        width: columns wanted, likewise.

    Returns:
        The padded image and the slices that cut the original out of it.
    """
    rows, above = _reflection(image.shape[0], height)
    columns, left = _reflection(image.shape[1], width)
    inner = (slice(above, above + image.shape[0]), slice(left, left + image.shape[1]))
    if len(rows) == image.shape[0] and len(columns) == image.shape[1]:
        return image, inner
    return image[rows[:, None], columns[None, :]], inner


def _reflection(size: int, wanted: int) -> tuple[npt.NDArray[np.intp], int]:
    """Indices into an axis of `size` that make one of `wanted` with the original in the middle, and
    where it begins. The edge itself is not repeated: 2 1 | 0 1 2 | 1 0."""
    before = max(wanted - size, 0) // 2
    positions = np.arange(max(wanted, size), dtype=np.intp) - before
    period = max(2 * (size - 1), 1)
    folded = positions % period
    return np.where(folded < size, folded, period - folded), before


def translate_bands(
    image: Pixels, predict: Predict, *, window: int, overlap: int, batch: int = 1
) -> Iterator[Floats]:
    """Translates an image window by window.

    Args:
        image: (height, width, 3) uint8, each side at least `window`.
        predict: what translates (n, window, window, 3), called with n up to `batch`, row by row. What it
            raises passes through.
        window: side of a window in pixels.
        overlap: pixels that neighbours share at least, see `plan_axis`.
        batch: most windows in one call.

    Yields:
        Bands of finished rows, (rows, width, 3) float32, that make up the image from top to bottom.
    """
    down = plan_axis(image.shape[0], window, overlap)
    across = plan_axis(image.shape[1], window, overlap)
    carried: Floats | None = None  # the weighted rows that the next row of windows shares
    for index, start in enumerate(down.starts):
        first, last = down.extent(index)
        strip = _window_row(
            image[start : start + window], predict, across, (first - start, last - start), batch
        )
        strip *= down.weights(index)[:, None, None]
        if carried is not None:
            strip[: len(carried)] += carried
        shared = overlap if index < len(down.cuts) else 0
        finished = len(strip) - shared
        carried = strip[finished:].copy()
        yield strip[:finished]


def count_windows(height: int, width: int, *, window: int, overlap: int) -> int:
    """How many windows `translate_bands` hands to `predict` for an image of this size."""
    return len(plan_axis(height, window, overlap).starts) * len(plan_axis(width, window, overlap).starts)


def _window_row(rows: Pixels, predict: Predict, across: Axis, extent: tuple[int, int], batch: int) -> Floats:
    """Translates one row of windows and blends it along the width; keeps the rows of `extent`."""
    top, bottom = extent
    strip = np.zeros((bottom - top, across.length, rows.shape[2]), np.float32)
    for at in range(0, len(across.starts), batch):
        starts = across.starts[at : at + batch]
        windows = np.stack([rows[:, start : start + across.window] for start in starts])
        for index, (start, painted) in enumerate(zip(starts, predict(windows), strict=True), start=at):
            first, last = across.extent(index)
            part = painted[top:bottom, first - start : last - start]
            strip[:, first:last] += part * across.weights(index)[:, None]
    return strip


def seam_score(image: Pixels, rows: Sequence[int], columns: Sequence[int]) -> float:
    """How much the image changes across window borders, in units of its own change elsewhere.

    The mean absolute difference of neighbouring pixels' luma (ITU-R BT.601 weights) across the given
    borders, over the same mean everywhere else. 1 means that borders are like any other place, 2 that
    they show twice the change. 1 also when there are no borders, or nothing changes anywhere.

    Args:
        image: (height, width, 3) uint8.
        rows: borders between row r - 1 and row r, such as an `Axis`'s `cuts`.
        columns: borders between column c - 1 and column c.
    """
    luma = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    down, across = np.abs(np.diff(luma, axis=0)), np.abs(np.diff(luma, axis=1))
    at_row, at_column = np.zeros(down.shape[0], bool), np.zeros(across.shape[1], bool)
    at_row[[row - 1 for row in rows]] = True
    at_column[[column - 1 for column in columns]] = True
    seams = np.concatenate([down[at_row].ravel(), across[:, at_column].ravel()])
    interior = np.concatenate([down[~at_row].ravel(), across[:, ~at_column].ravel()])
    if not seams.size or not interior.size or not (seams.any() or interior.any()):
        return 1.0
    usual = float(interior.mean())
    return float(seams.mean()) / usual if usual else math.inf
