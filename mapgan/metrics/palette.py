"""Maps as classes: which of the map style's colours is each pixel nearest to?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mapgan.metrics.pooled import Floats, Pictures, Pooled

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

CLASSES: Final = len(PALETTE)


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
    pooled = pool_palette(real, made)
    return PaletteScores(
        accuracy=pooled["palette_accuracy"].value,
        mean_iou=pooled["palette_miou"].value,
        iou=class_iou(pooled["palette_miou"]),
    )


def pool_palette(real: Pictures, made: Pictures) -> dict[str, Pooled]:
    """``palette_accuracy`` and ``palette_miou``, both of one table of classes a tile."""
    tables = np.zeros((len(real), CLASSES**2))
    for table, wanted, got in zip(tables, real, made, strict=True):
        pairs = classify(wanted).astype(np.int64) * CLASSES + classify(got)
        table[:] = np.bincount(pairs.ravel(), minlength=CLASSES**2)
    return {"palette_accuracy": Pooled(tables, _hit_share), "palette_miou": Pooled(tables, _mean_iou)}


def class_iou(pooled: Pooled) -> dict[str, float]:
    """Intersection over union of each class that occurs."""
    shares = _iou(pooled.tiles.sum(axis=0))
    return {name: float(share) for name, share in zip(PALETTE, shares, strict=True) if not np.isnan(share)}


def _hit_share(tables: Floats) -> Floats:
    """Share of the pixels on the diagonal."""
    diagonal = np.arange(CLASSES) * (CLASSES + 1)
    return np.asarray(tables[..., diagonal].sum(axis=-1) / tables.sum(axis=-1))


def _mean_iou(tables: Floats) -> Floats:
    """Mean over the classes that occur."""
    return np.asarray(np.nanmean(_iou(tables), axis=-1))


def _iou(tables: Floats) -> Floats:
    """``(..., classes^2)`` counts to ``(..., classes)``; NaN for a class that does not occur."""
    square = tables.reshape(*tables.shape[:-1], CLASSES, CLASSES)
    hits = np.diagonal(square, axis1=-2, axis2=-1)
    union = square.sum(axis=-1) + square.sum(axis=-2) - hits
    shares: Floats = np.divide(hits, union, out=np.full(hits.shape, np.nan), where=union > 0)
    return shares
