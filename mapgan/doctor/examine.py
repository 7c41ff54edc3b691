"""The examination from beginning to end."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from mapgan.doctor import alignment, files, ground, halves
from mapgan.doctor.files import Entry, Sample
from mapgan.doctor.report import SEVERITIES, Finding, Report

Progress: TypeAlias = Callable[[str, float], None]
"""Called with what is being done and the share of it that is, 0 to 1, from any thread."""


def silent(_stage: str, _share: float) -> None:
    """No progress."""


def examine(root: Path, *, progress: Progress = silent) -> Report:
    """Look at every pair of a folder, alone, against its other half, and against all others.

    Args:
        root: a folder in a layout of :mod:`mapgan.datasets`: pictures of two halves or ``A/`` and
            ``B/``, in ``train/``, ``val/`` and ``test/`` or flat.
        progress: is told how far it is.

    Raises:
        mapgan.datasets.DatasetError: no such folder, or no picture in it.
    """
    entries, findings = files.list_entries(root)
    surface = alignment.MeanSurface()
    samples, found = _read(entries, surface, lambda share: progress("reading", share))
    findings += found
    samples, found = files.size_findings(samples)
    findings += found + halves.blank_findings(samples)
    swapped = halves.swap_findings(samples)
    findings += swapped + halves.colour_outliers(samples)
    aside = {tile for finding in swapped for tile in finding.tiles}
    judged = [sample for sample in samples if sample.entry.name not in aside and not halves.is_blank(sample)]
    found, shift = alignment.set_findings(surface)
    findings += found
    findings += alignment.pair_findings(judged, shift, lambda share: progress("aligning", share))
    copies = ground.find_copies(samples)
    links = ground.find_links(samples, lambda share: progress("comparing the ground", share))
    findings += ground.ground_findings(samples, links, copies)
    names = [sample.entry.name for sample in samples]
    return Report(
        pairs=_counted(entries, samples),
        colours=halves.colour_summary(samples),
        findings=sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)),
        groups=[[names[at] for at in group] for group in ground.join(len(samples), [*links, *copies])],
        tiles=names,
    )


def _read(
    entries: list[Entry], surface: alignment.MeanSurface, progress: Callable[[float], None]
) -> tuple[list[Sample], list[Finding]]:
    """All pairs that can be read, on all cores, in the order of ``entries``."""
    done = 0

    def read(entry: Entry) -> tuple[Sample | None, list[Finding]]:
        nonlocal done
        result, findings = files.read_sample(entry)
        if result is not None:
            surface.add(result[1], result[2])
        done += 1  # only the progress reads it
        progress(done / len(entries))
        return result[0] if result else None, findings

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(read, entries))
    return [sample for sample, _ in results if sample], [item for _, found in results for item in found]


def _counted(entries: list[Entry], samples: list[Sample]) -> dict[str, int]:
    """Usable pairs by split, with a zero for a split that has none."""
    counts = {entry.split: 0 for entry in entries}
    for sample in samples:
        counts[sample.entry.split] += 1
    return counts
