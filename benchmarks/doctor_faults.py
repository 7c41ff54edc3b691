"""How many planted faults `mapgan doctor` finds, and how many good tiles it accuses.

    python benchmarks/doctor_faults.py DATA [--part odd] [--seeds 1 2 3] [--per-kind 20] [--kinds empty blank]

DATA is a folder of pairs side by side, such as the *maps* set. For every seed its tiles (or every other
one) are copied to a temporary folder, faults of all kinds are planted into tiles drawn by chance
(tests/mapgan/faults.py), and the folder is examined. Prints, a kind a line, how many of the planted
tiles a finding of the right kind names, and with which severity; and how many of the tiles nothing was
done to have an error or a warning. Faults that need something on the map (moved or exchanged halves)
are planted only where there is something: `shows_something` in the same module.

The doctor's thresholds were chosen on the even tiles of the *maps* set; the odd ones are new to it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from mapgan.datasets import find_pairs
from mapgan.doctor.examine import examine
from mapgan.doctor.report import SEVERITIES, Report
from tests.mapgan import faults


def main() -> None:
    """Plant, examine and print, a seed at a time."""
    options = _options()
    tiles = [pair.a for pair in find_pairs(options.data)]
    tiles = tiles[options.part == "odd" :: 1 if options.part == "all" else 2][: options.tiles]
    found: Counter[tuple[str, str]] = Counter()
    missed: list[str] = []
    good: Counter[str] = Counter()
    for seed in options.seeds:
        with tempfile.TemporaryDirectory(prefix="mapgan-faults-") as folder:
            planted = plant(tiles, Path(folder) / "train", options.kinds, options.per_kind, seed)
            started = time.perf_counter(), time.process_time()
            report = examine(Path(folder))
        wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
        count(report, planted, found, missed)
        touched = set().union(*planted.values())
        accused(report, touched, good)
        print(f"seed {seed}: {len(report.tiles)} readable tiles, {wall:.0f} s ({cpu:.0f} s of processor)")
    _print(found, good, options.kinds, len(options.seeds) * options.per_kind)
    print("missed:", ", ".join(missed) or "none")


def plant(
    tiles: list[Path], folder: Path, kinds: list[str], per_kind: int, seed: int
) -> dict[str, list[str]]:
    """Copy the tiles and plant every kind into tiles of its own; their stems by kind."""
    folder.mkdir(parents=True)
    copies = [Path(shutil.copy(path, folder / path.name)) for path in tiles]
    order = [copies[at] for at in np.random.default_rng(seed).permutation(len(copies))]
    planted = {}
    for kind in sorted(kinds, key=lambda kind: kind not in faults.MAP_MUST_SHOW):
        fit = (path for path in order if kind not in faults.MAP_MUST_SHOW or faults.shows_something(path))
        chosen = [path for path, _ in zip(fit, range(per_kind), strict=False)]
        order = [path for path in order if path not in chosen]
        planted[kind] = faults.plant(chosen, kind)
    return planted


def count(
    report: Report, planted: dict[str, list[str]], found: Counter[tuple[str, str]], missed: list[str]
) -> None:
    """Add up, for every planted tile, the worst severity that names it for what it is."""
    for kind, stems in planted.items():
        wanted = faults.KINDS[kind][1]
        worst = {
            tile.split("/")[-1]: finding.severity
            for severity in reversed(SEVERITIES)
            for finding in report.findings
            if finding.kind == wanted and finding.severity == severity
            for tile in finding.tiles
        }
        found.update((kind, worst.get(stem, "missed")) for stem in stems)
        missed += [f"{stem} ({kind} {index})" for index, stem in enumerate(stems) if stem not in worst]


def accused(report: Report, touched: set[str], good: Counter[str]) -> None:
    """Add up the tiles nothing was done to, and those of them that an error or a warning names."""
    untouched = {tile.split("/")[-1] for tile in report.tiles} - touched
    untouched = {stem for stem in untouched if stem.split("_")[-1] not in touched}
    good["tiles"] += len(untouched)
    for severity in SEVERITIES:
        named = {
            (finding.kind, tile.split("/")[-1])
            for finding in report.findings
            if finding.severity == severity
            for tile in finding.tiles
        }
        good[severity] += len({stem for _, stem in named} & untouched)
        good.update(f"{severity} {kind}" for kind, stem in named if stem in untouched)


def _print(found: Counter[tuple[str, str]], good: Counter[str], kinds: list[str], planted: int) -> None:
    """The table."""
    print(f"\n| planted ({planted} of each) | found | error | warning | notice |\n|---|---|---|---|---|")
    for kind in kinds:
        by = [found[kind, severity] for severity in SEVERITIES]
        print(f"| {kind} | {sum(by)} | {by[0]} | {by[1]} | {by[2]} |")
    shares = [f"{good[each]} with {each}s ({good[each] / max(1, good['tiles']):.1%})" for each in SEVERITIES]
    print(f"\nof {good['tiles']} untouched tiles: {', '.join(shares)}")
    print({key: value for key, value in good.items() if " " in key})


def _options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--part", choices=["all", "even", "odd"], default="all")
    parser.add_argument("--tiles", type=int, help="use only so many")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--per-kind", type=int, default=20)
    parser.add_argument("--kinds", nargs="+", choices=list(faults.KINDS), default=list(faults.KINDS))
    return parser.parse_args()


if __name__ == "__main__":
    main()
