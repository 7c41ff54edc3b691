"""Detail as such, wherever it lies: sharpness and the radial power spectrum."""

from __future__ import annotations

import math

import numpy as np

from mapgan.metrics.pooled import Floats, Pictures, Pooled, luma


def sharpness(pictures: Pictures) -> float:
    """Mean |Laplacian| of the luma over all inner pixels and images, in grey levels.

    The kernel is [[0, 1, 0], [1, -4, 1], [0, 1, 0]]. Blur lowers it, noise raises it: a made set
    should be near the real one.
    """
    return math.fsum(_sharpness_of_each(pictures)) / len(pictures)


def spectrum(pictures: Pictures) -> Floats:
    """Mean power of the luma at each whole radius of frequency, 1 to half the side.

    The luma has its mean removed and a Hann window applied in both directions, so that the edges of
    a tile do not look like detail; ``|FFT|^2`` is averaged over the ring whose radius rounds to r,
    then over the images.
    """
    rings: Floats = _rings(pictures).mean(axis=0)
    return rings


def spectrum_distance(real: Pictures, made: Pictures) -> float:
    """Mean over radii of ``|log10 P_real - log10 P_made|``, of :func:`spectrum` plus 1.

    0.3 is a factor of two in power on average; a checkerboard stands out at the highest radii. The
    two sets need not be of equal number.
    """
    return float(_log_distance(spectrum(real), spectrum(made)))


def pool_spectra(real: Pictures, made: Pictures) -> dict[str, Pooled]:
    """``sharpness``, ``sharpness_ratio`` and, of squares, ``spectrum_distance``."""
    sharp = np.stack([_sharpness_of_each(real), _sharpness_of_each(made)], axis=1)
    found = {
        "sharpness": Pooled(sharp, lambda means: means[..., 1]),
        "sharpness_ratio": Pooled(sharp, _ratio),
    }
    if real.shape[1] == real.shape[2]:
        rings = np.concatenate([_rings(real), _rings(made)], axis=1)
        half = rings.shape[1] // 2
        found["spectrum_distance"] = Pooled(
            rings, lambda means: _log_distance(means[..., :half], means[..., half:])
        )
    return found


def _ratio(means: Floats) -> Floats:
    """Made over real; infinite when the real ones are flat."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(means[..., 0] > 0, means[..., 1] / means[..., 0], np.inf))


def _log_distance(real: Floats, made: Floats) -> Floats:
    return np.asarray(np.abs(np.log10(real + 1) - np.log10(made + 1)).mean(axis=-1))


def _rings(pictures: Pictures) -> Floats:
    """:func:`spectrum` of each picture: ``(n, side // 2)``."""
    side = pictures.shape[1]
    if pictures.shape[2] != side:
        raise ValueError(f"a radial spectrum needs square pictures, not {pictures.shape[2]}x{side}")
    window = np.outer(np.hanning(side), np.hanning(side))
    frequency = np.fft.fftfreq(side, 1 / side)
    radius = np.rint(np.hypot(frequency[:, None], frequency[None, :])).astype(np.int64).ravel()
    count = np.bincount(radius)
    rings = np.empty((len(pictures), side // 2))
    for row, picture in zip(rings, pictures, strict=True):
        plane = luma(picture)
        power = np.square(np.abs(np.fft.fft2((plane - plane.mean()) * window)))
        row[:] = (np.bincount(radius, weights=power.ravel()) / count)[1 : side // 2 + 1]
    return rings


def _sharpness_of_each(pictures: Pictures) -> Floats:
    """``(n,)``."""
    return np.array([np.abs(_laplacian(luma(picture))).mean() for picture in pictures])


def _laplacian(plane: Floats) -> Floats:
    """The four neighbours minus four times the pixel, inner pixels only."""
    inner: Floats = (
        plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:] - 4 * plane[1:-1, 1:-1]
    )
    return inner
