"""All speed claims in one run: ``make bench``, or ``python -m benchmarks``.

    .venv/bin/python -m benchmarks --only pix2pix,translation
    .venv/bin/python -m benchmarks --quick          # few rounds, no large image: does it run at all?

Each section's rows are kept in a JSON file as soon as they are there; when every section has been measured
on this machine, the table in docs/benchmarks.md is written anew. PyTorch is installed on the first run.

Status: 0 when everything could be measured (missed bounds are marked, and counted only with --strict),
1 when something could not, 2 for a bound missed with --strict, 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import results
from benchmarks.contest import ROOT, MeasurementError, say
from benchmarks.data_loading import data_loading
from benchmarks.machine import describe
from benchmarks.results import Row, rows_of
from benchmarks.training_steps import cyclegan, pix2pix
from benchmarks.translations import translations

LINEAR = 1.1
"""Most that a pixel of the largest image may cost, in pixels of the smallest: time is linear."""


@dataclass(frozen=True)
class Section:
    """Some rows of the table."""

    minutes: float
    """What it takes on two cores."""
    run: Callable[[bool], list[Row]]
    """Whether only to try it out; gives the rows."""


def _script(module: str, *arguments: str) -> Callable[[bool], list[Row]]:
    """A section that another script measures: it takes --json FILE and --quick."""

    def run(quick: bool) -> list[Row]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rows.json"
            command = [sys.executable, "-m", module, *arguments, "--json", str(path)]
            command += ["--quick"] if quick else []
            status = subprocess.run(command, cwd=ROOT, check=False).returncode
            if status or not path.is_file():
                raise MeasurementError(f"{module} ended with status {status}")
            return rows_of({"rows": json.loads(path.read_text(encoding="utf-8"))})

    return run


def _large(quick: bool) -> list[Row]:
    """Memory, and whether time grows with the pixels alone."""
    sides = [1024, 2048] if quick else [2048, 4096, 8192, 16_384]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "benchmarks.large_image", "--json", str(path), "--sides"]
        status = subprocess.run([*command, *map(str, sides)], cwd=ROOT, check=False).returncode
        if not path.is_file():
            raise MeasurementError(f"benchmarks.large_image ended with status {status}")
        sizes = json.loads(path.read_text(encoding="utf-8"))
    rates = [size["seconds"] / size["side"] ** 2 for size in sizes]
    peaks = ", ".join(f"{size['side']}: {size['peak_bytes'] / 1e6:.0f} MB" for size in sizes)
    times = ", ".join(f"{size['side']}: {size['seconds']:.0f} s" for size in sizes)
    memory = max(size["peak_bytes"] for size in sizes) / 1e9
    what = f"{sides[-1]:,} x {sides[-1]:,} translation"
    return [
        Row(f"{what}, peak memory", memory, "GB", 2.0, "at_most", peaks),
        Row(
            f"{what}, seconds a pixel, largest : smallest",
            rates[-1] / rates[0],
            "x",
            LINEAR,
            "at_most",
            times,
        ),
    ]


SECTIONS = {
    "pix2pix": Section(5, lambda quick: pix2pix(rounds=2 if quick else 15)),
    "cyclegan": Section(8, lambda quick: cyclegan(rounds=1 if quick else 4)),
    "translation": Section(4, lambda quick: translations(rounds=3 if quick else 21)),
    "loading": Section(0.5, lambda quick: data_loading(seconds=2 if quick else 10)),
    "large": Section(15, _large),
    "files": Section(1, _script("benchmarks.translation_latency", "--bundled")),
    "system": Section(1, _script("benchmarks.submit_latency")),
}


def main() -> int:
    """See the module's description."""
    options = _options()
    names = [name for name in SECTIONS if name in options.only.split(",")] if options.only else list(SECTIONS)
    if options.no_large:
        names = [name for name in names if name != "large"]
    minutes = sum(SECTIONS[name].minutes for name in names)
    print(describe())
    if not options.quick:
        print(f"About {minutes:.0f} minutes on two cores; leave the machine alone meanwhile.")
    broken, missed = [], 0
    try:
        for number, name in enumerate(names, start=1):
            say(f"[{number}/{len(names)}] {name}")
            try:
                missed += measure(name, options)
            except MeasurementError as error:
                print(f"{name} could not be measured: {error}", file=sys.stderr)
                broken.append(name)
    except KeyboardInterrupt:
        print(f"\nStopped; what was measured is in {options.json}.", file=sys.stderr)
        return 130
    sections = results.read(options.json)
    if not options.quick and results.publish(options.docs, sections, list(SECTIONS)):
        print(f"{options.docs} has the table.")
    if broken:
        print(f"Not measured: {', '.join(broken)}.", file=sys.stderr)
        return 1
    return 2 if missed and options.strict else 0


def measure(name: str, options: argparse.Namespace) -> int:
    """One section: measured, printed, kept. Gives the number of missed bounds."""
    about = results.surroundings()
    if results.disturbed(about):
        say(f"warning: {about['busy']:.0%} of the cores are busy with something else")
    started = time.monotonic()
    rows = SECTIONS[name].run(options.quick)
    about["seconds"] = round(time.monotonic() - started, 1)
    results.write(options.json, name, about, rows)
    print(f"\n{results.table(rows)}\n", flush=True)
    return sum(row.kept is False for row in rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure all speed claims.")
    parser.add_argument("--only", help=f"some of {','.join(SECTIONS)}, with commas")
    parser.add_argument("--quick", action="store_true", help="few rounds, to see that it runs")
    parser.add_argument("--no-large", action="store_true", help="leave out the 16,384 x 16,384 image")
    parser.add_argument("--strict", action="store_true", help="status 2 when a bound was missed")
    parser.add_argument("--json", type=Path, default=None, help="[default: .cache/benchmarks.json]")
    parser.add_argument("--docs", type=Path, default=results.DOCUMENT, help="[default: docs/benchmarks.md]")
    options = parser.parse_args()
    if options.only and not set(options.only.split(",")) <= set(SECTIONS):
        parser.error(f"--only takes some of {','.join(SECTIONS)}")
    # A trial run must not replace a measurement.
    usual = results.STORE.with_name("benchmarks-quick.json") if options.quick else results.STORE
    options.json = options.json or usual
    return options


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
