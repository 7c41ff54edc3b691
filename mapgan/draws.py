"""Which picture comes when, and how it is cut: a function of (seed, number), computed in blocks.

Only raw 64-bit words of PCG64 are used, seeded through ``SeedSequence``: NumPy keeps both streams
stable for ever and equal on every platform, which it does not promise of ``Generator``'s methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

BLOCK: Final = 1024
"""Numbers drawn at once; part of the function: another value gives other draws."""


class Draw(NamedTuple):
    """One picture's place, the corner of its crop in pixels, and whether it is mirrored."""

    place: int
    top: int
    left: int
    mirror: bool


class Draws:
    """The draws of a set of pictures without end.

    Each pass sees every picture once, in an order of its own. Crops are uniform over all offsets up
    to 2**-32. What is kept between calls is only the last block and order, so draws may be asked for
    in any sequence.

    Args:
        count: pictures in the set, at least 1.
        offsets: places a crop can start at, along either axis: load size - crop + 1.
        flip: whether pictures are mirrored, by chance.
        seed: of order, crops and flips; sets with different seeds are independent.
    """

    def __init__(self, count: int, *, offsets: int, flip: bool, seed: Sequence[int]) -> None:
        self._count = count
        self._offsets = np.uint64(offsets)
        self._flip = flip
        self._seed = tuple(seed)
        # each kept with its number in one object: several threads may ask
        self._block: tuple[int, list[Draw]] = (-1, [])
        self._order: tuple[int, npt.NDArray[np.int64]] = (-1, np.empty(0, np.int64))

    def __getitem__(self, number: int) -> Draw:
        """The ``number``-th draw since the run began, from 0."""
        block, at = divmod(number, BLOCK)
        kept = self._block
        if kept[0] != block:
            kept = self._block = (block, self._make(block))
        return kept[1][at]

    def _make(self, block: int) -> list[Draw]:
        """All draws of a block."""
        words = _words((*self._seed, 1, block), 3 * BLOCK).reshape(3, BLOCK) >> np.uint64(32)
        top, left = ((row * self._offsets >> np.uint64(32)).tolist() for row in words[:2])
        mirror = (words[2] >> np.uint64(31) == 1) & self._flip
        numbers = range(block * BLOCK, (block + 1) * BLOCK)
        return list(map(Draw, map(self._place, numbers), top, left, mirror.tolist()))

    def _place(self, number: int) -> int:
        """The picture whose turn it is."""
        epoch, position = divmod(number, self._count)
        kept = self._order
        if kept[0] != epoch:
            # sorting random keys shuffles; equal keys, of 2**64, stay in order
            order = np.argsort(_words((*self._seed, 0, epoch), self._count), kind="stable")
            kept = self._order = (epoch, order)
        return int(kept[1][position])


def cut(pictures: npt.NDArray[np.uint8], draw: Draw, out: npt.NDArray[np.uint8]) -> None:
    """Copy the crop ``draw`` of ``(n, h, w, 3)`` into ``out``, ``(s, s, 3)``."""
    side = out.shape[0]
    crop = pictures[draw.place, draw.top : draw.top + side, draw.left : draw.left + side]
    if not draw.mirror:
        out[:] = crop
        return
    for channel in range(3):  # 4 times as fast as reversing the pixels, whose 3 bytes are copied singly
        out[..., channel] = crop[:, ::-1, channel]


def _words(seed: Sequence[int], count: int) -> npt.NDArray[np.uint64]:
    """``count`` random 64-bit words."""
    words: npt.NDArray[np.uint64] = np.random.PCG64(np.random.SeedSequence(tuple(seed))).random_raw(count)
    return words
