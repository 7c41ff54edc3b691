"""Figures of one half alone: what tells a photograph from a drawing, whether it is flat, its colours."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from mapgan.doctor.reducing import Pictures

Floats = npt.NDArray[np.float64]

FLAT: Final = 1.5
"""A half whose every channel has a smaller standard deviation, in grey levels, is blank."""
FLAT_BLOCKS: Final = 6.0
"""So is one whose blocks' means have 98 % within so many levels: noise and JPEG's ripples cancel there."""
COLOURS, FILLED, SMOOTH = 4, 6, 7
"""Places of some of the figures in :func:`looks`."""
_BITS_DROPPED: Final = 4  # colours are counted in bins of 16 levels
_BLOCKS: Final = 32  # to the side of a centre


def looks(centre: Pictures, fine: Pictures, mean: Floats, stdev: Floats) -> Floats:
    """What tells a photograph from a drawing, ``(8,)``.

    Mean colour (3) and its deviation (1) in grey levels; the logarithm of the number of colours in
    bins of 16 levels; the share of the most frequent one and of the four most frequent; the share of
    neighbouring pixels that are equal to within one level.

    Args:
        centre: ``(n, n, 3)``, the half's central square.
        fine: ``(m, m)``, the whole half in grey.
        mean, stdev: of each channel.
    """
    bins = (centre >> _BITS_DROPPED).astype(np.int64)
    counts = np.bincount(((bins[..., 0] * 16 + bins[..., 1]) * 16 + bins[..., 2]).ravel(), minlength=4096)
    share = np.sort(counts)[:-5:-1] / counts.sum()
    smooth = (np.abs(np.diff(fine.astype(np.int16), axis=1)) <= 1).mean()
    colours = np.log(np.count_nonzero(counts))
    return np.array([*mean, stdev.mean(), colours, share[0], share.sum(), smooth])


def is_flat(centre: Pictures, stdev: Floats) -> bool:
    """Whether a half is one flat colour, but for noise, ripples of a JPEG and its border."""
    if stdev.max() < FLAT:
        return True
    block = max(1, round(len(centre) / _BLOCKS))
    side = len(centre) // block
    means = centre[: side * block, : side * block].reshape(side, block, side, block, 3).mean((1, 3))
    low, high = np.percentile(means.reshape(-1, 3), (1, 99), axis=0)
    return bool((high - low).max() < FLAT_BLOCKS)


def grey_levels(centre: Pictures) -> float:
    """Levels between the channels that 99.5 % of the pixels stay within; 0 is pure grey."""
    return float(np.percentile(centre.max(-1) - centre.min(-1), 99.5))


def thirds(centre: Pictures) -> Floats:
    """Brightness, R - B and 2 G - R - B of the darkest, middle and brightest third of the pixels, ``(9,)``.

    Args:
        centre: ``(n, n, 3)``, the half's central square.
    """
    pixels = centre.reshape(-1, 3).astype(np.float64)
    order = np.argsort(pixels.sum(1))
    red, green, blue = np.stack([pixels[part].mean(0) for part in np.array_split(order, 3)]).T
    return np.concatenate([(red + green + blue) / 3, red - blue, 2 * green - red - blue])
