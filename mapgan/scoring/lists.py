"""Which tiles are held out, by name: from a list, from a split, from the runs that are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from mapgan import holdout
from mapgan.datasets import DatasetError, read_stems, some
from mapgan.holdout import Holdout

Names: TypeAlias = tuple[list[str], list[str]]
"""Names of tiles of A and of B, which are equal for pairs; a number alone may name one of each."""


def read_names(path: Path) -> Names:
    """Those that a list names, in either domain; or those that a split, a file of JSON, holds out.

    Raises:
        DatasetError: it cannot be read, names a tile twice, or none.
    """
    if path.suffix.lower() == ".json":
        names = held_out(holdout.read_file(path))
    else:
        stems = read_stems(path)
        names = stems, stems
    if not all(names):
        raise DatasetError(f"{path} names no tile")
    return names


def held_out(split: Holdout) -> Names:
    """What a split holds out of each domain."""
    return split.side("A")[1], split.side("B")[1]


def splits_of(runs: Sequence[Path]) -> dict[Path, Holdout]:
    """The splits of those runs that have one; the others were judged on a split of their data.

    Raises:
        DatasetError: one cannot be read.
    """
    return {run: holdout.read(run) for run in runs if (run / holdout.FILE).is_file()}


def agreed(splits: Mapping[Path, Holdout]) -> Names | None:
    """What all runs hold out, if they have splits.

    Raises:
        DatasetError: two hold out different tiles.
    """
    names = [held_out(split) for split in splits.values()]
    if any([*map(set, each)] != [*map(set, names[0])] for each in names):
        raise DatasetError(
            "these runs hold out different tiles; name tiles that none has learnt with --tiles"
        )
    return names[0] if names else None


def learnt(splits: Mapping[Path, Holdout], names: Names) -> list[str]:
    """A sentence for each run that has learnt some of these tiles: its measures are too good there."""
    found = []
    for run, split in splits.items():
        sides = [{*split.side(domain)[0]} & {*named} for domain, named in zip("AB", names, strict=True)]
        known = set.union(*sides)
        if known:
            count = f"{len(known)} of these tiles, such as {some(known)}"
            found.append(f"the run in {run} has learnt {count}: its measures are too good")
    return found
