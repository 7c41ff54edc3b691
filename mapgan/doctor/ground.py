"""Which tiles show the same ground: copies, re-encoded copies, and neighbours that overlap.

Phase correlation (Kuglin and Hines 1975): the inverse transform of the phases of ``F_i conj(F_j)``
has a peak at the shift between two pictures; its height, 0 to 1, tells how much they share. Every
tile is compared with every other one, on whole aerial halves of 64x64 pixels under a Hann window;
there is no shorter list of candidates to miss anything. The cost grows with the square of the number
of tiles, 0.2 ms a comparison.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mapgan.doctor.files import COARSE, FINE, Sample
from mapgan.doctor.report import Finding

Spectra = npt.NDArray[np.complex64]

KEPT_TOGETHER: Final = 0.165
"""Coarse correlation from which a split keeps two tiles together. Low: a needless link costs nothing."""
OVERLAP: Final = 0.25
"""Coarse correlation from which two tiles are said to overlap."""
OVERLAP_FINE: Final = 0.12
"""The same at 128x128 without a window, which sees the borders; chance stays below 0.06."""
COPY_CANDIDATE: Final = 0.95
COPY_CORRELATION: Final = 0.95
COPY_DIFFERENCE: Final = 8.0
"""A copy correlates with its original at 128x128 and differs by fewer grey levels on average."""
COPY_CONTRAST: Final = 3.0
"""Grey levels of standard deviation below which there is nothing to recognise."""
_BLOCK: Final = 64  # comparisons transformed at once: they stay in the processor's cache


@dataclass(frozen=True)
class Link:
    """Two samples, by their places in the list, and the height of their correlation's peak."""

    first: int
    second: int
    height: float


def find_links(samples: list[Sample], progress: Callable[[float], None]) -> list[Link]:
    """Every two samples whose coarse correlation reaches :data:`KEPT_TOGETHER`."""
    if len(samples) < 2:
        return []
    spectra = _phases(np.stack([sample.coarse for sample in samples]), window=True)
    total = len(samples) * (len(samples) - 1) / 2
    done = 0

    def row(first: int) -> list[Link]:
        nonlocal done
        links = []
        conjugate = spectra[first].conj()
        for start in range(first + 1, len(samples), _BLOCK):
            surface = np.fft.irfft2(spectra[start : start + _BLOCK] * conjugate, s=(COARSE, COARSE))
            heights = surface.reshape(len(surface), -1).max(1)
            links += [
                Link(first, start + int(at), float(heights[at]))
                for at in np.flatnonzero(heights >= KEPT_TOGETHER)
            ]
        done += len(samples) - 1 - first  # only the progress reads it
        progress(done / total)
        return links

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [link for links in pool.map(row, range(len(samples) - 1)) for link in links]


def find_copies(samples: list[Sample]) -> list[Link]:
    """Every two samples that show the same picture: equal pixels, or equal but for the encoding.

    Candidates agree in their 16x16 means of both halves; they are verified at 128x128 by the
    correlation of both halves and their mean difference.
    """
    if len(samples) < 2:
        return []
    side = FINE // 8
    fine = np.stack([sample.fine for sample in samples]).astype(np.float32)
    small = fine.reshape(len(samples), 2, side, 8, side, 8).mean((3, 5)).reshape(len(samples), -1)
    small -= small.mean(1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True) + 1e-6
    alike = small @ small.T >= COPY_CANDIDATE
    digests = np.unique([sample.digest for sample in samples], return_inverse=True)[1]
    same = digests[:, None] == digests[None]
    copies = []
    for first, second in np.argwhere(np.triu(alike | same, 1)):
        correlation = 1.0 if same[first, second] else _agreement(fine[first], fine[second])
        if correlation >= COPY_CORRELATION:
            copies.append(Link(int(first), int(second), correlation))
    return copies


def ground_findings(samples: list[Sample], links: list[Link], copies: list[Link]) -> list[Finding]:
    """Copies as warnings; overlaps as notices within a split and as warnings across splits."""
    findings = []
    for copy in copies:
        one, two = samples[copy.first], samples[copy.second]
        exact = one.digest == two.digest
        how = "are the same picture" if exact else "are the same picture in two encodings"
        findings.append(
            Finding(
                "duplicate",
                "warning",
                (one.entry.name, two.entry.name),
                f"{one.entry.name} and {two.entry.name} {how}{_across(one, two)}",
                {"exact": exact, "correlation": round(copy.height, 4)},
            )
        )
    known = {(copy.first, copy.second) for copy in copies}
    for link in links:
        if (link.first, link.second) in known:
            continue
        one, two = samples[link.first], samples[link.second]
        height, right, down = fine_overlap(one, two)
        if link.height < OVERLAP and height < OVERLAP_FINE:
            continue
        across = _across(one, two)
        findings.append(
            Finding(
                "overlap",
                "warning" if across else "notice",
                (one.entry.name, two.entry.name),
                f"{one.entry.name} and {two.entry.name} show overlapping ground{across}",
                {
                    "coarse": round(link.height, 3),
                    "fine": round(height, 3),
                    "shift": [round(right, 3), round(down, 3)],
                },
            )
        )
    return findings


def fine_overlap(one: Sample, two: Sample) -> tuple[float, float, float]:
    """Peak of the fine correlation, and where it lies: right and down, in sides of a tile."""
    spectra = _phases(np.stack([one.fine[0], two.fine[0]]), window=False)
    surface = np.fft.irfft2(spectra[0] * spectra[1].conj(), s=(FINE, FINE))
    down, right = (int(place) for place in np.unravel_index(int(surface.argmax()), surface.shape))
    signed = [(place - FINE if place > FINE // 2 else place) / FINE for place in (right, down)]
    return float(surface.max()), signed[0], signed[1]


def join(count: int, links: Iterable[Link]) -> list[list[int]]:
    """Connected groups of two or more of ``count`` samples, each in order."""
    parent = list(range(count))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for link in links:
        parent[root(link.second)] = root(link.first)
    groups: dict[int, list[int]] = {}
    for at in range(count):
        groups.setdefault(root(at), []).append(at)
    return [group for group in groups.values() if len(group) > 1]


def _phases(grey: npt.NDArray[np.uint8], *, window: bool) -> Spectra:
    """Spectra of ``(n, s, s)`` pictures without their means, every coefficient of length 1."""
    values = grey.astype(np.float32)
    values -= values.mean((1, 2), keepdims=True)
    if window:
        taper = np.hanning(values.shape[1]).astype(np.float32)
        values *= np.outer(taper, taper)
    spectra = np.fft.rfft2(values).astype(np.complex64)
    spectra[:, 0, 0] = 0
    length = np.abs(spectra)
    whitened: Spectra = spectra / (length + 1e-6 * length.mean() + 1e-12)
    return whitened


def _agreement(one: npt.NDArray[np.float32], two: npt.NDArray[np.float32]) -> float:
    """The smaller of the halves' correlations at 128x128; 0 where the pictures differ or are flat."""
    if np.abs(one - two).mean() > COPY_DIFFERENCE:
        return 0.0
    one, two = (half - half.mean((1, 2), keepdims=True) for half in (one, two))
    stdevs = [np.sqrt(np.square(half).mean((1, 2))) for half in (one, two)]
    if min(stdev[0] for stdev in stdevs) < COPY_CONTRAST:
        return 0.0
    products = (one * two).mean((1, 2)) / (stdevs[0] * stdevs[1] + 1e-9)
    drawn = min(stdev[1] for stdev in stdevs) >= COPY_CONTRAST
    return float(products.min() if drawn else products[0])


def _across(one: Sample, two: Sample) -> str:
    """Words for two samples of different splits, nothing otherwise."""
    if one.entry.split == two.entry.split:
        return ""
    return f", in {one.entry.split} and {two.entry.split}: what is learned there is not new here"
