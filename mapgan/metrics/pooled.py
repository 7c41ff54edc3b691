"""A measure as a function of what its tiles add up to: value and interval from one computation.

Most measures here are ``g(mean of s_i)``, where ``s_i`` are a few numbers of tile ``i`` (its squared
error, its table of classes) and ``g`` is the root, the logarithm or the intersection over union. To
draw tiles again is then to weigh the same ``s_i`` again; no picture is looked at twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Pictures: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float64]

DRAWS: Final = 1000
SHARE: Final = 0.95
SEED: Final = 0
LUMA: Final = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


@dataclass(frozen=True, eq=False)
class Pooled:
    """A measure over tiles."""

    tiles: Floats
    """``(n, k)``: what each tile adds."""
    combine: Callable[[Floats], Floats]
    """``(..., k)`` means over tiles to ``(...)`` values."""

    @property
    def value(self) -> float:
        """The measure of all tiles; the means are summed without loss."""
        means = np.array([math.fsum(column) for column in self.tiles.T]) / len(self.tiles)
        return float(self.combine(means))

    def interval(self) -> tuple[float, float]:
        """The middle 95 % of the values of 1,000 samples of n tiles drawn with replacement (Efron 1979).

        The draws are the same for every measure and every generator on as many tiles.
        """
        drawn = np.asarray(self.combine(_weights(len(self.tiles)) @ self.tiles))
        low, high = np.quantile(drawn, [(1 - SHARE) / 2, (1 + SHARE) / 2])
        return float(low), float(high)


def mean_of(tiles: Floats) -> Pooled:
    """The plain mean of one number a tile, ``(n,)``."""
    return Pooled(tiles[:, None], lambda means: means[..., 0])


@lru_cache(maxsize=4)
def _weights(count: int) -> Floats:
    """``(draws, count)``: how often each sample holds each tile, over ``count``."""
    drawn = np.random.RandomState(SEED).randint(0, count, (DRAWS, count))
    weights = np.zeros((DRAWS, count))
    np.add.at(weights, (np.arange(DRAWS)[:, None], drawn), 1 / count)
    return weights


def luma(pictures: Pictures) -> Floats:
    """BT.601 luma, float64 ``(..., height, width)``."""
    found: Floats = pictures.astype(np.float64) @ LUMA
    return found
