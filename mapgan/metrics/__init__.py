"""What translations are worth, measured without any trained judge: exact definitions, NumPy only.

Images are uint8 ``(n, height, width, 3)``, ``real`` the targets and ``made`` the translations, in
equal order. RMSE and the accuracies pool every pixel, channel and image; the others say what they
average. docs/metrics.md explains them all; :mod:`mapgan.measures` lists them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from mapgan.measures import MEASURES, SHOWN, Measure
from mapgan.metrics.frechet import Inception, InceptionError, frechet_distance
from mapgan.metrics.kernel import kid, random_features
from mapgan.metrics.palette import (
    PALETTE,
    PaletteScores,
    class_iou,
    classify,
    palette_scores,
    pool_palette,
)
from mapgan.metrics.pixels import accuracy, l1, median_colour, pool_pixels, psnr, rmse
from mapgan.metrics.pooled import Floats, Pictures, Pooled
from mapgan.metrics.spectra import pool_spectra, sharpness, spectrum, spectrum_distance
from mapgan.metrics.structure import ms_ssim, pool_structure, ssim
from mapgan.metrics.wasserstein import swd

__all__ = [
    "MEASURES",
    "PALETTE",
    "SHOWN",
    "Floats",
    "Inception",
    "InceptionError",
    "Measure",
    "Measured",
    "PaletteScores",
    "Pictures",
    "accuracy",
    "classify",
    "evaluate",
    "frechet_distance",
    "kid",
    "l1",
    "measure",
    "median_colour",
    "ms_ssim",
    "palette_scores",
    "psnr",
    "random_features",
    "rmse",
    "sharpness",
    "spectrum",
    "spectrum_distance",
    "ssim",
    "swd",
]

_REMEMBERED: Final = 8
_features: OrderedDict[str, Floats] = OrderedDict()


@dataclass(frozen=True)
class Measured:
    """All measures of one set of translations.

    Attributes:
        values: plain numbers by name; `palette_iou` is a table by class; `images` their number.
        intervals: 95 % over the choice of tiles, (low, high), of all but `swd` and FID.
    """

    values: dict[str, Any]
    intervals: dict[str, tuple[float, float]]


def evaluate(real: Pictures, made: Pictures, *, maps: bool) -> dict[str, Any]:
    """The values of :func:`measure`, without intervals and FID."""
    return measure(real, made, maps=maps, intervals=False).values


def measure(
    real: Pictures,
    made: Pictures,
    *,
    maps: bool,
    paired: bool = True,
    intervals: bool = True,
    inception: Inception | None = None,
) -> Measured:
    """Everything that can be said of these pictures; some 60 ms a tile of 256x256 on two cores.

    Args:
        real: targets.
        made: translations, in the same order and of the same shape when they are `paired`.
        maps: whether the targets are maps, for which the palette measures make sense.
        paired: whether ``made[i]`` should become ``real[i]``. If not, only measures of whole sets
            remain, and the numbers may differ. Of pictures that are no squares there is no spectrum.
        intervals: work out the intervals, too.
        inception: for FID.

    Raises:
        ValueError: no images, two sets of different shapes, or sides below 16 pixels.
    """
    same = real.shape == made.shape if paired else real.shape[1:] == made.shape[1:]
    if not same or not len(real) or not len(made):
        raise ValueError(f"cannot compare {real.shape} with {made.shape}")
    values: dict[str, Any] = {"images": len(made)}
    pooled: dict[str, Pooled] = {}
    if paired:
        pooled = pool_pixels(real, made) | pool_structure(real, made) | pool_spectra(real, made)
        pooled |= pool_palette(real, made) if maps else {}
    else:
        if real.shape[1] == real.shape[2]:
            values["spectrum_distance"] = spectrum_distance(real, made)
        flat = sharpness(real)
        values |= {"sharpness": sharpness(made), "sharpness_ratio": sharpness(made) / (flat or float("nan"))}
    values |= {name: entry.value for name, entry in pooled.items()}
    if maps and paired:
        values["palette_iou"] = class_iou(pooled["palette_miou"])
    ranges = {name: entry.interval() for name, entry in pooled.items()} if intervals else {}
    values["swd"] = swd(real, made)
    if min(len(real), len(made)) > 1:
        estimate = kid(_remembered_features(real), random_features(made), paired=paired)
        values["kid_random_cnn"] = estimate.value
        if intervals:
            ranges["kid_random_cnn"] = (estimate.low, estimate.high)
        if inception:
            values["fid_keras_inception"] = frechet_distance(
                inception.features(real), inception.features(made)
            )
    return Measured(values, ranges)


def _remembered_features(pictures: Pictures) -> Floats:
    """Of targets, which are the same at every checkpoint of a run."""
    key = sha256(repr(pictures.shape).encode() + pictures.tobytes()).hexdigest()
    if key not in _features:
        _features[key] = random_features(pictures)
        if len(_features) > _REMEMBERED:
            _features.popitem(last=False)
    return _features[key]
