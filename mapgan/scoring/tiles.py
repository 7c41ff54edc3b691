"""The tiles that generators are measured on, at any size, and the colours of those they learnt from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from mapgan import holdout, metrics, unpaired
from mapgan.datasets import (
    MAX_BYTES,
    DatasetError,
    Pair,
    find_pairs,
    list_pictures,
    load_pairs,
    read_stems,
    select_pairs,
    validation_split,
)
from mapgan.imageio import ImageError, decode
from mapgan.metrics import Pictures
from mapgan.traindata import opened
from mapgan.unpaired import DomainPaths, LoadedDomains, load_paths

MEDIAN_TILES: Final = 200
"""Training tiles, evenly spread, for the median colour; more do not move it by a level."""

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Tiles:
    """Held-out tiles at one size.

    Attributes:
        stems: names of the tiles; of unpaired ones those of the aerial pictures.
        aerial, drawn: domains A and B, uint8 ``(n, s, s, 3)``.
        paired: whether ``aerial[i]`` and ``drawn[i]`` are of one place.
        medians: per-channel median colours of the training pictures of A and B.
    """

    stems: list[str]
    aerial: Pictures
    drawn: Pictures
    paired: bool
    medians: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]

    def sources(self, direction: str) -> Pictures:
        """What a generator of ``direction`` is given."""
        return self.aerial if direction == "sat2map" else self.drawn

    def targets(self, direction: str) -> Pictures:
        """What it should come near to."""
        return self.drawn if direction == "sat2map" else self.aerial

    def flat(self, direction: str) -> Pictures:
        """The median colour of the training targets, one picture a source."""
        colour = self.medians[1 if direction == "sat2map" else 0]
        return np.broadcast_to(colour, self.sources(direction).shape)


@dataclass(eq=False)
class TileSource:
    """Where tiles come from: a data set that lies open, and which of it is held out.

    Attributes:
        root: folder of the data.
        label: what the held-out tiles are called: `val`, the name of the list, or `split.json`.
        stems: the held-out tiles of the training split; None where the data have a split of their own.
        split: that split.
        a_side: the half of a side-by-side picture that is A.
        limit: at most so many tiles, evenly spread; 0 takes all.
        skip_broken: leave out pictures that cannot be used.
    """

    root: Path
    label: str
    stems: list[str] | None
    split: str
    a_side: str = "left"
    limit: int = 0
    skip_broken: bool = False
    _loaded: dict[int, Tiles] = field(default_factory=dict)

    def at(self, size: int) -> Tiles:
        """The tiles at ``size`` pixels.

        Raises:
            DatasetError: pictures that cannot be used, or no such tiles.
        """
        if size not in self._loaded:
            domains = unpaired.find_domains(self.root, self.split)
            apart = domains is not None and next(iter(domains[0].values())).parent.name != "A"
            self._loaded[size] = self._unpaired(domains, size) if domains and apart else self._paired(size)
        return self._loaded[size]

    def _paired(self, size: int) -> Tiles:
        if self.stems is None:
            held_out = find_pairs(self.root, self.split, a_side=self.a_side)
            rest: Sequence[Pair] = find_pairs(self.root, a_side=self.a_side)
        else:
            held_out = select_pairs(find_pairs(self.root, a_side=self.a_side), self.stems)
            rest = find_pairs(self.root, exclude=self.stems, a_side=self.a_side)
        chosen = spread(held_out, self.limit or len(held_out))
        loaded = load_pairs(chosen, size, skip_broken=self.skip_broken)
        known = load_pairs(spread(rest, MEDIAN_TILES), size, skip_broken=self.skip_broken)
        medians = metrics.median_colour(known.a), metrics.median_colour(known.b)
        return Tiles(loaded.stems, loaded.a, loaded.b, True, medians)

    def _unpaired(self, held_out: DomainPaths, size: int) -> Tiles:
        rest = unpaired.find_domains(self.root)
        if rest is None:
            raise DatasetError(f"{self.root} has no training pictures")
        if self.stems is not None:
            listed = set(self.stems)
            held_out, rest = (_split(rest, listed, inside=inside) for inside in (True, False))
        shown = self._domains(held_out, size, self.limit)
        known = self._domains(rest, size, MEDIAN_TILES)
        medians = metrics.median_colour(known.a.pictures), metrics.median_colour(known.b.pictures)
        return Tiles(shown.a.stems, shown.a.pictures, shown.b.pictures, False, medians)

    def _domains(self, paths: DomainPaths, size: int, limit: int) -> LoadedDomains:
        """At most ``limit`` pictures of each domain (0: all), evenly spread."""
        a, b = (_spread_paths(side, limit or len(side)) for side in paths)
        return load_paths((a, b), size, skip_broken=self.skip_broken)


@contextmanager
def open_tiles(
    data: Path,
    tiles: Path | None = None,
    *,
    run: Path | None = None,
    a_side: str = "left",
    limit: int = 0,
    skip_broken: bool = False,
) -> Iterator[TileSource]:
    """The held-out tiles of a data set.

    Args:
        data: folder, zip or tar, in pairs or not.
        tiles: list of held-out tiles of the training split; None takes those of the split that ``run``
            was given, else the set's ``val`` or ``test``, else what ``run`` held out by itself.
        run: the run that is measured, if it is one.
        a_side: the half of a side-by-side picture that is A.
        limit: at most so many tiles; 0 takes all.
        skip_broken: leave out pictures that cannot be used.

    Raises:
        DatasetError: data or lists that cannot be used, or nothing that is held out.
    """
    with opened(data) as root:
        split = validation_split(root)
        made = holdout.read(run) if run is not None and (run / holdout.FILE).is_file() else None
        if tiles is not None:
            yield TileSource(root, tiles.name, read_stems(tiles), "train", a_side, limit, skip_broken)
        elif split is not None and not (made is not None and made.given):
            yield TileSource(root, split, None, split, a_side, limit, skip_broken)
        elif made is not None:
            stems = [*dict.fromkeys([*made.side("A")[1], *made.side("B")[1]])]
            yield TileSource(root, holdout.FILE, stems, "train", a_side, limit, skip_broken)
        else:
            raise DatasetError(f"{data} has no folder 'val' or 'test'; name the held-out tiles with --tiles")


def open_folders(
    made: Path, target: Path, source: Path | None
) -> tuple[list[str], Pictures, Pictures, Pictures]:
    """Pictures that somebody translated, their targets and, if given, their inputs, by equal names.

    Returns:
        Names, inputs (none without ``source``), targets and translations, uint8 ``(n, h, w, 3)``.

    Raises:
        DatasetError: no pictures, a target without its translation, or sizes that differ.
    """
    names = list(list_pictures(target))
    if not names:
        raise DatasetError(f"no pictures in {target}")
    found = []
    for folder in (source, target, made):
        listed = list_pictures(folder) if folder else {}
        missing = [name for name in names if name not in listed]
        if folder and missing:
            raise DatasetError(f"{folder} has no picture {missing[0]} ({len(missing)} are missing)")
        found.append([_read(listed[name]) for name in names if name in listed])
    sizes = {picture.shape for pictures in found for picture in pictures}
    if len(sizes) > 1:
        shown = ", ".join(sorted(f"{shape[1]}x{shape[0]}" for shape in sizes)[:3])
        raise DatasetError(f"the pictures must have one size, not {shown}")
    inputs, targets, translations = (
        np.stack(pictures) if pictures else np.empty((0, *next(iter(sizes))), np.uint8) for pictures in found
    )
    return names, inputs, targets, translations


def _read(path: Path) -> Pictures:
    """A picture at its own size."""
    try:
        return decode(path.read_bytes(), max_bytes=MAX_BYTES).rgb
    except (OSError, ImageError) as error:
        raise DatasetError(f"{path}: not a readable picture ({error})") from error


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most ``count`` of the items, evenly spread, in order."""
    count = min(count, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def _spread_paths(paths: dict[str, Path], count: int) -> dict[str, Path]:
    return {stem: paths[stem] for stem in spread(list(paths), count)}


def _split(paths: DomainPaths, stems: set[str], *, inside: bool) -> DomainPaths:
    """The pictures of both domains that are in the list, or that are not."""
    first, second = ({s: p for s, p in side.items() if (s in stems) == inside} for side in paths)
    if not first or not second:
        raise DatasetError("a domain has no picture that is held out, or none that is not")
    return first, second
