"""Small drawings of a report as SVG paths; the pages give them their colours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

BELIEVED: Final = 8.0
"""Deviations from which on the doctor believes in a common shift (docs/doctor.md)."""
DRAWN: Final = 2.0  # pixels, as the doctor has it
LEVELS: Final = 8
FAINTEST: Final = 1.0  # deviations that are not drawn
BINS: Final = 16
HIGH: Final = 64  # units of a histogram; a bin is ten units wide
WIDE: Final = 10


@dataclass(frozen=True)
class Level:
    """Cells of about one height."""

    opacity: float
    path: str


@dataclass(frozen=True)
class AlignmentPlot:
    """The mean edge correlation of all pairs around no shift; one unit is a cell.

    Attributes:
        side: cells of the square, an odd number; no shift is the middle one.
        levels: what is drawn, the faintest first.
        reach: pixels from the middle to an edge.
        x, y: place of the peak; None when it lies outside.
        right, down: of the peak, in pixels.
        strength: of the peak, in deviations above the mean.
        pairs: how many were correlated.
    """

    side: int
    levels: list[Level]
    reach: int
    x: float | None
    y: float | None
    right: float
    down: float
    strength: float
    pairs: int

    @property
    def middle(self) -> float:
        """Where no shift is."""
        return self.side / 2

    @property
    def is_believed(self) -> bool:
        """The peak tells something."""
        return self.strength >= BELIEVED

    @property
    def is_aligned(self) -> bool:
        """Less than this is how maps are drawn."""
        return max(abs(self.right), abs(self.down)) < DRAWN

    @property
    def words(self) -> str:
        """Where B lies."""
        places = [(self.right, "right", "left"), (self.down, "below", "above")]
        told = [f"{abs(value):g} px {more if value > 0 else less}" for value, more, less in places if value]
        return " and ".join(told)


def alignment_plot(alignment: dict[str, Any]) -> AlignmentPlot | None:
    """The plot of a report's ``alignment``; None where the doctor made none."""
    heights: list[list[float]] = alignment.get("heights") or []
    if not heights:
        return None
    side, cell = len(heights), float(alignment["cell"])
    right, down = float(alignment["right"]), float(alignment["down"])
    x, y = side / 2 + right / cell, side / 2 + down / cell
    inside = 0 <= x <= side and 0 <= y <= side
    return AlignmentPlot(
        side=side,
        levels=_levels(heights),
        reach=round(side * cell / 2),
        x=round(x, 2) if inside else None,
        y=round(y, 2) if inside else None,
        right=right,
        down=down,
        strength=float(alignment["strength"]),
        pairs=int(alignment["pairs"]),
    )


def _levels(heights: Sequence[Sequence[float]]) -> list[Level]:
    """Cells gathered by height: a few paths instead of a thousand squares."""
    highest = max(BELIEVED, *(height for row in heights for height in row))
    paths: list[list[str]] = [[] for _ in range(LEVELS)]
    for top, row in enumerate(heights):
        for left, height in enumerate(row):
            level = math.ceil((height - FAINTEST) / (highest - FAINTEST) * LEVELS)
            if level > 0:
                paths[min(level, LEVELS) - 1].append(f"M{left} {top}h1v1h-1z")
    return [Level((at + 1) / LEVELS, "".join(path)) for at, path in enumerate(paths) if path]


@dataclass(frozen=True)
class Channel:
    """One colour channel of a half.

    Attributes:
        path: its histogram, heights as square roots so that rare levels are seen.
        mean, stdev: 0 to 255.
        at: the mean's place on the drawing.
    """

    name: str
    path: str
    mean: float
    stdev: float
    at: float


@dataclass(frozen=True)
class HalfColours:
    """The colours of all pictures of one half."""

    half: str
    channels: list[Channel]
    width: int = BINS * WIDE
    height: int = HIGH


def colours_of(report: dict[str, Any]) -> list[HalfColours]:
    """For A and B, where the report has them."""
    found = []
    for half, figures in report.get("colours", {}).items():
        rows = report.get("histograms", {}).get(half)
        if not figures or not rows:
            continue
        highest = max(max(row) for row in rows) or 1.0
        channels = [
            Channel(name, _outline(row, highest), mean, stdev, round((mean + 0.5) / 256 * BINS * WIDE, 1))
            for name, row, mean, stdev in zip(
                ("red", "green", "blue"), rows, figures["mean"], figures["stdev"], strict=True
            )
        ]
        found.append(HalfColours(half, channels))
    return found


def _outline(row: Sequence[float], highest: float) -> str:
    """Steps from left to right, closed along the bottom."""
    tops = [round(HIGH - math.sqrt(max(share, 0) / highest) * (HIGH - 2), 1) for share in row]
    steps = "".join(f"V{top}h{WIDE}" for top in tops)
    return f"M0 {HIGH}{steps}V{HIGH}z"
