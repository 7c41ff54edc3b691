"""The examination from beginning to end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from mapgan.datasets import DatasetError
from mapgan.doctor import alignment, colours, copies, files, ground, halves
from mapgan.doctor.files import Sample
from mapgan.doctor.listing import Entry, Listing, list_entries
from mapgan.doctor.reducing import Pictures
from mapgan.doctor.report import SEVERITIES, Finding, Report

MOST_TILES: Final = 20_000
"""Comparing all of them with all takes more than an hour, and 140 kB of memory each."""
FREE_PIXELS: Final = 4 * 10**8
"""Pixels of all pictures below which it does not matter how small their files are."""
MAX_PIXELS_A_BYTE: Final = 100
"""Pixels to a byte of their files, on average; drawn maps have some tens, photographs less than ten."""

Progress: TypeAlias = Callable[[str, float], None]
"""Called with what is being done and the share of it that is, 0 to 1, from any thread."""


def silent(_stage: str, _share: float) -> None:
    """No progress."""


def examine(
    root: Path, *, a_side: str = "left", unpaired: bool = False, progress: Progress = silent
) -> Report:
    """Look at every pair of a folder, alone, against its other half, and against all others.

    Args:
        root: a folder in a layout of :mod:`mapgan.datasets`.
        a_side: the half of a side-by-side picture that is A, ``left`` or ``right``.
        unpaired: two folders are two domains, whatever their names.
        progress: is told how far it is.

    Raises:
        mapgan.datasets.DatasetError: no such folder, one that cannot be read, or no picture in it; more
            than :data:`MOST_TILES`, or pictures that are larger than their files make believable.
    """
    listing = list_entries(root, a_side, unpaired=unpaired)
    if len(listing.entries) > MOST_TILES:
        raise DatasetError(
            f"there are {len(listing.entries):,} pictures; at most {MOST_TILES:,} are compared with each "
            "other: split the data set"
        )
    surface = alignment.MeanSurface()
    samples, findings = _read(listing.entries, surface, lambda share: progress("reading", share))
    findings = listing.findings + findings
    kept: list[Sample] = []
    groups: list[list[str]] = []
    for pictures in (("A", "B"), ("A",), ("B",)):
        good, found = files.size_findings([each for each in samples if each.entry.halves == pictures])
        findings += found + _alone(good, {tile for finding in findings for tile in finding.tiles})
        if len(pictures) == 2:
            findings += _together(good, surface, progress)
        found, together = _against_others(good, progress)
        findings += found
        groups += together
        kept += good
    return Report(
        pairs=_counted(listing, kept),
        colours=halves.colour_summary(kept),
        findings=sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)),
        groups=groups,
        tiles=[sample.entry.name for sample in kept],
        layout=listing.layout,
        size=files.usual_size(kept),
        histograms=halves.colour_histograms(kept),
        alignment=surface.plot(),
    )


def _alone(samples: list[Sample], told: set[str]) -> list[Finding]:
    """What each picture shows without any other."""
    found = halves.blank_findings(samples) + halves.grey_findings(samples, told)
    return found + colours.colour_outliers(samples, told)


def _together(samples: list[Sample], surface: alignment.MeanSurface, progress: Progress) -> list[Finding]:
    """One half of a pair against the other."""
    swapped = halves.swap_findings(samples)
    aside = {tile for finding in swapped for tile in finding.tiles}
    judged = [sample for sample in samples if sample.entry.name not in aside and not halves.is_blank(sample)]
    found, shift = alignment.set_findings(surface)
    pairs = alignment.pair_findings(judged, shift, lambda share: progress("aligning", share))
    return swapped + halves.set_swap_findings(samples) + found + pairs


def _against_others(samples: list[Sample], progress: Progress) -> tuple[list[Finding], list[list[str]]]:
    """Copies and shared ground; and the groups, by name, that a split must not divide."""
    if not samples:
        return [], []
    coarse = np.stack([sample.coarse for sample in samples])
    fine = np.stack([sample.fine[0] for sample in samples])
    compared = ground.compare(coarse, fine, lambda share: progress("comparing the ground", share))
    twice = copies.find_copies(samples, compared.overlaps)
    findings = copies.copy_findings(samples, twice)
    findings += copies.overlap_findings(samples, compared.overlaps, twice)
    links = [*compared.links(), *((copy.first, copy.second) for copy in twice)]
    groups = ground.join(len(samples), links)
    return findings, [[samples[at].entry.name for at in group] for group in groups]


def _read(
    entries: list[Entry], surface: alignment.MeanSurface, progress: Callable[[float], None]
) -> tuple[list[Sample], list[Finding]]:
    """All that can be read, on all cores, in the order of ``entries``."""
    done = 0
    weight = _Weight()
    wanted = set(np.linspace(0, len(entries) - 1, alignment.SET_PAIRS).astype(int).tolist())

    def read(at: int) -> tuple[Sample | None, list[Finding]]:
        nonlocal done
        result, findings = files.read_sample(entries[at])
        if result is not None:
            weight.add(entries[at], result[1])
        if result is not None and len(result[1]) == 2 and at in wanted:
            surface.add(*result[1])
        done += 1  # only the progress reads it
        progress(done / len(entries))
        return result[0] if result else None, findings

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(read, range(len(entries))))
    return [sample for sample, _ in results if sample], [item for _, found in results for item in found]


class _Weight:
    """Pixels against bytes of what was read; a small file of a vast picture costs seconds to look at."""

    def __init__(self) -> None:
        self._pixels = self._bytes = 0
        self._lock = threading.Lock()

    def add(self, entry: Entry, halves: list[Pictures]) -> None:
        """Count an entry.

        Raises:
            DatasetError: all so far are larger than their files make believable.
        """
        paths = [path for path in (entry.pair.a, entry.pair.b) if path]
        with self._lock:
            self._pixels += sum(half.shape[0] * half.shape[1] for half in halves)
            self._bytes += sum(path.stat().st_size for path in paths)
            if self._pixels > max(FREE_PIXELS, MAX_PIXELS_A_BYTE * self._bytes):
                raise DatasetError(
                    f"the pictures unpack to {self._pixels // 10**6:,} megapixels out of "
                    f"{self._bytes / 1e6:.1f} MB, which photographs and maps do not; they are not examined"
                )


def _counted(listing: Listing, samples: list[Sample]) -> dict[str, int]:
    """Usable pairs (or pictures) by split, with a zero for a split that has none."""
    counts = {entry.split: 0 for entry in listing.entries}
    for sample in samples:
        counts[sample.entry.split] += 1
    return counts
