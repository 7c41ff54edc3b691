"""Where two windows meet: how they are joined, and how much of it is left to see.

Two windows that overlap show the same ground painted twice. Averaging them over a wide ramp hides a step in
brightness but blurs what differs in detail (on real maps the change from pixel to pixel falls to 0.8 of the
usual); a narrow ramp keeps the detail and shows a straight line. So the two are treated apart:

- What differs at low frequencies (a Gaussian of an eighth of the overlap) is blended by a raised cosine over
  the whole overlap, as in the multi-band blending of Burt & Adelson 1983 with two bands.
- What is left is not blended at all: each pixel is one window's, and the border between the two is the
  cheapest path through the overlap (Efros & Freeman 2001, 2.1). A step of the path costs what the windows
  differ there, less where the pictures change much themselves (the cost of Kwatra et al. 2003, 3.2): a border
  through a textured roof is not seen, the same difference on a lawn is. Without that, borders would seek the
  calm places and be calmer than the picture; with too much of it, they run along the hardest edges. Each
  joint takes the measure that leaves its border as busy as what is around it.

`docs/inference.md` has the measurements behind both choices. NumPy only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Owners = npt.NDArray[np.uint16]
"""(height, width): which window a pixel is from; neighbours of different windows have different numbers."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_EQUAL = 0.01  # a difference that is none, on the scale [-1, 1], summed over colours
_FLOOR = 0.1  # detail that counts as none
_EXCUSES = (1.2, 1.6, 2.0, 2.4, 2.8)
"""How much a busy picture excuses a difference: exponents, of which each joint takes the one that fits it."""
_BLOCK = 64  # pixels that one product of the blur gives
_ALONE = 2**18 - 1  # multiplications that OpenBLAS does not divide among threads


def raised_cosine(length: int) -> Floats:
    """`length` samples of (1 - cos(pi t)) / 2 at the centres of as many equal parts of [0, 1]."""
    parts = (np.arange(length, dtype=np.float64) + 0.5) / max(length, 1)
    ramp: Floats = (0.5 - 0.5 * np.cos(np.pi * parts)).astype(np.float32)
    return ramp


def join(first: Floats, second: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Joins two paintings of the same ground, the first of which leads in from the left.

    Args:
        first: (n, height, overlap, channels) in [-1, 1], n independent joints; overlap at least 2.
        second: the same.

    Returns:
        The joined pixels, equal to `first` at the left and to `second` at the right up to the raised
        cosine's first sample, and where they are the first's, (n, height, overlap).
    """
    overlap = first.shape[2]
    difference = first - second
    low = _low_frequencies(difference, sigma=max(overlap / 8, 0.5))
    difference -= low
    share = 1 - raised_cosine(overlap)[:, None]  # of the first, in the low frequencies
    left, right = first + (share - 1) * low, second + share * low
    takes_first = np.arange(overlap) < _borders(left, right, difference)[:, :, None]
    joined: Floats = np.where(takes_first[..., None], left, right)
    return joined, takes_first


def _borders(left: Floats, right: Floats, difference: Floats) -> npt.NDArray[np.intp]:
    """The first column that is the right one's, (n, height).

    The less a busy place excuses, the calmer the places that a border seeks, and the other way round: either
    is seen. So each joint takes that cheapest path across which the picture changes most nearly as much as it
    does around it.
    """
    overlap = left.shape[2]
    margin = min(4, overlap // 8)  # at a window's very edge the network has seen nothing beyond
    apart = np.maximum(np.abs(difference).sum(axis=3) - _EQUAL, 0)
    detail = np.abs(np.diff(left, axis=2)).sum(axis=3) + np.abs(np.diff(right, axis=2)).sum(axis=3)
    busy = _average_of_nine(detail)  # of single pixels, the border would pick the brightest by their pattern
    cost = _border_costs(apart, busy)[:, :, :, margin : overlap - 1 - margin]
    paths = cheapest_paths(cost.reshape(-1, *cost.shape[2:])).reshape(cost.shape[:3]) + margin + 1
    joint, row = np.ogrid[: len(left), : left.shape[1]]
    across = np.abs(right[joint, row, paths] - left[joint, row, paths - 1]).sum(axis=3).mean(axis=2)
    around = detail.mean(axis=(1, 2)) / 2
    best = np.abs(np.log((across + _EQUAL) / (around + _EQUAL))).argmin(axis=0)
    borders: npt.NDArray[np.intp] = paths[best, np.arange(len(left))]
    return borders


def cheapest_paths(cost: Floats) -> npt.NDArray[np.intp]:
    """The cheapest way from top to bottom that moves at most one column a row (dynamic programming).

    Args:
        cost: (n, height, columns), n independent problems.

    Returns:
        The column in each row, (n, height).
    """
    count, height, columns = cost.shape
    total = np.full((height, count, columns + 2), np.inf, np.float32)  # infinity left and right
    total[:, :, 1:-1] = cost.swapaxes(0, 1)
    best = np.empty((count, columns), np.float32)
    for row in range(1, height):
        above = total[row - 1]
        np.minimum(above[:, :-2], above[:, 2:], out=best)
        np.minimum(best, above[:, 1:-1], out=best)
        total[row, :, 1:-1] += best
    left, middle, right = total[:, :, :-2], total[:, :, 1:-1], total[:, :, 2:]
    steps = np.where(right < np.minimum(left, middle), 1, np.where(left < middle, -1, 0)).astype(np.int8)
    paths = np.empty((count, height), np.intp)
    paths[:, -1] = at = middle[-1].argmin(axis=1)
    problems = np.arange(count)
    for row in range(height - 2, -1, -1):
        at = at + steps[row][problems, at]
        paths[:, row] = at
    return paths


def _border_costs(apart: Floats, busy: Floats) -> Floats:
    """What a border between column c and c + 1 costs by each excuse, (excuses, n, height, overlap - 1)."""
    squares = (apart[:, :, :-1] + apart[:, :, 1:]) ** 2
    logarithms = np.log(busy + _FLOOR)
    costs: Floats = np.stack([squares * np.exp(-excuse * logarithms) for excuse in _EXCUSES])
    # Where all is equal the middle is best, farthest from the edges of both windows.
    middle = (costs.shape[3] - 1) / 2
    costs += np.abs(np.arange(costs.shape[3], dtype=np.float32) - middle) * np.float32(1e-5)
    return costs


def _average_of_nine(values: Floats) -> Floats:
    """The mean of each pixel and its neighbours over the last two axes, mirrored at the edges."""
    for axis in (1, 2):
        size = values.shape[axis]
        around = [np.take(values, mirrored(np.arange(size) + step, size), axis=axis) for step in (-1, 1)]
        values = (values + around[0] + around[1]) / np.float32(3)
    return values


def _low_frequencies(values: Floats, sigma: float) -> Floats:
    """A Gaussian over height and overlap of (n, height, overlap, channels), mirrored at the edges."""
    count, height, overlap, channels = values.shape
    down = _blur(values.reshape(count, height, overlap * channels), sigma)
    rows = down.reshape(count * height, overlap, channels).swapaxes(1, 2).reshape(-1, overlap)
    matrix = _row_matrix(overlap, sigma)
    across = np.empty_like(rows)
    for at in _pieces(len(rows), matrix.size):
        np.matmul(rows[at], matrix, out=across[at])
    return across.reshape(count, height, channels, overlap).swapaxes(2, 3)


def _blur(values: Floats, sigma: float) -> Floats:
    """A Gaussian along the second axis of (n, length, m), as matrix products of blocks."""
    kernel = _blur_matrix(sigma)
    count, length, m = values.shape
    places = _block_places(length, (kernel.shape[1] - _BLOCK) // 2)
    windows = sliding_window_view(values[:, places], kernel.shape[1], axis=1)[:, ::_BLOCK]
    blocks = np.swapaxes(windows, 2, 3)
    blurred = np.empty((count, blocks.shape[1], _BLOCK, m), np.float32)
    for at in _pieces(m, kernel.size):
        np.matmul(kernel, blocks[..., at], out=blurred[..., at])
    return blurred.reshape(count, -1, m)[:, :length]


def _pieces(length: int, matrix_size: int) -> list[slice]:
    """Parts of an axis, each of which times a matrix of so many numbers is a product that OpenBLAS computes
    with one thread. Of larger ones its other threads look out for more long afterwards, and take their cores
    from the network's next pass: half the time of an image of nine windows."""
    size = max(_ALONE // matrix_size, 1)
    return [slice(start, start + size) for start in range(0, length, size)]


@cache
def _row_matrix(length: int, sigma: float) -> Floats:
    """What rows of `length` numbers are multiplied by from the right to be blurred."""
    kernel = _blur_matrix(sigma)
    places = _block_places(length, (kernel.shape[1] - _BLOCK) // 2)
    matrix = np.zeros((length, length), np.float32)
    for at in range(length):
        block, row = divmod(at, _BLOCK)
        np.add.at(matrix[:, at], places[block * _BLOCK :][: kernel.shape[1]], kernel[row])
    return matrix


@lru_cache(64)
def _block_places(length: int, reach: int) -> npt.NDArray[np.intp]:
    """Where in an axis the values of all blocks and `reach` more on both sides come from."""
    return mirrored(np.arange(-reach, length + reach + -length % _BLOCK), length)


@cache
def _blur_matrix(sigma: float) -> Floats:
    """Takes a block and `reach` values on both sides to the blurred block."""
    reach = math.ceil(3 * sigma)
    steps = np.arange(-reach, reach + 1)
    kernel = np.exp(-(steps**2) / (2 * sigma**2))
    matrix = np.zeros((_BLOCK, _BLOCK + 2 * reach), np.float32)
    for row in range(_BLOCK):
        matrix[row, row : row + len(kernel)] = kernel / kernel.sum()
    return matrix


def mirrored(places: npt.NDArray[np.intp], size: int) -> npt.NDArray[np.intp]:
    """Folds places beyond an axis of `size` back into it, however far they are: 2 1 | 0 1 2 | 1 0."""
    period = max(2 * (size - 1), 1)
    folded = places % period
    return np.where(folded < size, folded, period - folded)


class SeamMeter:
    """Measures how visible the borders between windows are, band by band from top to bottom.

    The mean absolute difference of neighbouring pixels' luma (ITU-R BT.601) where the two are from
    different windows, over the same mean everywhere else.
    """

    def __init__(self) -> None:
        self._last: tuple[Floats, Owners] | None = None
        self._sums = np.zeros(2)
        self._counts = np.zeros(2, np.int64)

    def add(self, pixels: Pixels, owners: Owners) -> None:
        """Takes the next rows, (rows, width, 3) uint8, and the windows they are from."""
        red, green, blue = (_LUMA[at] * pixels[..., at] for at in range(3))  # no product: see _pieces
        luma = red + green + blue
        self._count(np.diff(luma, axis=1), owners[:, 1:] != owners[:, :-1])
        if self._last is not None:
            luma = np.concatenate([self._last[0], luma])
            owners = np.concatenate([self._last[1], owners])
        self._count(np.diff(luma, axis=0), owners[1:] != owners[:-1])
        self._last = luma[-1:].copy(), owners[-1:].copy()

    @property
    def score(self) -> float:
        """1: a border is like any other place; 2: it shows twice the change. 1 also when there are no
        borders or nothing changes anywhere; infinite when only borders show a change."""
        seams, elsewhere = self._sums / np.maximum(self._counts, 1)
        if not self._counts.all() or not (seams or elsewhere):
            return 1.0
        return float(seams / elsewhere) if elsewhere else math.inf

    def _count(self, changes: Floats, borders: npt.NDArray[np.bool_]) -> None:
        sizes = np.abs(changes)
        at_borders = sizes[borders]
        self._sums += at_borders.sum(dtype=np.float64), 0.0
        self._sums[1] += sizes.sum(dtype=np.float64) - at_borders.sum(dtype=np.float64)
        self._counts += at_borders.size, sizes.size - at_borders.size


def seam_score(image: Pixels, rows: Sequence[int], columns: Sequence[int]) -> float:
    """How much an image changes across straight borders, in units of its own change elsewhere.

    `SeamMeter` with windows that meet in straight lines. A result of `mapgan translate` meets in crooked
    ones; its own report measures along those.

    Args:
        image: (height, width, 3) uint8.
        rows: borders between row r - 1 and row r, such as an `Axis`'s `cuts`.
        columns: borders between column c - 1 and column c.
    """
    down, across = (
        np.searchsorted(np.sort(np.asarray(borders, np.intp)), np.arange(size), side="right")
        for borders, size in ((rows, image.shape[0]), (columns, image.shape[1]))
    )
    meter = SeamMeter()
    meter.add(image, (down[:, None] * (len(columns) + 1) + across).astype(np.uint16))
    return meter.score
