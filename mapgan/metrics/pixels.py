"""Measures of single pixels: distances pooled over everything, and the share that is nearly right.

Images are uint8 ``(n, height, width, 3)``, ``real`` the targets and ``made`` the translations, in
equal order.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mapgan.metrics.pooled import Floats, Pictures, Pooled, mean_of

THRESHOLDS = (5, 10)


def l1(real: Pictures, made: Pictures) -> float:
    """Mean absolute difference over all values, in grey levels (0 to 255)."""
    return pool_pixels(real, made)["l1"].value


def rmse(real: Pictures, made: Pictures) -> float:
    """Root of the mean squared difference pooled over all values, in grey levels."""
    return pool_pixels(real, made)["rmse"].value


def psnr(real: Pictures, made: Pictures) -> float:
    """``20 log10(255 / RMSE)`` of the pooled RMSE, in dB; infinite for equal images."""
    return pool_pixels(real, made)["psnr"].value


def accuracy(real: Pictures, made: Pictures, threshold: int) -> float:
    """Share of pixels whose greatest channel difference is below ``threshold`` (Fu et al. 2019, GcGAN)."""
    shares = [(_difference(a, b).max(axis=-1) < threshold).mean() for a, b in zip(real, made, strict=True)]
    return mean_of(np.array(shares)).value


def pool_pixels(real: Pictures, made: Pictures) -> dict[str, Pooled]:
    """``l1``, ``rmse``, ``psnr``, ``acc5`` and ``acc10``; equal sizes make the mean of tiles the pool."""
    rows = []
    for a, b in zip(real, made, strict=True):
        difference = _difference(a, b)
        worst = difference.max(axis=-1)
        # Whole numbers, so the sums are exact: at most 255^2 times the pixels.
        squares = np.square(difference, dtype=np.int64).sum() / difference.size
        rows.append([difference.mean(), squares, *((worst < threshold).mean() for threshold in THRESHOLDS)])
    table = np.array(rows, np.float64)
    return {
        "l1": mean_of(table[:, 0]),
        "rmse": Pooled(table[:, 1:2], lambda means: np.sqrt(means[..., 0])),
        "psnr": Pooled(table[:, 1:2], _decibels),
        **{f"acc{threshold}": mean_of(table[:, 2 + index]) for index, threshold in enumerate(THRESHOLDS)},
    }


def median_colour(pictures: Pictures) -> npt.NDArray[np.uint8]:
    """Per-channel median over all pixels and images, by histogram: ``(3,)``."""
    median = np.empty(3, np.uint8)
    for channel in range(3):
        counts = np.zeros(256, np.int64)
        for picture in pictures:
            counts += np.bincount(picture[..., channel].ravel(), minlength=256)
        median[channel] = np.searchsorted(counts.cumsum(), counts.sum() / 2)
    return median


def _difference(first: Pictures, second: Pictures) -> npt.NDArray[np.int16]:
    """Absolute difference in whole levels, without the wrap-around of uint8."""
    difference: npt.NDArray[np.int16] = np.abs(first.astype(np.int16) - second)
    return difference


def _decibels(means: Floats) -> Floats:
    """PSNR of a mean squared error."""
    with np.errstate(divide="ignore"):
        return np.asarray(20 * math.log10(255) - 10 * np.log10(means[..., 0]))
