"""``mapgan doctor``: what is wrong with a folder of pairs, and a split that leaks no ground."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import click

EXIT_ERRORS, EXIT_UNUSABLE = 1, 2
_STAGES = {"reading": (0.0, 0.6), "aligning": (0.6, 0.75), "comparing the ground": (0.75, 1.0)}
"""Where a stage begins and ends on a bar for the whole; roughly as long as they take."""
_SECONDS_A_EVENT = 0.3
_SECONDS_A_LINE = 10.0  # where stderr is no terminal


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--a-side", type=click.Choice(["left", "right"]), default="left", show_default=True,
    help="The half that is A (the aerial picture) where one picture holds both.",
)  # fmt: skip
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write it all here."
)
@click.option(
    "--split", "split_folder", type=click.Path(path_type=Path, file_okay=False),
    help="Write train.txt and val.txt into this folder.",
)  # fmt: skip
@click.option(
    "--fraction", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.1,
    show_default=True, help="Share of the tiles that --split puts into val.txt.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the split's draw.")
@click.option("--events", "as_events", is_flag=True, help="Print JSON lines instead of the report.")
def doctor(
    *,
    data: Path,
    a_side: str,
    json_file: Path | None,
    split_folder: Path | None,
    fraction: float,
    seed: int,
    as_events: bool,
) -> None:
    """Examine the pairs in DATA, a folder or an archive, before training on them.

    Looks for files that cannot be read, odd or unequal sizes, names without a counterpart, blank or
    exchanged halves, maps that do not lie upon their pictures, copies, overlapping ground, and
    unusual colours. Two folders without common names are examined as the two domains of a CycleGAN.
    Exit code 0: no errors (warnings and notices there may be); 1: errors; 2: wrong use.

    --split divides the tiles of train/ (or of a flat folder) so that no two that show the same ground
    come apart; tiles with errors are in neither list. `mapgan train --exclude OUT/val.txt` holds the
    second list out, `mapgan evaluate --tiles OUT/val.txt` measures on it.

    \b
    Examples:
      mapgan doctor maps
      mapgan doctor maps --json report.json
      mapgan doctor tiles.zip --a-side right
      mapgan doctor maps --split lists --fraction 0.1 --seed 7
      mapgan doctor maps.zip --json report.json --events
    """
    from mapgan.datasets import DatasetError
    from mapgan.doctor.examine import examine
    from mapgan.traindata import opened

    progress = _Events() if as_events else _Progress()
    try:
        with opened(data) as root:
            report = examine(root, a_side=a_side, progress=progress)
        progress.end()
        if json_file is not None:
            part = json_file.with_name(f".{json_file.name}.part")
            part.write_text(report.to_json(), encoding="utf-8")
            part.replace(json_file)
    except (DatasetError, OSError) as error:
        if as_events:
            _tell("failed", reason=str(error))
            sys.exit(EXIT_UNUSABLE)
        wrong_use = isinstance(error, DatasetError)
        raise (click.UsageError if wrong_use else click.ClickException)(str(error)) from error
    if as_events:
        _tell("finished", **{severity: report.count(severity) for severity in ("error", "warning", "notice")})
    else:
        click.echo(report.to_text(), nl=False)
    if split_folder is not None:
        _split(report.training(), report.training_groups(), split_folder, fraction, seed)
    if report.count("error"):
        sys.exit(EXIT_ERRORS)


def _split(tiles: list[str], groups: list[list[str]], folder: Path, fraction: float, seed: int) -> None:
    """Write both lists and say how long they are."""
    from mapgan.doctor.splitting import TRAIN_FILE, VAL_FILE, make_split, write_split

    if not tiles:
        raise click.ClickException(
            "no split is made: there is no pair without errors, or the data are not in pairs"
        )
    split = make_split(tiles, groups, fraction=fraction, seed=seed)
    try:
        write_split(split, folder, comment=f"mapgan doctor --fraction {fraction:g} --seed {seed}")
    except OSError as error:
        raise click.ClickException(f"cannot write the split: {error}") from error
    click.echo(
        f"{folder / TRAIN_FILE}: {len(split.train)} tiles, {folder / VAL_FILE}: {len(split.val)} tiles"
    )


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
