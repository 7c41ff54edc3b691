"""Train and measure the plan's experiments, and write docs/results.md.

    python -m benchmarks.experiments --data ../maps --out /var/tmp/experiments
    python -m benchmarks.experiments --data ../maps --out /var/tmp/experiments --only unet-map2sat
    python -m benchmarks.experiments                     # the document alone, from measured.json

A training that was cut off goes on where it was; one that is measured is not made again, but with --again,
into an empty folder. On two cores all of it takes some hours, the first seed of each experiment first.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from benchmarks.experiments import bundled, runs, tables
from benchmarks.experiments import plan as plans
from benchmarks.machine import cores
from benchmarks.results import ROOT

DOCUMENT = ROOT / "docs" / "results.md"


def main() -> int:
    """1 when a training or an evaluation failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="the folder of the maps set")
    parser.add_argument("--out", type=Path, help="folder of the runs")
    parser.add_argument("--only", action="append", metavar="NAME", help="this experiment; may be repeated")
    parser.add_argument(
        "--again", action="store_true", help="train what is measured already, too, into an empty --out"
    )
    parser.add_argument("--parallel", type=int, default=1, help="trainings at a time [default: 1]")
    parser.add_argument("--threads", type=int, default=cores(), help="of a training [default: all cores]")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C does
    plan = plans.read()
    unknown = set(options.only or ()) - {each.experiment for each in plan.trainings}
    if options.again and not options.data:
        parser.error("--again needs --data and --out")
    if unknown:
        parser.error(f"no such experiment: {', '.join(sorted(unknown))}")
    if options.data:
        if not options.out:
            parser.error("--out is missing: where the runs go")
        done = {} if options.again else runs.read()
        wanted = [each for each in plan.trainings if not options.only or each.experiment in options.only]
        wanted.sort(key=lambda each: each.seed)
        try:
            runs.run_all(
                [each for each in wanted if each.name not in done],
                data=options.data.resolve(),
                out=options.out.resolve(),
                parallel=options.parallel,
                threads=options.threads,
                anew=options.again,
                tell=lambda words: print(words, file=sys.stderr, flush=True),
            )
        except runs.ExperimentError as error:
            print(error, file=sys.stderr)
            return 1
    write(DOCUMENT, (bundled.BEGIN, bundled.END), bundled.document(ROOT / "generators"))
    write(DOCUMENT, (tables.BEGIN, tables.END), tables.document(plan, runs.read()))
    return 0


def write(path: Path, marks: tuple[str, str], text: str) -> None:
    """Put the text between two marks of a document."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(marks[0])
    _, end, after = rest.partition(marks[1])
    if not begin or not end:
        raise ValueError(f"{path.name} has no {marks[0]}")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
