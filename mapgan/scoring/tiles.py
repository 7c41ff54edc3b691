"""The tiles that generators are measured on, at any size, and the colours of those they learnt from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

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
    select_pairs,
    some,
    validation_split,
)
from mapgan.holdout import Holdout
from mapgan.imageio import ImageError, decode
from mapgan.metrics import Pictures
from mapgan.scoring import lists
from mapgan.scoring.lists import Names
from mapgan.traindata import opened
from mapgan.unpaired import DomainPaths, load_paths

MEDIAN_TILES: Final = 200
"""Training tiles, evenly spread, for the median colour; more do not move it by a level."""
ALL: Final = "the whole folder"
"""What the tiles of a flat folder are called of which nobody said what they are for."""

Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Tiles:
    """Held-out tiles at one size.

    Attributes:
        stems: names of the tiles; of unpaired ones those of the aerial pictures.
        aerial, drawn: domains A and B, uint8 ``(n, s, s, 3)``.
        paired: whether ``aerial[i]`` and ``drawn[i]`` are of one place.
        medians: per-channel median colours of the training pictures of A and B.
        known_drawn: some training pictures of B, as ``drawn``.
    """

    stems: list[str]
    aerial: Pictures
    drawn: Pictures
    paired: bool
    medians: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
    known_drawn: Pictures

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


class _Loaded(NamedTuple):
    """Pictures of A and B; ``stems`` are those of A, ``problems`` sentences on what was left out."""

    stems: list[str]
    a: Pictures
    b: Pictures
    problems: list[str]


@dataclass(eq=False)
class TileSource:
    """Where tiles come from: a data set that lies open, and which of it is held out.

    Attributes:
        data: what somebody named, and what notes name.
        root: its folder.
        label: what the held-out tiles are called: `val`, the name of the list, or `split.json`.
        names: the held-out tiles by domain; None takes all of the split.
        split: of the data; ``train`` where the tiles are chosen by name, or all.
        pairs: whether all generators learnt from pairs, so that ``trainA/`` and ``trainB/`` are some.
        a_side: the half of a side-by-side picture that is A.
        limit: at most so many tiles, evenly spread; 0 takes all.
        skip_broken: leave out pictures that cannot be used.
        on_note: hears each of the ``notes`` as it is made.
        notes: sentences on what somebody may not expect.
    """

    data: Path
    root: Path
    label: str
    names: Names | None
    split: str
    pairs: bool = False
    a_side: str = "left"
    limit: int = 0
    skip_broken: bool = False
    on_note: Callable[[str], None] = lambda _: None
    notes: list[str] = field(default_factory=list)
    _loaded: dict[int, Tiles] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Something to tell, once."""
        text = text.replace(str(self.root), str(self.data))
        if text not in self.notes:
            self.notes.append(text)
            self.on_note(text)

    def at(self, size: int) -> Tiles:
        """The tiles at ``size`` pixels.

        Raises:
            DatasetError: pictures that cannot be used, or no such tiles.
        """
        if size not in self._loaded:
            domains = unpaired.find_domains(self.root, self.split)
            apart = domains is not None and not self._are_pairs(domains)
            self._loaded[size] = self._unpaired(domains, size) if domains and apart else self._paired(size)
        return self._loaded[size]

    def _are_pairs(self, domains: DomainPaths) -> bool:
        """As a training has it: A/ and B/ of equal names are pairs, trainA/ and trainB/ only for Pix2Pix."""
        same = list(domains[0]) == list(domains[1])
        if next(iter(domains[0].values())).parent.name == "A":
            return same or self.pairs
        return same and self.pairs

    def _paired(self, size: int) -> Tiles:
        pairs, others = find_pairs(self.root, self.split, a_side=self.a_side), None
        if self.names is not None:
            a, b = map(set, self.names)
            others = [pair for pair in pairs if pair.stem not in a | b]
            pairs = select_pairs(pairs, [stem for stem in self.names[0] if stem in b])
        shown = _load_pairs(pairs, self.limit, size, skip_broken=self.skip_broken)

        def known() -> _Loaded:
            rest = self._others(partial(find_pairs, a_side=self.a_side)) if others is None else others
            return _load_pairs(rest, MEDIAN_TILES, size, skip_broken=True)

        return _tiles(shown, self._known(known) or shown, paired=True)

    def _unpaired(self, domains: DomainPaths, size: int) -> Tiles:
        others: DomainPaths | None = None
        if self.names is not None:
            domains, others = _divided(domains, self.names)
        shown = _load_domains(domains, self.limit, size, skip_broken=self.skip_broken)

        def known() -> _Loaded:
            rest = others or self._others(unpaired.find_domains)
            return _load_domains(rest, MEDIAN_TILES, size, skip_broken=True)

        return _tiles(shown, self._known(known) or shown, paired=False)

    def _others(self, find: Callable[[Path], Item]) -> Item:
        """The pictures for training, beside a split that is measured as a whole.

        Raises:
            DatasetError: there are none.
        """
        if self.split == "train":
            raise DatasetError("all of them are measured")
        return find(self.root)

    def _known(self, load: Callable[[], _Loaded]) -> _Loaded | None:
        """Training pictures for the median colours; None, and a note, where there are none to be had."""
        try:
            known = load()
        except DatasetError as error:
            self.note(f"the median colour is that of the measured tiles, not of training pictures: {error}")
            return None
        if known.problems:
            count = len(known.problems)
            self.note(f"{count} training pictures are left out of the median colour: {known.problems[0]}")
        return known


@contextmanager
def open_tiles(
    data: Path,
    tiles: Path | None = None,
    *,
    runs: Sequence[Path] = (),
    pairs: bool = False,
    a_side: str = "left",
    limit: int = 0,
    skip_broken: bool = False,
    on_note: Callable[[str], None] = lambda _: None,
) -> Iterator[TileSource]:
    """The held-out tiles of a data set.

    Args:
        data: folder, zip or tar, in pairs or not.
        tiles: list of held-out tiles of the training split, or a split (`.json`); None takes those of the
            split that the runs were given, else the set's ``val`` or ``test``, else what the runs held
            out by themselves, else all tiles of a flat folder.
        runs: those that are measured.
        pairs, a_side, limit, skip_broken, on_note: see :class:`TileSource`.

    Raises:
        DatasetError: data or lists that cannot be used, or nothing that is held out.
    """
    splits = lists.splits_of(runs)
    with opened(data) as root:
        label, names, split = _chosen(root, tiles, splits)
        source = TileSource(
            data, root, label, names, split, pairs, a_side, limit, skip_broken, on_note
        )  # fmt: skip
        if label == ALL:
            source.note("all tiles are measured: nothing says which of them are held out")
        for text in lists.learnt(splits, names or _names(root)) if split == "train" else ():
            source.note(text)
        yield source


def _chosen(root: Path, tiles: Path | None, splits: Mapping[Path, Holdout]) -> tuple[str, Names | None, str]:
    """What is measured, as :func:`open_tiles` has it: what it is called, its names, the split they are of."""
    if tiles is not None:
        return tiles.name, lists.read_names(tiles), "train"
    split = validation_split(root)
    if split is not None and not any(made.given for made in splits.values()):
        return split, None, split
    names = lists.agreed(splits)
    if _is_flat(root) and not _any_there(root, names):
        return ALL, None, "train"
    if names is None:
        raise DatasetError(f"{root} has no folder 'val' or 'test'; name the held-out tiles with --tiles")
    if not all(names):
        raise DatasetError("the run held out no tile; name some that it has not learnt with --tiles")
    return holdout.FILE, names, "train"


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


def _divided(domains: DomainPaths, names: Names) -> tuple[DomainPaths, DomainPaths]:
    """The named pictures of both domains, and the others.

    Raises:
        DatasetError: a name that neither domain has, or none of one domain.
    """
    unknown = {*names[0], *names[1]} - set(domains[0]) - set(domains[1])
    if unknown:
        raise DatasetError(f"no such tiles: {some(unknown)}")
    found = []
    for inside in (True, False):
        a, b = (
            {stem: path for stem, path in paths.items() if (stem in listed) == inside}
            for paths, listed in zip(domains, map(set, names), strict=True)
        )
        found.append((a, b))
    if not all(found[0]):
        raise DatasetError("a domain has no picture that is held out")
    return found[0], found[1]


def _names(root: Path) -> Names:
    """Of all training pictures."""
    domains = unpaired.find_domains(root)
    if domains is not None:
        return list(domains[0]), list(domains[1])
    stems = [pair.stem for pair in find_pairs(root)]
    return stems, stems


def _is_flat(root: Path) -> bool:
    """Whether the pictures lie in the folder itself, or in its A/ and B/: nobody said what they are for."""
    return not any((root / f"train{domain}").is_dir() for domain in ("", "A", "B"))


def _any_there(root: Path, names: Names | None) -> bool:
    """Whether the data have any of these tiles."""
    there = _names(root)
    return names is not None and any(set(mine) & set(named) for mine, named in zip(there, names, strict=True))


def _load_pairs(pairs: Sequence[Pair], limit: int, size: int, *, skip_broken: bool) -> _Loaded:
    """At most ``limit`` pairs (0: all), evenly spread."""
    if not pairs:
        raise DatasetError("there are none")
    found = load_pairs(spread(pairs, limit or len(pairs)), size, skip_broken=skip_broken)
    return _Loaded(found.stems, found.a, found.b, found.problems)


def _load_domains(paths: DomainPaths | None, limit: int, size: int, *, skip_broken: bool) -> _Loaded:
    """At most ``limit`` pictures of each domain (0: all), evenly spread."""
    if paths is None or not all(paths):
        raise DatasetError("there are none of a domain")
    a, b = ({stem: side[stem] for stem in spread(list(side), limit or len(side))} for side in paths)
    found = load_paths((a, b), size, skip_broken=skip_broken)
    return _Loaded(found.a.stems, found.a.pictures, found.b.pictures, found.problems)


def _tiles(shown: _Loaded, known: _Loaded, *, paired: bool) -> Tiles:
    """The pictures that are shown, and the colours of those that are known."""
    medians = metrics.median_colour(known.a), metrics.median_colour(known.b)
    return Tiles(shown.stems, shown.a, shown.b, paired, medians, known.b)
