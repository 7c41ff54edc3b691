"""How good a generator is on fixed tiles while it trains, and which of two checkpoints is the better.

The losses of a GAN do not say it: they measure one network against the other. The rule is

* **sat2map**: palette mIoU, then acc<5. A flat beige scores well on every distance; only the classes
  ask for streets.
* **map2sat**: likeness of the texture (KID, then SWD, then the spectrum), lower first. It cannot see
  whether the texture lies in the right place, so there is a **guard**: a translation must be nearer to
  its own target, in PSNR, than another target of the same set is. Whoever fails it ranks below all who
  pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np

from mapgan import metrics
from mapgan.metrics import Pictures

MAP_RULE = (("palette_miou", 1), ("acc5", 1))
TEXTURE_RULE = (("kid_random_cnn", -1), ("swd", -1), ("spectrum_distance", -1), ("l1", -1))
"""Measures in the order in which they decide; 1 where more is better, -1 where less is."""


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


def ranking_key(measures: Mapping[str, float], *, maps: bool) -> tuple[float, ...]:
    """The rule above as a tuple: the larger one belongs to the better generator.

    Args:
        measures: from :func:`judge`. One that is missing counts as the worst.
        maps: whether the targets are maps.
    """
    rule = MAP_RULE if maps else TEXTURE_RULE
    guard = 1.0 if maps else float(passes_guard(measures))
    values = ((measures.get(name), sign) for name, sign in rule)
    return (guard, *(-math.inf if value is None else sign * value for value, sign in values))


def passes_guard(measures: Mapping[str, float]) -> bool:
    """Whether the translations are nearer to their targets than other targets are.

    Equal pictures have no finite PSNR, and one tile has no other: both pass.
    """
    return measures.get("psnr", math.inf) > measures.get("psnr_other", -math.inf)
