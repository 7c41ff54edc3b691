"""How good a generator is on fixed tiles while it trains; :mod:`mapgan.ranking` says which is the better."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mapgan import metrics
from mapgan.metrics import Pictures


def judge(
    translate: Callable[[Pictures], Pictures], sources: Pictures, targets: Pictures, *, maps: bool
) -> dict[str, float]:
    """All measures of one direction that are plain finite numbers, without intervals and FID.

    20 tiles of 256 pixels take about a second on two cores, beside the translating; what KID needs of
    the targets is remembered, for they are the same at every checkpoint.

    Args:
        translate: uint8 ``(n, s, s, 3)`` to the same; called once for each picture.
        sources: uint8 ``(n, s, s, 3)``.
        targets: what they should become, in the same order.
        maps: whether the targets are maps.

    Raises:
        ValueError: no pictures, or two sets of different shapes.
    """
    made = np.concatenate([translate(source[None]) for source in sources]) if len(sources) else sources
    found = metrics.evaluate(targets, made, maps=maps)
    found |= guard(targets)
    return {name: float(v) for name, v in found.items() if isinstance(v, int | float) and math.isfinite(v)}


def guard(targets: Pictures) -> dict[str, float]:
    """``psnr_other``: how near each target is to the next one; nothing for a single tile."""
    if len(targets) < 2:
        return {}
    return {"psnr_other": metrics.psnr(targets, np.roll(targets, 1, axis=0))}
