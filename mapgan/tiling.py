"""Overlapping windows and how they are put together: images of any size through a network of one size.

A window's result is best at its centre and worst at its edge, where the network saw nothing beyond. So
windows overlap, each pixel is taken from the window in whose interior it lies, and `mapgan.seams` joins
what neighbours share.

Rows of windows are translated from top to bottom and given away as soon as nothing below can change them:
beside the image itself the memory is one row of windows, and of the image only those rows are asked for.
NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from mapgan.seams import Floats, Owners, Pixels, join, mirrored

Predict = Callable[[Pixels], Floats]
"""(windows, window, window, 3) uint8 to float32 of the same shape."""


class RowSource(Protocol):
    """An image that gives its rows from top to bottom; an array is one, too.

    Rows may be asked for again as long as they are among the last `window` ones.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, 3)."""

    def __getitem__(self, rows: slice, /) -> Pixels:
        """Rows [start, stop), (rows, width, 3) uint8."""


class Band(NamedTuple):
    """Finished rows of a result.

    Attributes:
        pixels: (rows, width, 3) float32 in [-1, 1].
        owners: (rows, width) uint16, which window each pixel is from.
    """

    pixels: Floats
    owners: Owners


@dataclass(frozen=True)
class Axis:
    """How windows lie along one axis of an image.

    Attributes:
        length: pixels of the axis, at least one window.
        window: pixels of a window.
        starts: first pixel of each window; the first is 0 and the last window ends with the axis.
        cuts: the middle of what each window shares with the next, one less than `starts`.
        overlap: pixels around each cut in which the two are joined.
    """

    length: int
    window: int
    starts: tuple[int, ...]
    cuts: tuple[int, ...]
    overlap: int

    def extent(self, index: int) -> tuple[int, int]:
        """First pixel, and the one after the last, that a window has a part in."""
        half = self.overlap // 2
        first = self.cuts[index - 1] - half if index else 0
        last = self.cuts[index] + half if index < len(self.cuts) else self.length
        return first, last


def plan_axis(length: int, window: int, overlap: int) -> Axis:
    """Spreads the fewest windows that overlap by at least `overlap` pixels evenly over an axis.

    Where even spreading makes them overlap by more, they are still joined over `overlap` pixels in the
    middle, farthest from the edges of both.

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
    count = _count(length, window, overlap)
    spacing = (length - window) / max(count - 1, 1)
    starts = tuple(round(index * spacing) for index in range(count))
    cuts = tuple((left + window + right) // 2 for left, right in pairwise(starts))
    return Axis(length, window, starts, cuts, overlap)


def _count(length: int, window: int, overlap: int) -> int:
    """The fewest windows that cover an axis of at least one window and overlap by at least ``overlap``."""
    return 1 + math.ceil((length - window) / (window - overlap))


def least_window(lengths: tuple[int, ...], *, window: int, overlap: int, multiple: int) -> int:
    """The smallest window that covers these axes with as few windows as ``window`` does.

    Where windows would overlap by more than they must, smaller ones do the same with less work: 1,024 pixels
    take three windows of 512, but also three of 384.

    Args:
        lengths: pixels of each axis.
        window: the largest that is allowed, pixels.
        overlap: pixels that neighbours share at least.
        multiple: what a window's side must be a multiple of; it divides ``window``.
    """
    sides = []
    for length in lengths:
        count = _count(max(length, window), window, overlap)
        sides.append(math.ceil((length + (count - 1) * overlap) / count))
    return math.ceil(max(sides) / multiple) * multiple


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
    return mirrored(np.arange(max(wanted, size), dtype=np.intp) - before, size), before


def translate_bands(
    image: Pixels | RowSource, predict: Predict, *, window: int, overlap: int, batch: int = 1
) -> Iterator[Band]:
    """Translates an image window by window.

    Args:
        image: (height, width, 3) uint8, each side at least `window`; its rows are read in order.
        predict: what translates (n, window, window, 3), called with n up to `batch`, row by row. What it
            raises passes through.
        window: side of a window in pixels.
        overlap: pixels that neighbours share at least, see `plan_axis`.
        batch: most windows in one call.

    Yields:
        Bands of finished rows that make up the image from top to bottom.
    """
    down = plan_axis(image.shape[0], window, overlap)
    across = plan_axis(image.shape[1], window, overlap)
    carried: Band | None = None  # the rows that the next row of windows shares
    for index, start in enumerate(down.starts):
        first, last = down.extent(index)
        rows: Pixels = image[start : start + window]
        strip = _window_row(rows, predict, across, (first - start, last - start), batch)
        # Windows that touch need different numbers: those of two rows do, then they start again.
        strip.owners[...] += np.uint16(index % 2 * len(across.starts))
        if carried is not None and overlap:
            _join_below(carried, strip)
        finished = last - first - (overlap if index < len(down.cuts) else 0)
        carried = Band(strip.pixels[finished:].copy(), strip.owners[finished:].copy())
        yield Band(strip.pixels[:finished], strip.owners[:finished])


def count_windows(height: int, width: int, *, window: int, overlap: int) -> int:
    """How many windows `translate_bands` hands to `predict` for an image of this size."""
    return len(plan_axis(height, window, overlap).starts) * len(plan_axis(width, window, overlap).starts)


def _window_row(rows: Pixels, predict: Predict, across: Axis, extent: tuple[int, int], batch: int) -> Band:
    """Translates one row of windows and joins it along the width; keeps the rows of `extent`."""
    top, bottom = extent
    overlap = across.overlap
    pixels = np.empty((bottom - top, across.length, rows.shape[2]), np.float32)
    owners = np.empty(pixels.shape[:2], np.uint16)
    joints = (len(across.cuts), bottom - top, overlap, rows.shape[2])
    lefts, rights = np.empty(joints, np.float32), np.empty(joints, np.float32)
    for at in range(0, len(across.starts), batch):
        starts = across.starts[at : at + batch]
        windows = np.stack([rows[:, start : start + across.window] for start in starts])
        for index, (start, painted) in enumerate(zip(starts, predict(windows), strict=True), start=at):
            first, last = across.extent(index)
            part = painted[top:bottom, first - start : last - start]
            pixels[:, first:last] = part
            owners[:, first:last] = index
            if index:
                rights[index - 1] = part[:, :overlap]
            if index < len(across.cuts):
                lefts[index] = part[:, part.shape[1] - overlap :]
    if overlap and across.cuts:
        for index, (joined, is_left) in enumerate(zip(*join(lefts, rights), strict=True)):
            shared = slice(across.cuts[index] - overlap // 2, across.cuts[index] + overlap // 2)
            pixels[:, shared] = joined
            owners[:, shared] = np.where(is_left, index, index + 1)
    return Band(pixels, owners)


def _join_below(above: Band, strip: Band) -> None:
    """Joins the rows carried from above with the first rows of a strip, in place."""
    shared = len(above.pixels)
    # A joint leads from left to right, so rows and columns change places.
    turned = (np.swapaxes(pixels, 0, 1)[None] for pixels in (above.pixels, strip.pixels[:shared]))
    joined, is_above = join(*turned)
    strip.pixels[:shared] = np.swapaxes(joined[0], 0, 1)
    strip.owners[:shared] = np.where(is_above[0].T, above.owners, strip.owners[:shared])
