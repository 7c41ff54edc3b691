"""``mapgan evaluate``: how good generators are, beside two baselines; a table, JSON, a page to look at."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mapgan.cli_tell import EXIT_FAILED, Progress, fail
from mapgan.config import DIRECTIONS, ConfigError, parse_direction

if TYPE_CHECKING:
    from mapgan.metrics import Inception
    from mapgan.scoring import Result, Row
    from mapgan.scoring.candidates import Candidate, Failure

EXISTING = click.Path(path_type=Path, exists=True)
NEW = click.Path(path_type=Path, dir_okay=False)
SHEETS = (".png", ".webp", ".jpg")


@click.command()
@click.argument("sources", nargs=-1, type=EXISTING)
@click.option("--generator", "generators", multiple=True, type=EXISTING, help="ONNX file; as a SOURCE.")
@click.option("--data", type=EXISTING, help="Folder, zip or tar of pictures.")
@click.option(
    "--tiles",
    type=NEW,
    help="Held-out tiles of train/: a list, or split.json [default: val/, test/, the run's].",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many tiles, evenly spread.")
@click.option("--a-side", type=click.Choice(["left", "right"]), help="The aerial half [default: the run's].")
@click.option("--direction", metavar="DIR", help="map2sat or sat2map; others are refused or left out.")
@click.option("--checkpoint", "steps", multiple=True, metavar="STEP", help="This one alone, or 'latest'.")
@click.option("--raw-weights", is_flag=True, help="The weights as trained, not their running mean.")
@click.option("--made", type=EXISTING, help="Folder of translated pictures, instead of a SOURCE.")
@click.option("--target", type=EXISTING, help="With --made: what they should be, by the same names.")
@click.option("--source", "inputs", type=EXISTING, help="With --made: what they were made of.")
@click.option("--inception", type=EXISTING, help="Keras's InceptionV3 weights without top (.h5), for FID.")
@click.option("--skip-broken", is_flag=True, help="Leave out pictures that cannot be used.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of an ONNX file [default: all cores].")
@click.option("--json", "json_file", type=NEW, help="Write all measures here, too.")
@click.option("--report", type=NEW, help="Write a page with table, curves and samples here.")
@click.option("--sheet", type=NEW, help="Write the samples as one picture here (.png, .webp, .jpg).")
@click.option("--events", "as_events", is_flag=True, help="Print JSON lines instead of the table.")
def evaluate(
    *,
    sources: tuple[Path, ...],
    generators: tuple[Path, ...],
    made: Path | None,
    target: Path | None,
    inputs: Path | None,
    direction: str | None,
    inception: Path | None,
    json_file: Path | None,
    report: Path | None,
    sheet: Path | None,
    as_events: bool,
    **options: Any,
) -> None:
    """Measure generators on tiles they were not trained on, beside two baselines, and rank them.

    A SOURCE is a run (all its checkpoints), a checkpoint's folder or a generator file; several are
    ranked together. The best sat2map generator has the highest palette mIoU, then acc<5; the best
    map2sat one the lowest KID, among those whose pictures are nearer to their own targets than other
    targets are; without pairs both directions go by the KID. The baselines are the median colour of the
    training targets and the input copied.
    docs/metrics.md defines every measure. Exit code 1: not all could be measured.

    \b
    Examples:
      mapgan evaluate runs/a --data maps --report a.html
      mapgan evaluate runs/a runs/b --checkpoint latest --data maps.zip --tiles holdout.tsv --json ab.json
      mapgan evaluate --generator a.onnx --data maps --tiles holdout.tsv --direction map2sat
      mapgan evaluate --made translated/ --target real/ --source input/ --direction sat2map
    """
    from mapgan.checkpoints import CheckpointError
    from mapgan.datasets import DatasetError
    from mapgan.inference import InferenceError
    from mapgan.metrics import Inception, InceptionError

    if sheet is not None and sheet.suffix.lower() not in SHEETS:
        raise click.UsageError(f"--sheet takes a file that ends in {', '.join(SHEETS)}")
    try:
        wanted = None if direction is None else parse_direction(direction)
        network = Inception(inception) if inception else None
        if made is not None:
            if sources or generators or target is None or wanted is None:
                raise click.UsageError("--made goes with --target and --direction, and without other sources")
            result = _pictures(made, target, inputs, wanted, network)
        else:
            progress = Progress(wanted=as_events).within("Measuring", 0.0, 1.0)
            result = _candidates((*sources, *generators), wanted, network, progress, **options)
        if not as_events:
            _show(result)
        _write(result, json_file, report, sheet)
        if made is None and not (options["tiles"] or options["limit"] or options["raw_weights"]):
            _keep(result)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    except (CheckpointError, DatasetError, InferenceError, InceptionError, OSError) as error:
        if as_events:
            fail(str(error))
        raise click.ClickException(str(error)) from error
    if result.failures:
        for each in result.failures:
            click.echo(f"mapgan: {each.name} is not measured: {each.error}", err=True)
        sys.exit(EXIT_FAILED)


def _pictures(
    made: Path,
    target: Path,
    inputs: Path | None,
    direction: str,
    inception: Inception | None,
) -> Result:
    """Of pictures that are there already."""
    from mapgan.scoring import evaluate_pictures
    from mapgan.scoring.tiles import open_folders

    stems, sources, targets, translated = open_folders(made, target, inputs)
    return evaluate_pictures(stems, sources, targets, translated, direction=direction, inception=inception)


def _candidates(
    sources: Sequence[Path],
    direction: str | None,
    inception: Inception | None,
    on_progress: Callable[[float], None],
    *,
    data: Path | None,
    tiles: Path | None,
    limit: int | None,
    a_side: str | None,
    steps: tuple[str, ...],
    raw_weights: bool,
    skip_broken: bool,
    threads: int | None,
) -> Result:
    """Of runs, checkpoints and files."""
    from mapgan.scoring import evaluate as measure
    from mapgan.scoring.tiles import open_tiles

    if not sources or data is None:
        raise click.UsageError("give a run or a generator file, and --data")
    failures: list[Failure] = []
    found: list[Candidate] = []
    for path in sources:
        found += _open(path, failures, direction, steps, raw=raw_weights, threads=threads)
    if not found:
        raise failures[0].error
    folders = [each.path.resolve() for each in found if each.kind == "checkpoint" and each.path]
    runs = dict.fromkeys(folder.parent.parent for folder in folders)
    with open_tiles(
        data,
        tiles,
        runs=list(runs),
        pairs=all(each.model == "pix2pix" for each in found),
        a_side=a_side or next((each.a_side for each in found if each.kind == "checkpoint"), "left"),
        limit=limit or 0,
        skip_broken=skip_broken,
        on_note=lambda text: click.echo(f"note: {text}", err=True),
    ) as source:
        weights = "raw" if raw_weights else "averaged"
        result = measure(
            found, source, weights=weights, inception=inception, on_row=_tell, on_progress=on_progress
        )
    result.failures[:0] = failures
    return result


def _open(
    path: Path,
    failures: list[Failure],
    direction: str | None,
    steps: tuple[str, ...],
    *,
    raw: bool,
    threads: int | None,
) -> list[Candidate]:
    """The generators of one SOURCE; those that cannot be read are added to the failures."""
    from mapgan.inference import InferenceError
    from mapgan.scoring.candidates import Failure, of_file, of_run

    if path.is_dir():
        return of_run(path, failures, steps=steps, direction=direction, raw=raw)
    try:
        candidate = of_file(path, threads=threads)
    except InferenceError as error:
        failures.append(Failure(path.name, error))
        return []
    if direction not in (None, candidate.direction):
        raise click.UsageError(f"{path} translates {candidate.direction}, not {direction}")
    return [candidate]


def _keep(result: Result) -> None:
    """What was found out on a run's own tiles stays with it, if it can."""
    from mapgan.scoring.keep import keep_measures

    try:
        keep_measures(result)
    except OSError as error:
        click.echo(f"note: the measures are not kept in the run: {error}", err=True)


def _tell(direction: str, row: Row) -> None:
    """A line on stderr as each generator is done."""
    from mapgan.measures import MEASURES, columns

    names = columns(direction, row.measured.values)[:3]
    shown = "  ".join(
        f"{MEASURES[name].title} {MEASURES[name].text(row.measured.values[name])}" for name in names
    )
    click.echo(f"{direction}  {row.name}: {shown}", err=True)


def _show(result: Result) -> None:
    """The table on stdout."""
    for direction in sorted(result.rows, key=DIRECTIONS.index):
        click.echo("\n".join(table(result, direction)))


def _write(result: Result, json_file: Path | None, report: Path | None, sheet: Path | None) -> None:
    """The files that were asked for."""
    if json_file is not None:
        json_file.write_text(json.dumps(result.to_dict(), indent=2) + "\n", encoding="utf-8")
    if report is not None:
        from mapgan.report import write_report

        write_report(result, report, command=" ".join(["mapgan", *sys.argv[1:]]))
        click.echo(f"report: {report} ({report.stat().st_size / 1e6:.1f} MB)")
    if sheet is not None:
        from mapgan.report.sheet import contact_sheet

        for direction, rows in result.rows.items():
            name = sheet if len(result.rows) == 1 else sheet.with_stem(f"{sheet.stem}-{direction}")
            contact_sheet(rows, result.examples[direction]).save(name)
            click.echo(f"sheet: {name}")


def table(result: Result, direction: str) -> list[str]:
    """A generator a line, the best first and marked, the baselines last; 95 % intervals below each."""
    from mapgan.measures import MEASURES, columns

    rows = result.rows[direction]
    shown = columns(direction, {name for row in rows for name in row.measured.values})
    if any("fid_keras_inception" in row.measured.values for row in rows):
        shown.append("fid_keras_inception")
    titles = [f"{MEASURES[name].label} {_ARROWS[MEASURES[name].better]}" for name in shown]
    widths = [max(len(title), 16) + 2 for title in titles]
    left = max(len(row.name) for row in rows) + 8
    lines = [
        f"{direction}: {result.tiles} tiles of {result.label}; best first by {result.rule(direction)}",
        " " * left + "".join(f"{title:>{width}}" for title, width in zip(titles, widths, strict=True)),
    ]
    for row in rows:
        mark = "best" if row.rank == 1 else f"{row.rank or ''}" + ("" if row.guarded else "!")
        cells = [MEASURES[name].text(row.measured.values.get(name)) for name in shown]
        ranges = [_interval(row, name) for name in shown]
        lines.append(
            f"{mark:<6}{row.name:<{left - 6}}"
            + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True))
        )
        lines.append(" " * left + "".join(f"{c:>{w}}" for c, w in zip(ranges, widths, strict=True)))
    if not all(row.guarded for row in rows if row.rank):
        lines.append("! its pictures are no nearer to their own targets than other targets are")
    return [line.rstrip() for line in lines]


def _interval(row: Row, name: str) -> str:
    from mapgan.metrics import MEASURES

    if name not in row.measured.intervals:
        return ""
    low, high = (MEASURES[name].text(value) for value in row.measured.intervals[name])
    return f"({low}..{high})"


_ARROWS = {"higher": "^", "lower": "v", "one": "=1"}

COMMANDS: list[click.Command] = [evaluate]
