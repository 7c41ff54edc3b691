"""Structural similarity, at one scale and at five."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from mapgan.metrics.pooled import Floats, Pictures, Pooled, mean_of

SIGMA: Final = 1.5
RADIUS: Final = 5  # an 11x11 window
OFFSETS: Final = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)
WEIGHTS: Final = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, finest first (Wang, Simoncelli and Bovik 2003)."""


def ssim(real: Pictures, made: Pictures) -> float:
    """Structural similarity (Wang et al. 2004), the mean over pixels, channels and images.

    Gaussian window of sigma 1.5 and 11x11 pixels, K1 0.01, K2 0.03, range 255, biased variances,
    only windows wholly inside. Sides must be at least 11 pixels.
    """
    likeness, contrast = np.array(
        [_compare(_planes(a), _planes(b)) for a, b in zip(real, made, strict=True)]
    ).transpose(1, 0, 2)
    del contrast
    return mean_of(likeness.mean(axis=-1)).value


def ms_ssim(real: Pictures, made: Pictures) -> float:
    """Multi-scale SSIM (Wang, Simoncelli and Bovik 2003), the mean over channels and images.

    The product over five scales, each half as large as the one before by the mean of 2x2 pixels, of
    contrast times structure to the power of its weight, with the luminance of the coarsest. A negative
    factor counts as 0. Images below 176 pixels have fewer scales; their weights are made to sum to 1.
    """
    return pool_structure(real, made)["ms_ssim"].value


def pool_structure(real: Pictures, made: Pictures) -> dict[str, Pooled]:
    """``ssim`` and ``ms_ssim``, whose finest scale is the same."""
    single, multiple = [], []
    for a, b in zip(real, made, strict=True):
        first, second = _planes(a), _planes(b)
        scales = [_compare(first, second)]
        while len(scales) < len(WEIGHTS) and min(first.shape[0], first.shape[2]) // 2 > 2 * RADIUS:
            first, second = _halve(first), _halve(second)
            scales.append(_compare(first, second))
        single.append(scales[0][0].mean())
        multiple.append(_product(scales))
    return {"ssim": mean_of(np.array(single)), "ms_ssim": mean_of(np.array(multiple))}


def _product(scales: list[Floats]) -> float:
    """MS-SSIM of one image from ``(2, 3)`` of each scale: SSIM and contrast-structure by channel."""
    factors = np.array([contrast for _, contrast in scales[:-1]] + [scales[-1][0]])
    weights = np.array(WEIGHTS[: len(scales)])
    weights /= weights.sum()
    return float(np.prod(np.maximum(factors, 0) ** weights[:, None], axis=0).mean())


def _compare(first: Floats, second: Floats) -> Floats:
    """SSIM and its factor of contrast and structure, means over pixels: ``(2, 3)``."""
    planes = np.concatenate([first, second, first * first, second * second, first * second], axis=1)
    mean_1, mean_2, square_1, square_2, product = np.split(_blur(planes), 5, axis=1)
    variances = square_1 - mean_1**2 + square_2 - mean_2**2
    contrast = (2 * (product - mean_1 * mean_2) + OFFSETS[1]) / (variances + OFFSETS[1])
    luminance = (2 * mean_1 * mean_2 + OFFSETS[0]) / (mean_1**2 + mean_2**2 + OFFSETS[0])
    return np.stack([(luminance * contrast).mean(axis=(0, 2)), contrast.mean(axis=(0, 2))])


def _planes(picture: Pictures) -> Floats:
    """``(height, width, 3)`` to float64 ``(height, 3, width)``, in which a blur is two products."""
    return np.ascontiguousarray(picture.transpose(0, 2, 1), np.float64)


def _halve(planes: Floats) -> Floats:
    """Means of 2x2 pixels; an odd last row or column is dropped."""
    height, count, width = planes.shape
    even = planes[: height // 2 * 2, :, : width // 2 * 2]
    halved: Floats = even.reshape(height // 2, 2, count, width // 2, 2).mean(axis=(1, 4))
    return halved


def _blur(planes: Floats) -> Floats:
    """Gaussian of sigma 1.5 over height and width, windows wholly inside."""
    height, count, width = planes.shape
    down, across = _band(height), _band(width)
    blurred: Floats = (down @ planes.reshape(height, -1)).reshape(-1, width) @ across.T
    return blurred.reshape(len(down), count, len(across))


@lru_cache(maxsize=32)
def _band(length: int) -> Floats:
    """The window as a matrix ``(length - 10, length)``: one product is faster than eleven shifts."""
    if length <= 2 * RADIUS:
        raise ValueError(f"structural similarity needs sides of at least {2 * RADIUS + 1} pixels")
    kernel = np.exp(-0.5 * np.square(np.arange(-RADIUS, RADIUS + 1) / SIGMA))
    kernel /= kernel.sum()
    rows = length - 2 * RADIUS
    band = np.zeros((rows, length))
    for offset, weight in enumerate(kernel):
        band[np.arange(rows), np.arange(rows) + offset] = weight
    return band
