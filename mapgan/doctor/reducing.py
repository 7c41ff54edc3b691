"""Pictures made small: all that most checks need of a half."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Pictures: TypeAlias = npt.NDArray[np.uint8]


COARSE: Final = 64
"""Side in pixels to which a whole aerial half is reduced to look for its neighbours."""
FINE: Final = 128
"""Side in pixels of the pictures that verify a neighbour or a copy, and of those for alignment."""


def coarse_grey(half: Pictures) -> Pictures:
    """The whole half in grey, uint8 ``(64, 64)``."""
    return _grey(half, COARSE, Image.Resampling.BILINEAR)


def fine_grey(half: Pictures) -> Pictures:
    """The whole half in grey, uint8 ``(128, 128)``."""
    return _grey(half, FINE, Image.Resampling.BOX)


def reduce_centre(half: Pictures, side: int) -> tuple[Pictures, int]:
    """The central square, averaged over blocks to at most ``side`` pixels.

    Returns:
        uint8 ``(n, n, 3)`` with n between two thirds of ``side`` and ``side`` (or the half's shorter
        side, where that is less), and the number of the half's pixels to one of these.
    """
    short = min(half.shape[:2])
    factor = max(1, round(short / side))
    n = min(side, short // factor)
    top, left = ((length - n * factor) // 2 for length in half.shape[:2])
    square = half[top : top + n * factor, left : left + n * factor]
    if factor == 1:
        return square.copy(), 1
    blocks = square.reshape(n, factor, n, factor, 3).astype(np.float32)
    return np.rint(blocks.mean((1, 3))).astype(np.uint8), factor


def _grey(half: Pictures, side: int, how: Image.Resampling) -> Pictures:
    """The whole half as a grey square of ``side`` pixels."""
    return np.asarray(Image.fromarray(half).convert("L").resize((side, side), how))
