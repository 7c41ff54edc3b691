"""What a generator is worth, measured without any trained judge: exact definitions, NumPy only.

Images are uint8 ``(n, height, width, 3)``, ``real`` the targets and ``made`` the translations, in
equal order. :func:`rmse` and :func:`accuracy` pool every pixel, channel and image; the others say
what they average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Pictures: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float64]

PALETTE: Final[dict[str, tuple[int, int, int]]] = {
    "land": (233, 229, 223),
    "building": (242, 239, 234),
    "street": (255, 254, 252),
    "main_road": (254, 225, 104),
    "motorway": (250, 159, 38),
    "water": (177, 208, 254),
    "park": (203, 223, 170),
}
"""The map style's colours. How they were found: the training maps' colours were counted in bins of
4x4x4; each class is the mean colour of its most frequent bin (the two warm ones among bins with
R - B > 60). A pixel belongs to the nearest one in Euclidean RGB."""

LUMA: Final = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
SSIM_SIGMA: Final = 1.5
SSIM_RADIUS: Final = 5  # an 11x11 window


def l1(real: Pictures, made: Pictures) -> float:
    """Mean absolute difference over all values, in grey levels (0 to 255)."""
    return _mean(_each(real, made, lambda a, b: np.abs(a - b).mean()))


def rmse(real: Pictures, made: Pictures) -> float:
    """Root of the mean squared difference pooled over all values, in grey levels."""
    return math.sqrt(_mean(_each(real, made, lambda a, b: np.square(a - b).mean())))


def psnr(real: Pictures, made: Pictures) -> float:
    """``20 log10(255 / RMSE)`` of the pooled RMSE, in dB; infinite for equal images."""
    error = rmse(real, made)
    return math.inf if error == 0 else 20 * math.log10(255 / error)


def ssim(real: Pictures, made: Pictures) -> float:
    """Structural similarity (Wang et al. 2004), the mean over pixels, channels and images.

    Gaussian window of sigma 1.5 and 11x11 pixels, K1 0.01, K2 0.03, range 255, biased variances,
    only windows wholly inside. Sides must be at least 11 pixels.
    """
    return _mean(_each(real, made, _ssim_of_one))


def accuracy(real: Pictures, made: Pictures, threshold: int) -> float:
    """Share of pixels whose greatest channel difference is below ``threshold`` (Fu et al. 2019, GcGAN)."""
    return _mean(_each(real, made, lambda a, b: (np.abs(a - b).max(axis=-1) < threshold).mean()))


def classify(pictures: Pictures) -> npt.NDArray[np.int8]:
    """Index of each pixel's nearest colour in ``PALETTE``: ``(..., 3)`` to ``(...)``."""
    colours = np.array(list(PALETTE.values()), np.float32)
    # |p - c|^2 without |p|^2, which is the same for every class.
    scores = np.square(colours).sum(axis=1) - 2 * (pictures.astype(np.float32) @ colours.T)
    nearest: npt.NDArray[np.int8] = scores.argmin(axis=-1).astype(np.int8)
    return nearest


@dataclass(frozen=True)
class PaletteScores:
    """Agreement of the palette classes of two sets of maps."""

    accuracy: float
    """Share of pixels of the same class."""
    mean_iou: float
    """Mean of ``iou`` over the classes that occur in either set."""
    iou: dict[str, float]
    """Intersection over union of each class that occurs, pooled over all images."""


def palette_scores(real: Pictures, made: Pictures) -> PaletteScores:
    """Class accuracy and intersection over union by :func:`classify`."""
    classes = len(PALETTE)
    confusion = np.zeros((classes, classes), np.int64)
    for wanted, got in zip(real, made, strict=True):
        pairs = classify(wanted).astype(np.int64) * classes + classify(got)
        confusion += np.bincount(pairs.ravel(), minlength=classes**2).reshape(classes, classes)
    hits = np.diag(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - hits
    iou = {name: float(hits[index] / union[index]) for index, name in enumerate(PALETTE) if union[index]}
    return PaletteScores(
        accuracy=float(hits.sum() / confusion.sum()), mean_iou=_mean(list(iou.values())), iou=iou
    )


def sharpness(pictures: Pictures) -> float:
    """Mean |Laplacian| of the luma over all inner pixels and images, in grey levels.

    The kernel is [[0, 1, 0], [1, -4, 1], [0, 1, 0]]. Blur lowers it, noise raises it: a made set
    should be near the real one.
    """
    return _mean([float(np.abs(_laplacian(_luma(picture))).mean()) for picture in pictures])


def spectrum(pictures: Pictures) -> Floats:
    """Mean power of the luma at each whole radius of frequency, 1 to half the side.

    The luma has its mean removed and a Hann window applied in both directions, so that the edges of
    a tile do not look like detail; ``|FFT|^2`` is averaged over the ring whose radius rounds to r,
    then over the images.
    """
    side = pictures.shape[1]
    if pictures.shape[2] != side:
        raise ValueError(f"a radial spectrum needs square pictures, not {pictures.shape[2]}x{side}")
    window = np.outer(np.hanning(side), np.hanning(side))
    frequency = np.fft.fftfreq(side, 1 / side)
    radius = np.rint(np.hypot(frequency[:, None], frequency[None, :])).astype(np.int64).ravel()
    count = np.bincount(radius)
    total = np.zeros(count.size)
    for picture in pictures:
        luma = _luma(picture)
        power = np.square(np.abs(np.fft.fft2((luma - luma.mean()) * window)))
        total += np.bincount(radius, weights=power.ravel())
    rings: Floats = (total / count / len(pictures))[1 : side // 2 + 1]
    return rings


def spectrum_distance(real: Pictures, made: Pictures) -> float:
    """Mean over radii of ``|log10 P_real - log10 P_made|``, of :func:`spectrum` plus 1.

    0.3 is a factor of two in power on average; a checkerboard stands out at the highest radii.
    """
    return float(np.abs(np.log10(spectrum(real) + 1) - np.log10(spectrum(made) + 1)).mean())


def median_colour(pictures: Pictures) -> npt.NDArray[np.uint8]:
    """Per-channel median over all pixels and images, by histogram: ``(3,)``."""
    median = np.empty(3, np.uint8)
    for channel in range(3):
        counts = np.zeros(256, np.int64)
        for picture in pictures:
            counts += np.bincount(picture[..., channel].ravel(), minlength=256)
        median[channel] = np.searchsorted(counts.cumsum(), counts.sum() / 2)
    return median


def evaluate(real: Pictures, made: Pictures, *, maps: bool) -> dict[str, Any]:
    """Every measure of this module as plain numbers.

    Args:
        real: targets.
        made: translations, in the same order and of the same shape.
        maps: whether the targets are maps, for which the palette measures make sense.

    Raises:
        ValueError: no images, or two sets of different shapes.
    """
    if real.shape != made.shape or not len(real):
        raise ValueError(f"cannot compare {real.shape} with {made.shape}")
    real_sharpness = sharpness(real)
    measures: dict[str, Any] = {
        "images": len(real),
        "l1": l1(real, made),
        "rmse": rmse(real, made),
        "psnr": psnr(real, made),
        "ssim": ssim(real, made),
        "acc5": accuracy(real, made, 5),
        "acc10": accuracy(real, made, 10),
        "sharpness": sharpness(made),
        "sharpness_ratio": sharpness(made) / real_sharpness if real_sharpness else math.inf,
        "spectrum_distance": spectrum_distance(real, made),
    }
    if maps:
        scores = palette_scores(real, made)
        measures |= {
            "palette_accuracy": scores.accuracy,
            "palette_miou": scores.mean_iou,
            "palette_iou": scores.iou,
        }
    return measures


def _each(real: Pictures, made: Pictures, measure: Any) -> list[float]:
    """``measure`` of each pair of images as float64; equal sizes make the mean of these the pool."""
    return [
        float(measure(a.astype(np.float64), b.astype(np.float64))) for a, b in zip(real, made, strict=True)
    ]


def _mean(values: list[float]) -> float:
    """The arithmetic mean, summed without loss."""
    return math.fsum(values) / len(values)


def _luma(picture: Pictures) -> Floats:
    """BT.601 luma, float64 ``(height, width)``."""
    luma: Floats = picture.astype(np.float64) @ LUMA
    return luma


def _laplacian(plane: Floats) -> Floats:
    """The four neighbours minus four times the pixel, inner pixels only."""
    inner: Floats = (
        plane[:-2, 1:-1] + plane[2:, 1:-1] + plane[1:-1, :-2] + plane[1:-1, 2:] - 4 * plane[1:-1, 1:-1]
    )
    return inner


def _ssim_of_one(first: Floats, second: Floats) -> float:
    """SSIM of two ``(height, width, 3)`` images in grey levels."""
    offset_1, offset_2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_1, mean_2 = _blur(first), _blur(second)
    variance_1 = _blur(first * first) - mean_1 * mean_1
    variance_2 = _blur(second * second) - mean_2 * mean_2
    covariance = _blur(first * second) - mean_1 * mean_2
    likeness = (2 * mean_1 * mean_2 + offset_1) * (2 * covariance + offset_2)
    scale = (mean_1**2 + mean_2**2 + offset_1) * (variance_1 + variance_2 + offset_2)
    return float((likeness / scale).mean())


def _blur(image: Floats) -> Floats:
    """Gaussian of sigma 1.5 over height and width, windows wholly inside."""
    offsets = np.arange(-SSIM_RADIUS, SSIM_RADIUS + 1)
    kernel = np.exp(-0.5 * np.square(offsets / SSIM_SIGMA))
    kernel /= kernel.sum()
    for axis in (0, 1):
        length = image.shape[axis] - 2 * SSIM_RADIUS
        shifted = (np.take(image, range(start, start + length), axis) for start in range(len(kernel)))
        image = np.sum([weight * part for weight, part in zip(kernel, shifted, strict=True)], axis=0)
    return image
