"""``mapgan doctor``: what is wrong with a folder of pairs, and a split that leaks no ground."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mapgan.datasets import DatasetError
from mapgan.whole import written

if TYPE_CHECKING:
    from mapgan.doctor.report import Report

EXIT_ERRORS, EXIT_UNUSABLE = 1, 2
_STAGES = {"reading": (0.0, 0.6), "aligning": (0.6, 0.75), "comparing the ground": (0.75, 1.0)}
"""Where a stage begins and ends on a bar for the whole; roughly as long as they take."""
_SECONDS_A_EVENT = 0.3
_SECONDS_A_LINE = 10.0  # where stderr is no terminal


class _NoSplitError(DatasetError):
    """Nothing can be divided."""


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--a-side", type=click.Choice(["left", "right"]), default="left", show_default=True,
    help="The half that is A (the aerial picture) where one picture holds both.",
)  # fmt: skip
@click.option(
    "--unpaired", is_flag=True, help="Two folders are two domains (CycleGAN), whatever their names."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write it all here."
)
@click.option(
    "--split", "split_folder", type=click.Path(path_type=Path, file_okay=False),
    help="Write train.txt, val.txt and split.json into this folder.",
)  # fmt: skip
@click.option(
    "--fraction", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.1,
    show_default=True, help="Share of the tiles that --split puts into val.txt.",
)  # fmt: skip
@click.option(
    "--test-fraction", type=click.FloatRange(0, 1, max_open=True), default=0.0,
    help="Share that is kept for a last test: in neither list, but in test.txt. [default: none]",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the split's draw.")
@click.option("--events", "as_events", is_flag=True, help="Print JSON lines instead of the report.")
def doctor(
    *,
    data: Path,
    a_side: str,
    unpaired: bool,
    json_file: Path | None,
    split_folder: Path | None,
    fraction: float,
    test_fraction: float,
    seed: int,
    as_events: bool,
) -> None:
    """Examine the pairs in DATA, a folder or an archive, before training on them.

    Looks for files that cannot be read, odd or unequal sizes, names without a counterpart, blank or
    exchanged halves, maps that do not lie upon their pictures, copies, overlapping ground, and
    unusual colours. trainA/ and trainB/ are examined as the two domains of a CycleGAN unless all names
    agree (--unpaired: even then), A/ and B/ where they share hardly a name.
    Exit code 0: no errors (warnings and notices there may be); 1: errors; 2: wrong use.

    --split divides the tiles of train/ (or of a flat folder) so that no two that show the same ground
    come apart; tiles with errors are in neither list. `mapgan train --exclude OUT/val.txt` holds the
    second list out, `mapgan evaluate --tiles OUT/val.txt` measures on it; `mapgan train --split
    OUT/split.json` learns from the first and is judged on the second.

    \b
    Examples:
      mapgan doctor maps
      mapgan doctor maps --json report.json
      mapgan doctor tiles.zip --a-side right
      mapgan doctor maps --split lists --fraction 0.1 --seed 7
      mapgan doctor horses --unpaired
      mapgan doctor maps.zip --json report.json --events
    """
    from mapgan.doctor.examine import examine
    from mapgan.traindata import opened

    if fraction + test_fraction >= 1:
        raise click.UsageError("--fraction and --test-fraction leave nothing to learn from")
    progress = _Events() if as_events else _Progress()
    try:
        with opened(data) as root:
            report = examine(root, a_side=a_side, unpaired=unpaired, progress=progress)
            if root != data:  # what an archive was unpacked to means nothing to anybody
                report = report.named_from(root)
        progress.end()
        if json_file is not None:
            with written(json_file) as file:
                file.write(report.to_json().encode())
        if split_folder is not None:
            said = _split(report, split_folder, val=fraction, test=test_fraction, seed=seed)
    except (DatasetError, OSError) as error:
        if as_events:
            _tell("failed", reason=str(error), code=getattr(error.__cause__, "code", ""))
            sys.exit(EXIT_UNUSABLE)
        wrong_use = isinstance(error, DatasetError) and not isinstance(error, _NoSplitError)
        raise (click.UsageError if wrong_use else click.ClickException)(str(error)) from error
    if as_events:
        _tell("finished", **{severity: report.count(severity) for severity in ("error", "warning", "notice")})
    else:
        click.echo(report.to_text(), nl=False)
        if split_folder is not None:
            click.echo(said)
    if report.count("error"):
        sys.exit(EXIT_ERRORS)


def _split(report: Report, folder: Path, *, val: float, test: float, seed: int) -> str:
    """Write the lists and split.json; gives how long they are.

    Raises:
        _NoSplitError: nothing can be divided.
        OSError: they cannot be written.
    """
    from mapgan import holdout
    from mapgan.doctor.splitting import TRAIN_FILE, VAL_FILE, divide, write_split

    domains = report.domains()
    if not all(tiles for tiles, _ in domains.values()):
        raise _NoSplitError("no split is made: there is nothing to train on without errors")
    splits = {
        name: divide(tiles, groups, val=val, test=test, seed=seed)
        for name, (tiles, groups) in domains.items()
    }
    comment = f"mapgan doctor --fraction {val:g} --seed {seed}"
    for name, split in splits.items():
        write_split(split, folder if name == holdout.PAIRS else folder / name, comment=comment)
    groups: dict[str, int | None] = {name: len(groups) for name, (_, groups) in domains.items()}
    made = holdout.Holdout(
        {name: split.train for name, split in splits.items()},
        {name: split.val for name, split in splits.items()},
        val,
        seed,
        groups,
        given=True,
        test={name: split.test for name, split in splits.items()},
    )
    holdout.write(made, folder)
    train, held = (sum(map(len, side.values())) for side in (made.train, made.val))
    return f"{folder / TRAIN_FILE}: {train} tiles, {folder / VAL_FILE}: {held} tiles"


def _tell(event: str, **fields: Any) -> None:
    """One JSON line, at once."""
    click.echo(json.dumps({"event": event, **fields}))


class _Events:
    """``progress`` events: what is done of the whole, and the stage; a few a second, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0.0

    def __call__(self, stage: str, share: float) -> None:
        """A stage and the share of it that is done."""
        with self._lock:
            if time.monotonic() >= self._next:
                self._next = time.monotonic() + _SECONDS_A_EVENT
                first, last = _STAGES.get(stage, (0.0, 1.0))
                _tell("progress", share=round(first + (last - first) * share, 4), stage=stage.capitalize())

    def end(self) -> None:
        """All of it."""
        _tell("progress", share=1.0, stage="Done")


class _Progress:
    """On a terminal one line that is written over, elsewhere a line now and then; from any thread."""

    def __init__(self) -> None:
        self._shown = ""
        self._lock = threading.Lock()
        self._terminal = sys.stderr.isatty()
        self._next = time.monotonic() + _SECONDS_A_LINE

    def __call__(self, stage: str, share: float) -> None:
        """Show a stage and the share of it that is done."""
        text = f"{stage} {share:4.0%}"
        with self._lock:
            if self._terminal and text != self._shown:
                self._shown = text
                click.echo(f"\r{text}\033[K", nl=False, err=True)
            elif not self._terminal and time.monotonic() > self._next:
                self._next = time.monotonic() + _SECONDS_A_LINE
                click.echo(text, err=True)

    def end(self) -> None:
        """Take the line away."""
        if self._terminal:
            click.echo("\r\033[K", nl=False, err=True)


COMMANDS: list[click.Command] = [doctor]
