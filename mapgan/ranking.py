"""Which of two generators is the better one, told from their measures, and which checkpoints stay.

The losses of a GAN do not say it: they measure one network against the other. The rule is

* **sat2map**: palette mIoU, then acc<5. A flat beige scores well on every distance; only the classes
  ask for streets. Where no target belongs to a source both are missing, and the texture decides.
* **map2sat**: likeness of the texture (KID, then SWD, then the spectrum), lower first. It cannot see
  whether the texture lies in the right place, so there is a **guard**: a translation must be nearer to
  its own target, in PSNR, than another target of the same set is. Whoever fails it ranks below all who
  pass.

:mod:`mapgan.judging` takes the measures. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from mapgan.config import TrainConfig

_TEXTURE: Final = (("kid_random_cnn", -1), ("swd", -1), ("spectrum_distance", -1))
MAP_RULE: Final = (("palette_miou", 1), ("acc5", 1), *_TEXTURE)
TEXTURE_RULE: Final = (*_TEXTURE, ("l1", -1))
"""Measures in the order in which they decide; 1 where more is better, -1 where less is."""

Measures = Mapping[int, Mapping[str, Mapping[str, float]]]
"""Measures by step, then direction; steps that were never measured are left out."""


def rule_of(direction: str) -> tuple[tuple[str, int], ...]:
    """The rule for ``map2sat`` or ``sat2map``."""
    return MAP_RULE if direction == "sat2map" else TEXTURE_RULE


def ranking_key(measures: Mapping[str, float], *, maps: bool) -> tuple[float, ...]:
    """The rule above as a tuple: the larger one belongs to the better generator.

    Args:
        measures: from :func:`mapgan.judging.judge`. One that is missing counts as the worst.
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


def kept(steps: Iterable[int], measures: Measures, config: TrainConfig) -> set[int]:
    """The steps whose checkpoints stay.

    Args:
        steps: of all checkpoints of the run.
        measures: of those that were measured.
        config: ``keep_checkpoints`` newest stay (0: all of them), and ``keep_best`` of each direction by
            :func:`ranking_key` (the earlier of two that are equal), and multiples of ``keep_every``.
    """
    ordered = sorted(steps)
    if not config.keep_checkpoints:
        return set(ordered)
    keep = set(ordered[-config.keep_checkpoints :])
    if config.keep_every:
        keep |= {step for step in ordered if step % config.keep_every == 0}
    for direction in config.directions if config.keep_best else ():
        keys = {
            step: (ranking_key(row[direction], maps=direction == "sat2map"), -step)
            for step, row in measures.items()
            if direction in row
        }
        keep |= set(sorted(keys, key=keys.__getitem__)[-config.keep_best :])
    return keep & set(ordered)
