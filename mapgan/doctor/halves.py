"""One half against the other: blanks, exchanged halves, colour outliers."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from mapgan.doctor.files import Sample
from mapgan.doctor.report import Finding

Floats = npt.NDArray[np.float64]

FLAT: Final = 1.5
"""A half whose every channel has a smaller standard deviation, in grey levels, is blank."""
FEW: Final = 8
"""Fewer pairs have no statistics worth the name."""
OUTLIER: Final = 8.0
"""Robust deviations from the median that make a colour outlier."""
SWAPPED: Final = -0.15
"""Score, in units of the usual one, below which halves are called exchanged; 0 is undecided."""
_BITS_DROPPED: Final = 4  # colours are counted in bins of 16 levels
_MAD_TO_SIGMA: Final = 1.4826  # of a normal distribution
_HALVES: Final = ("A", "B")


def blank_findings(samples: list[Sample]) -> list[Finding]:
    """A notice for each flat half."""
    findings = []
    for sample in samples:
        flat = [half for half, stdev in zip(_HALVES, sample.stdev, strict=True) if stdev.max() < FLAT]
        if flat:
            name = sample.entry.name
            which = " and ".join(flat)
            message = f"{name}: {which} {'is' if len(flat) == 1 else 'are'} blank (one flat colour)"
            findings.append(Finding("blank", "notice", (name,), message, {"halves": flat}))
    return findings


def is_blank(sample: Sample) -> bool:
    """Whether either half is flat."""
    return bool((sample.stdev.max(1) < FLAT).any())


def swap_findings(samples: list[Sample]) -> list[Finding]:
    """Pairs whose halves look exchanged, by what tells A from B in the rest of the set.

    Fisher's linear discriminant of the differences between the looks of A and B (see :func:`_looks`):
    with mean m and covariance S of the differences d, a pair scores ``d . S^-1 m``; a pair whose
    score has the opposite sign of most looks exchanged. Pairs on the wrong side are left out and
    the discriminant is found again, three times, so that they do not hide themselves. Pairs with a
    blank half are not judged, and nobody is where A and B cannot be told apart.
    """
    judged = [sample for sample in samples if not is_blank(sample)]
    if len(judged) < FEW:
        return []
    differences = np.stack([_looks(sample, 0) - _looks(sample, 1) for sample in judged])
    differences /= np.sqrt(np.square(differences).mean(0)) + 1e-9
    score = differences @ np.median(differences, axis=0)
    for _ in range(3):
        good = differences[score > 0]
        if len(good) < max(FEW, 0.6 * len(judged)):
            return []
        covariance = np.cov(good.T) + 0.05 * np.eye(good.shape[1])
        score = differences @ np.linalg.solve(covariance, good.mean(0))
    usual = float(np.median(score))
    findings = []
    for sample, value in zip(judged, score / usual, strict=True):
        if value < SWAPPED:
            name = sample.entry.name
            message = f"{name}: the halves look exchanged (score {value:.2f}, usual 1)"
            findings.append(Finding("swapped", "error", (name,), message, {"score": round(float(value), 3)}))
    return findings


def colour_summary(samples: list[Sample]) -> dict[str, dict[str, list[float]]]:
    """Mean and standard deviation over all pixels of each half and channel, in grey levels.

    Pictures have one size, so the pooled variance is the mean of ``stdev^2 + mean^2`` less the
    squared pooled mean.
    """
    if not samples:
        return {}
    means = np.stack([sample.mean for sample in samples])
    squares = np.square(means) + np.square(np.stack([sample.stdev for sample in samples]))
    mean = means.mean(0)
    stdev = np.sqrt(np.maximum(squares.mean(0) - np.square(mean), 0))
    return {
        half: {"mean": mean[index].round(2).tolist(), "stdev": stdev[index].round(2).tolist()}
        for index, half in enumerate(_HALVES)
    }


def colour_outliers(samples: list[Sample]) -> list[Finding]:
    """A notice for each pair whose means or deviations lie far out, by median and MAD."""
    if len(samples) < FEW:
        return []
    figures = np.stack([np.stack([sample.mean, sample.stdev]) for sample in samples])  # (n, 2, half, 3)
    median = np.median(figures, axis=0)
    spread = _MAD_TO_SIGMA * np.median(np.abs(figures - median), axis=0) + 1.0
    deviation = np.abs(figures - median) / spread
    findings = []
    for sample, far in zip(samples, deviation, strict=True):
        if far.max() > OUTLIER:
            half = _HALVES[int(np.unravel_index(int(far.argmax()), far.shape)[1])]
            name = sample.entry.name
            message = f"{name}: the colours of {half} are {far.max():.0f} deviations from the usual"
            values = {"half": half, "deviations": round(float(far.max()), 1)}
            findings.append(Finding("colour_outlier", "notice", (name,), message, values))
    return findings


def _looks(sample: Sample, half: int) -> Floats:
    """What tells a photograph from a drawing, ``(8,)``.

    Mean colour (3) and its deviation (1) in grey levels; the logarithm of the number of colours in
    bins of 16 levels; the share of the most frequent one and of the four most frequent; the share of
    neighbouring pixels that are equal to within one level.
    """
    picture = sample.centre[half]
    bins = (picture >> _BITS_DROPPED).astype(np.int64)
    counts = np.bincount(((bins[..., 0] * 16 + bins[..., 1]) * 16 + bins[..., 2]).ravel())
    share = np.sort(counts)[::-1][:4] / counts.sum()
    grey = sample.fine[half].astype(np.int64)
    smooth = (np.abs(np.diff(grey, axis=1)) <= 1).mean()
    colours = np.log(np.count_nonzero(counts))
    return np.array([*sample.mean[half], sample.stdev[half].mean(), colours, share[0], share.sum(), smooth])
