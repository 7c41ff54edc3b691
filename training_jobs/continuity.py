"""Whether a run's losses go on where they were after it was interrupted, in words.

Updates after the last checkpoint are made again. The library promises the same ones bit for bit, so the
figures that were logged before must come again; and across the checkpoint the means must fit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

ROWS: Final = 20
"""Logged steps before and after that are compared."""
JUMP: Final = 1.0
"""Times the range of the figures before, beyond that range: there a mean is a jump. (A loss that falls
quickly, as at a run's beginning, does not jump.)"""

Figures = Mapping[str, float]


class Seam:
    """Watches the losses after a resume, until enough of them are known.

    Args:
        step: of the checkpoint the run went on from.
        before: the last figures logged up to it, in their order.
        again: by step, what was logged after it by the attempt that was interrupted.
    """

    def __init__(self, step: int, before: Sequence[Figures], again: Mapping[int, Figures]) -> None:
        self.step = step
        self._before, self._again = list(before)[-ROWS:], dict(again)
        self._after: list[Figures] = []
        self._same: list[int] = []
        self._off: dict[int, float] = {}

    def hear(self, step: int, figures: Figures) -> None:
        """Figures that this attempt logged."""
        if len(self._after) < ROWS:
            self._after.append(figures)
        earlier = self._again.get(step)
        if earlier is not None:
            off = max(
                (_difference(earlier[name], figures[name]) for name in earlier if name in figures),
                default=0.0,
            )
            if off:
                self._off[step] = off
            else:
                self._same.append(step)

    @property
    def is_known(self) -> bool:
        """Nothing more has to be heard."""
        return len(self._after) >= ROWS and len(self._same) + len(self._off) >= len(self._again)

    def words(self) -> str:
        """What came out; empty while there is nothing to compare."""
        return " ".join(part for part in (self._made_again(), self._means()) if part)

    def _made_again(self) -> str:
        made = sorted([*self._same, *self._off])
        if not made:
            return ""
        count = f"{len(made)} logged steps" if len(made) > 1 else "One logged step"
        span = f"{count} up to step {made[-1]:,} had been made before and came again"
        if not self._off:
            return f"{span} with exactly the same losses."
        most, first = 100 * max(self._off.values()), min(self._off)
        return f"{span}; the losses differ by up to {most:.2g} %, from step {first:,} on."

    def _means(self) -> str:
        if not self._before or not self._after:
            return ""
        found, jumped = [], []
        for name in self._before[-1]:
            before = [row[name] for row in self._before if name in row]
            after = [row[name] for row in self._after if name in row]
            if not before or not after:
                continue
            found.append(f"{name} {fmean(before):.3g} before and {fmean(after):.3g} after")
            room = JUMP * max(max(before) - min(before), 0.02 * abs(fmean(before)))
            if not min(before) - room <= fmean(after) <= max(before) + room:
                jumped.append(name)
        if not found:
            return ""
        counts = f"{len(self._before)} logged steps before and {len(self._after)} after step {self.step:,}"
        verdict = f" {', '.join(jumped)} jumped: look at the curve." if jumped else " No loss jumped."
        return f"Means of {counts}: {', '.join(found)}.{verdict}"


def _difference(one: float, other: float) -> float:
    """Relative; 0 for two figures that are both no number."""
    if math.isnan(one) or math.isnan(other):
        return 0.0 if math.isnan(one) == math.isnan(other) else math.inf
    return abs(one - other) / max(abs(one), abs(other), 1e-12)
