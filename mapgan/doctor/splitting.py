"""A split into training, validation and test that separates no two tiles showing the same ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

TRAIN_FILE = "train.txt"
VAL_FILE = "val.txt"
TEST_FILE = "test.txt"


@dataclass(frozen=True)
class Split:
    """Names of tiles, in the order of the set."""

    train: list[str]
    val: list[str]
    test: list[str] = field(default_factory=list)


def divide(
    tiles: Sequence[str], groups: Sequence[Sequence[str]], *, val: float, test: float = 0.0, seed: int
) -> Split:
    """Draw whole groups for validation as :func:`make_split` does, then for the test from what is left.

    Args:
        tiles: all names.
        groups: names to keep together.
        val: share of the tiles for validation, more than 0.
        test: share of the tiles for the test; 0 makes none. Both together leave something to learn from.
        seed: of both draws.

    Raises:
        ValueError: shares outside their range.
    """
    if not 0 <= test < 1 - val:
        raise ValueError(f"the shares of validation and test must leave some for training, not {val + test}")
    first = make_split(tiles, groups, fraction=val, seed=seed)
    wanted = round(test * len(tiles))
    if not 0 < wanted < len(first.train):
        return first
    second = make_split(first.train, groups, fraction=wanted / len(first.train), seed=seed)
    return Split(second.train, first.val, second.val)


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
    """Write the lists into a folder, a stem a line, as ``mapgan train --exclude`` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    lists = {TRAIN_FILE: split.train, VAL_FILE: split.val}
    if split.test:
        lists[TEST_FILE] = split.test
    for file, tiles in lists.items():
        (folder / file).write_text("\n".join([f"# {comment}", *tiles]) + "\n", encoding="utf-8")
