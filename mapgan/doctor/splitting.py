"""A split into training and validation that separates no two tiles showing the same ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TRAIN_FILE = "train.txt"
VAL_FILE = "val.txt"


@dataclass(frozen=True)
class Split:
    """Names of tiles, in the order of the set."""

    train: list[str]
    val: list[str]


def make_split(tiles: Sequence[str], groups: Sequence[Sequence[str]], *, fraction: float, seed: int) -> Split:
    """Draw whole groups by chance until validation has its share.

    A group that no longer fits is left to training, so validation never has more than its share, and
    less only when the single tiles run out.

    Args:
        tiles: all names.
        groups: names to keep together; names that are not in ``tiles`` are ignored.
        fraction: of the tiles that go to validation, more than 0 and less than 1.
        seed: of the draw; equal seeds give equal splits.

    Raises:
        ValueError: a fraction outside its range.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the fraction must lie between 0 and 1, not {fraction}")
    known = set(tiles)
    units = [[tile for tile in group if tile in known] for group in groups]
    grouped = {tile for unit in units for tile in unit}
    units = [unit for unit in units if unit] + [[tile] for tile in tiles if tile not in grouped]
    wanted = round(fraction * len(tiles))
    val: set[str] = set()
    for index in np.random.default_rng(seed).permutation(len(units)):
        if len(val) + len(units[index]) <= wanted:
            val.update(units[index])
    return Split([tile for tile in tiles if tile not in val], [tile for tile in tiles if tile in val])


def write_split(split: Split, folder: Path, *, comment: str) -> None:
    """Write both lists into a folder, a stem a line, as ``mapgan train --exclude`` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, tiles in ((TRAIN_FILE, split.train), (VAL_FILE, split.val)):
        (folder / file).write_text("\n".join([f"# {comment}", *tiles]) + "\n", encoding="utf-8")
