"""Halves in the wrong colours: channels exchanged, negatives, tints, exposures, by what the others look like.

Nine figures tell the colours of a half (:func:`mapgan.doctor.looks.thirds`). Sets are mixtures (towns,
fields, open water), so nothing is compared with a mean: a half is at home where it has neighbours. Its
distance is that to the tenth of them, in the space in which the central nine tenths of the set have unit
covariance. A half whose red and blue are exchanged is rarely far from the others, but it is nearer to
them once they are exchanged back; and so with negatives.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from mapgan.doctor.files import Sample
from mapgan.doctor.looks import FILLED
from mapgan.doctor.report import Finding, Severity

Floats = npt.NDArray[np.float64]

LEAST: Final = 40
"""Fewer halves do not show what is usual."""
NEAR: Final = 10
"""The neighbour that counts; in small sets every twentieth half is one."""
REFERENCES: Final = 2_000
"""Halves, evenly spread, among which neighbours are looked for."""
MENDED, SURELY_MENDED = 1.05, 1.2
"""How many times as far a half is as it would be changed back: worth a notice, worth a warning."""
FAR, FAR_DRAWN = 2.2, 2.8
"""Power of the distance that three quarters keep at which a photograph, or a drawing, is unusual: drawings
have few colours, and those of an airport or a park are rightly far from all others."""
LEAST_FAR: Final = 2.6
"""Usual distances that are never unusual."""
VERY_FAR: Final = 2.0
"""Times as far away as that: worth a warning."""
MOSTLY_FILLED: Final = 0.7
"""Share of a drawing that its four most frequent colours fill."""
_TRIMMED: Final = 0.9  # the rest teaches no covariance
_NOISE: Final = 1.0  # variance, in squared levels, below which nothing counts
_ALIKE: Final = 0.1  # usual distance below which nothing counts


def exchanged(figures: Floats) -> Floats:
    """Figures ``(n, 9)`` of the same halves with red and blue exchanged."""
    found = figures.copy()
    found[:, 3:6] *= -1
    return found


def inverted(figures: Floats) -> Floats:
    """Figures ``(n, 9)`` of the negatives, whose darkest third was the brightest."""
    found = -figures[:, [2, 1, 0, 5, 4, 3, 8, 7, 6]]
    found[:, :3] += 255
    return found


def colour_outliers(samples: list[Sample], told: set[str]) -> list[Finding]:
    """A finding for each half in other colours than the rest, apart from tiles that were ``told`` of."""
    findings = []
    for at, half in enumerate(samples[0].entry.halves if samples else ()):
        judged = [each for each in samples if not each.blank[at] and each.entry.name not in told]
        if len(judged) < LEAST:
            continue
        figures = np.stack([sample.thirds[at] for sample in judged])
        own, back, negative = distances(figures, exchanged(figures), inverted(figures))
        drawn = np.median([sample.looks[at, FILLED] for sample in judged]) > MOSTLY_FILLED
        limit = max(LEAST_FAR, float(np.quantile(own, 0.75)) ** (FAR_DRAWN if drawn else FAR))
        for sample, values in zip(judged, zip(own, back, negative, strict=True), strict=True):
            found = _finding(sample.entry.name, half, *map(float, values), limit=limit)
            findings += [found] if found else []
    return findings


def _finding(
    name: str, half: str, distance: float, back: float, negative: float, *, limit: float
) -> Finding | None:
    """What is to say of a half at these distances: as it is, its channels exchanged, inverted."""
    looks, message, mended = min(
        ("exchanged", f"red and blue of {half} look exchanged", back),
        ("inverted", f"{half} looks like a negative", negative),
        key=lambda each: each[2],
    )
    gain = (distance + _ALIKE) / (mended + _ALIKE)
    severity: Severity = "warning" if gain > SURELY_MENDED else "notice"
    values = {"half": half, "looks": looks, "distance": round(distance, 2), "mended": round(mended, 2)}
    if gain <= MENDED or mended > limit:
        if distance <= limit:
            return None
        severity = "warning" if distance > VERY_FAR * limit else "notice"
        message = f"the colours of {half} are unusual, {distance:.1f} times as far from the others as most"
        values = {"half": half, "looks": "unusual", "distance": round(distance, 2)}
    return Finding("colour_outlier", severity, (name,), f"{name}: {message}", values)


def distances(figures: Floats, *others: Floats) -> list[Floats]:
    """How far each half is from its neighbours, in usual distances: as it is, and changed into ``others``.

    Args:
        figures: ``(n, 9)``, n at least :data:`LEAST`.
        others: the same of the same halves, changed in some way.
    """
    whitener = _whitener(figures)
    rows = np.linspace(0, len(figures) - 1, min(len(figures), REFERENCES)).astype(int)
    references = figures[rows] @ whitener
    nth = max(1, min(NEAR, len(rows) // 20))
    found = []
    for changed in (figures, *others):
        points = changed @ whitener
        each = np.empty(len(points))
        for row, point in enumerate(points):
            apart = np.square(references - point).sum(1)
            apart[rows == row] = np.inf
            each[row] = np.partition(apart, nth - 1)[nth - 1]
        found.append(np.sqrt(each))
    usual = np.median(found[0]) + 1e-9
    return [each / usual for each in found]


def _whitener(figures: Floats) -> Floats:
    """``(9, 9)``; the central halves times it have unit covariance."""
    median = np.median(figures, axis=0)
    far: Floats = (np.square(figures - median) / (np.square(figures - median).mean(0) + _NOISE)).sum(1)
    inverse: Floats = np.eye(figures.shape[1])
    for _ in range(4):
        central = figures[far <= np.quantile(far, _TRIMMED)]
        inverse = np.linalg.inv(np.cov(central.T) + _NOISE * np.eye(figures.shape[1])).astype(np.float64)
        aside = figures - central.mean(0)
        far = np.einsum("ij,jk,ik->i", aside, inverse, aside).astype(np.float64)
    whitener: Floats = np.linalg.cholesky(inverse).astype(np.float64)
    return whitener
