"""One half against the other: blanks, exchanged halves, grey pictures."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from mapgan.doctor.files import Sample
from mapgan.doctor.looks import COLOURS, FILLED, SMOOTH
from mapgan.doctor.report import Finding

Floats = npt.NDArray[np.float64]

FEW: Final = 8
"""Fewer pairs have no statistics worth the name."""
SWAPPED: Final = -0.15
"""Score, in units of the usual one, below which halves are called exchanged; 0 is undecided."""
SWAPPED_BLANK: Final = -0.6
"""The same where one half is blank, which looks like a map."""
DRAWN: Final = 0.25
"""How much more of A than of B its four most frequent colours fill when A looks drawn."""
GREY: Final = 4
"""Levels between the channels that 99.5 % of a grey picture's pixels stay within."""


def blank_findings(samples: list[Sample]) -> list[Finding]:
    """A notice for each flat half."""
    findings = []
    for sample in samples:
        flat = [half for half, blank in zip(sample.entry.halves, sample.blank, strict=True) if blank]
        if flat:
            name = sample.entry.name
            which = " and ".join(flat)
            message = f"{name}: {which} {'is' if len(flat) == 1 else 'are'} blank (one flat colour)"
            findings.append(Finding("blank", "notice", (name,), message, {"halves": flat}))
    return findings


def is_blank(sample: Sample) -> bool:
    """Whether either half is flat."""
    return any(sample.blank)


def grey_findings(samples: list[Sample], told: set[str]) -> list[Finding]:
    """A notice for each grey half in a set of colours, apart from tiles that were ``told`` of already."""
    spread = [sample.grey for sample in samples]
    if not samples or np.mean([max(each) <= GREY for each in spread]) > 0.5:
        return []
    usual = [np.mean([each[half] <= GREY for each in spread]) > 0.5 for half in range(len(spread[0]))]
    findings = []
    for sample, each in zip(samples, spread, strict=True):
        grey = [
            half
            for half, levels, blank, common in zip(
                sample.entry.halves, each, sample.blank, usual, strict=True
            )
            if levels <= GREY and not blank and not common
        ]
        if grey and sample.entry.name not in told:
            name = sample.entry.name
            message = f"{name}: {' and '.join(grey)} is grey, though most have colours"
            findings.append(Finding("colour_mode", "notice", (name,), message, {"halves": grey}))
    return findings


def swap_findings(samples: list[Sample]) -> list[Finding]:
    """Pairs whose halves look exchanged, by what tells A from B in the rest of the set.

    Fisher's linear discriminant of the differences between the looks of A and B (see
    :func:`mapgan.doctor.looks.looks`): with mean m and covariance S of the differences d, a pair
    scores ``d . S^-1 m``; a pair whose score has the opposite sign of most looks exchanged. Pairs on
    the wrong side are left out and the discriminant is found again, three times, so that they do not
    hide themselves. Pairs with a blank half teach nothing and are judged with more care; nobody is
    where A and B cannot be told apart.
    """
    blank = np.array([is_blank(sample) for sample in samples], bool)
    if (~blank).sum() < FEW:
        return []
    differences = np.stack([sample.looks[0] - sample.looks[1] for sample in samples])
    differences /= np.sqrt(np.square(differences[~blank]).mean(0)) + 1e-9
    score = differences @ np.median(differences[~blank], axis=0)
    for _ in range(3):
        good = differences[(score > 0) & ~blank]
        if len(good) < max(FEW, 0.6 * (~blank).sum()):
            return []
        covariance = np.cov(good.T) + 0.05 * np.eye(good.shape[1])
        score = differences @ np.linalg.solve(covariance, good.mean(0))
    usual = float(np.median(score[~blank]))
    findings = []
    for sample, value, flat in zip(samples, score / usual, blank, strict=True):
        if value < (SWAPPED_BLANK if flat else SWAPPED):
            name = sample.entry.name
            message = f"{name}: the halves look exchanged (score {value:.2f}, usual 1)"
            findings.append(Finding("swapped", "error", (name,), message, {"score": round(float(value), 3)}))
    return findings


def set_swap_findings(samples: list[Sample]) -> list[Finding]:
    """A warning when A looks drawn and B photographed in most pairs: maps have few, flat colours."""
    judged = [sample for sample in samples if not is_blank(sample)]
    if len(judged) < FEW:
        return []
    looks = np.stack([sample.looks for sample in judged])
    colours, filled, smooth = (looks[:, 0, at] - looks[:, 1, at] for at in (COLOURS, FILLED, SMOOTH))
    drawn = (filled > DRAWN) & (smooth > 0) & (colours < 0)
    share = float(drawn.mean())
    if share < 0.6:
        return []
    first = samples[0].entry.pair
    where = "those of A" if first.b else f"the {first.a_side} halves"
    other = "right" if first.a_side == "left" else "left"
    advice = "exchange the two folders" if first.b else f"use --a-side {other}"
    message = f"{where} look like maps and the others like photographs in {share:.0%} of the pairs; {advice}"
    return [Finding("set_swapped", "warning", (), message, {"share": round(share, 3)})]


def colour_summary(samples: list[Sample]) -> dict[str, dict[str, list[float]]]:
    """Mean and standard deviation over all pixels of each half and channel, in grey levels.

    Pictures have one size, so the pooled variance is the mean of ``stdev^2 + mean^2`` less the
    squared pooled mean.
    """
    result: dict[str, dict[str, list[float]]] = {}
    for half in ("A", "B"):
        places = [
            (sample, sample.entry.halves.index(half)) for sample in samples if half in sample.entry.halves
        ]
        if places:
            means = np.stack([sample.mean[at] for sample, at in places])
            squares = np.square(means) + np.square(np.stack([sample.stdev[at] for sample, at in places]))
            mean = means.mean(0)
            stdev = np.sqrt(np.maximum(squares.mean(0) - np.square(mean), 0))
            result[half] = {"mean": mean.round(2).tolist(), "stdev": stdev.round(2).tolist()}
    return result


def colour_histograms(samples: list[Sample]) -> dict[str, list[list[float]]]:
    """Shares of all pixels of each half by level: three channels of 16 bins."""
    result: dict[str, list[list[float]]] = {}
    for half in ("A", "B"):
        places = [
            sample.histogram[sample.entry.halves.index(half)]
            for sample in samples
            if half in sample.entry.halves
        ]
        if places:
            result[half] = np.mean(places, axis=0).round(4).tolist()
    return result
