"""``mapgan sheet``: contact sheets of a data set, to look at before training on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from mapgan.config import SIDES

EXIT_UNUSABLE = 2


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder to write."
)
@click.option(
    "--a-side", type=click.Choice(SIDES), default="left", show_default=True, help="The half that is A."
)
@click.option("--count", type=click.IntRange(1, 400), default=48, show_default=True, help="Pairs to show.")
@click.option(
    "--cell", type=click.IntRange(16, 1024), default=160, show_default=True, help="Pixels of a side."
)
@click.option(
    "--tiles", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Names of tiles, one a line, to show A beside B.",
)  # fmt: skip
@click.option("--events", "as_events", is_flag=True, help="Print JSON lines.")
def sheet(
    *, data: Path, out: Path, a_side: str, count: int, cell: int, tiles: Path | None, as_events: bool
) -> None:
    """Draw small pictures of the pairs in DATA (a folder, zip or tar) in grids: a.webp, b.webp.

    \b
    Examples:
      mapgan sheet maps --out sheets
      mapgan sheet maps.zip --out sheets --tiles problems.txt
    """
    from mapgan.datasets import DatasetError
    from mapgan.sheets import draw_sheets
    from mapgan.traindata import opened

    def tell(share: float) -> None:
        if as_events:
            click.echo(json.dumps({"event": "progress", "share": round(share, 4)}))

    try:
        names = tiles.read_text(encoding="utf-8").split("\n") if tiles else []
        with opened(data) as root:
            shown = draw_sheets(root, out, a_side=a_side, count=count, cell=cell, tiles=names, progress=tell)
    except (DatasetError, OSError, UnicodeDecodeError) as error:
        if as_events:
            click.echo(json.dumps({"event": "failed", "reason": str(error)}))
        click.echo(f"mapgan: {error}", err=True)
        sys.exit(EXIT_UNUSABLE)
    if not as_events:
        click.echo(f"{len(shown)} pairs in {out}")


COMMANDS: list[click.Command] = [sheet]
