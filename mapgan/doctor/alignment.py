"""Whether A and B lie upon each other: for the whole set to the pixel, and for single pairs.

**The set.** The edges of one aerial picture and its map rarely agree enough to trust the peak of their
phase correlation, but the mistakes fall everywhere and the true shift always at one place: the mean
surface over the set has its peak there.

**A pair** is judged by what the rest of the set teaches, see :mod:`mapgan.doctor.matching`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mapgan.doctor.files import Sample
from mapgan.doctor.matching import LUMA, Matcher, Place, edges, spectra_of
from mapgan.doctor.reducing import Pictures, reduce_centre
from mapgan.doctor.report import Finding, Severity

Floats: TypeAlias = npt.NDArray[np.float64]

SURFACE: Final = 512
"""Largest side, in pixels, of the squares whose edges are correlated for the whole set."""
SET_PAIRS: Final = 256
"""Pairs, spread evenly, that are enough to judge the whole set."""
SET_STRENGTH: Final = 8.0
"""Standard deviations that the mean surface's peak must stand above it to be believed."""
MIN_SHIFT: Final = 2.0
"""Pixels; a smaller shift of the whole set is no more than a map's drawing conventions."""
MIN_PAIRS: Final = 40
"""Fewer pairs cannot teach what goes together, and single pairs are not judged."""
ERROR_MARGIN: Final = 5.0
WARNING_MARGIN: Final = 2.5
NOTICE_MARGIN: Final = -1.0
"""How much higher than near no shift the surface of a pair is elsewhere, in its deviations. Nine good
pairs in ten lie below the last, where nothing but their own place is in question."""
PLOT_CELLS: Final = 33
"""Cells to the side of the plot in the report."""
_LEARN_FROM: Final = 160  # pairs; more do not help, and take memory
_FAINT: Final = 0.1  # of the usual deviation: a surface without anything to believe in it


class MeanSurface:
    """The sum of the edge correlations of many pairs; may be added to from several threads."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, int], tuple[int, npt.NDArray[np.complex128]]] = {}
        self._lock = threading.Lock()

    def add(self, a: Pictures, b: Pictures) -> None:
        """Correlate the edges of two halves, uint8 ``(height, width, 3)``."""
        (one, factor), (two, _) = (reduce_centre(half, SURFACE) for half in (a, b))
        spectra = spectra_of(np.stack([edges(half.astype(np.float32) @ LUMA) for half in (one, two)]))
        cross = spectra[0] * spectra[1].conj()
        length = np.abs(cross)
        cross /= length + 1e-6 * length.mean() + 1e-12
        with self._lock:
            count, total = self._sums.get((len(one), factor), (0, np.zeros(cross.shape, np.complex128)))
            total += cross
            self._sums[len(one), factor] = (count + 1, total)

    def shift(self) -> tuple[float, float, float]:
        """How far B lies right of and below A, in pixels of the halves, and the peak's strength.

        The peak is refined by a parabola through its neighbours where a reduced pixel is several.
        """
        surface, factor, _ = self._surface()
        side = len(surface)
        if not side:
            return 0.0, 0.0, 0.0
        strength = float((surface.max() - surface.mean()) / (surface.std() + 1e-12))
        top, left = divmod(int(surface.argmax()), side)
        down = _refined(surface[:, left], top) if factor > 1 else float(top)
        right = _refined(surface[top], left) if factor > 1 else float(left)
        signed = [place - side if place > side / 2 else place for place in (right, down)]
        return -signed[0] * factor, -signed[1] * factor, strength

    def plot(self) -> dict[str, Any]:
        """The surface for a picture of it; JSON types only.

        ``cell`` is the side of a cell in pixels of a half; ``heights`` are rows of 33 cells, from
        16 cells above to 16 below and left to right, each the highest value in it in deviations
        above the mean (halves of fewer pixels have no heights); ``pairs`` how many were summed;
        ``right``, ``down`` and ``strength`` the peak.
        """
        surface, factor, pairs = self._surface()
        if not pairs:
            return {}
        right, down, strength = self.shift()
        if len(surface) < PLOT_CELLS:
            return {"pairs": pairs, "right": right, "down": down, "strength": strength}
        block = max(1, len(surface) // (2 * PLOT_CELLS))
        half = block * PLOT_CELLS // 2
        # a place on the surface is minus the shift of B
        around = np.roll(surface, (half, half), (0, 1))[: block * PLOT_CELLS, : block * PLOT_CELLS][
            ::-1, ::-1
        ]
        heights = (around - surface.mean()) / (surface.std() + 1e-12)
        cells = heights.reshape(PLOT_CELLS, block, PLOT_CELLS, block).max((1, 3))
        return {
            "pairs": pairs,
            "right": round(right, 1),
            "down": round(down, 1),
            "strength": round(strength, 1),
            "cell": block * factor,
            "heights": cells.round(1).tolist(),
        }

    def _surface(self) -> tuple[Floats, int, int]:
        """Of the most frequent size: the sum of the surfaces, pixels to one of it, and their number."""
        if not self._sums:
            return np.zeros((0, 0)), 1, 0
        (side, factor), (count, total) = max(self._sums.items(), key=lambda item: item[1][0])
        return np.fft.irfft2(total, s=(side, side)), factor, count


def set_findings(surface: MeanSurface) -> tuple[list[Finding], tuple[float, float]]:
    """An error when all of B lies beside A; and that shift (right, down), zero when there is none."""
    right, down, strength = surface.shift()
    if strength < SET_STRENGTH or max(abs(right), abs(down)) < MIN_SHIFT:
        return [], (0.0, 0.0)
    right, down = round(right), round(down)
    message = (
        f"the whole set is misaligned: B lies {_direction(right, down)} of where A has it "
        f"(peak of the mean edge correlation {strength:.0f} deviations high)"
    )
    values = {"right": right, "down": down, "strength": round(strength, 1)}
    return [Finding("set_misaligned", "error", (), message, values)], (right, down)


def pair_findings(
    samples: list[Sample], shift: tuple[float, float], progress: Callable[[float], None]
) -> list[Finding]:
    """Single pairs whose halves do not lie upon each other, apart from the set's own ``shift``."""
    if len(samples) < MIN_PAIRS:
        return []
    chosen = np.random.default_rng(0).permutation(len(samples))[:_LEARN_FROM]
    factor = samples[0].factor
    reduced = round(shift[0] / factor), round(shift[1] / factor)
    matcher = Matcher.learn([samples[at] for at in chosen], reduced)
    done = 0

    def judge(sample: Sample) -> Place:
        nonlocal done
        place = matcher.place(sample)
        done += 1  # only the progress reads it
        progress(done / len(samples))
        return place

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        places = list(pool.map(judge, samples))
    usual = float(np.median([place.deviation for place in places]))
    findings = []
    for sample, place in zip(samples, places, strict=True):
        severity = _severity(place, usual)
        if severity:
            findings.append(_pair_finding(sample, place, severity))
    return findings


def _severity(place: Place, usual: float) -> Severity | None:
    """How sure it is that a pair is wrong; None where it is seen to be right."""
    if place.deviation < _FAINT * usual:
        return "notice"
    if place.margin < WARNING_MARGIN:
        return "notice" if place.doubt >= NOTICE_MARGIN else None
    return "error" if place.margin >= ERROR_MARGIN else "warning"


def _pair_finding(sample: Sample, place: Place, severity: Severity) -> Finding:
    name = sample.entry.name
    right, down = place.right * sample.factor, place.down * sample.factor
    if severity == "notice":
        message = f"{name}: nothing tells that B lies upon A"
    else:
        message = f"{name}: B seems to lie {_direction(right, down)} of A (margin {place.margin:.1f})"
    values = {"right": right, "down": down, "margin": round(place.margin, 2), "here": round(place.here, 2)}
    return Finding("misaligned", severity, (name,), message, values)


def _refined(line: Floats, at: int) -> float:
    """Place of a peak between samples by the parabola through it and its neighbours (circular)."""
    before, peak, after = line[at - 1], line[at], line[(at + 1) % len(line)]
    return at + 0.5 * float(before - after) / (float(before - 2 * peak + after) - 1e-12)


def _direction(right: float, down: float) -> str:
    """A shift in words, such as ``16 px right``."""
    words = [
        f"{abs(value):.0f} px {positive if value > 0 else negative}"
        for value, positive, negative in ((right, "right", "left"), (down, "below", "above"))
        if value
    ]
    return " and ".join(words) or "beside it"
