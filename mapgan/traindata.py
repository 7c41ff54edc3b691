"""From what a person has (a folder or an archive of pictures) to what a run needs, in one call.

:func:`open_training_data` finds the layout, decodes the pictures once, decides what is held out and
hands back batches and fixed validation tiles. :func:`open_pairs` opens the same sources for whoever
measures a generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import numpy as np

from mapgan import archives, groundcache, holdout, runlock
from mapgan.config import TrainConfig
from mapgan.datasets import (
    DatasetError,
    LoadedPairs,
    Pair,
    PairedDataset,
    Pictures,
    find_pairs,
    load_pairs,
    select_pairs,
    validation_split,
)
from mapgan.unpaired import (
    DOMAINS,
    Domain,
    DomainPaths,
    LoadedDomains,
    UnpairedDataset,
    find_domains,
    load_domain,
    load_paths,
)

PART_FOLDER: Final = ".data-part"
GROUND_TILES: Final = 3_000
"""Tiles up to which all are compared with all before a run: one to two minutes on two cores."""
_GROUND_SIZE: Final = 128
"""Side in pixels below which a picture shows too little of its ground to be recognised."""
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Tiles to be split: their names, their pictures (A of pairs), and a way to decode them again."""

    stems: list[str]
    pictures: Pictures
    at_size: Callable[[int], Pictures]


class Batches(Protocol):
    """What the loop asks of a data set; the same as :class:`mapgan.training.Dataset`."""

    def __len__(self) -> int: ...

    def batch(self, step: int) -> tuple[Any, Any]:
        """The two uint8 batches of step ``step``, a function of the number alone."""

    def fingerprint(self) -> str:
        """Changes when the data do."""


@dataclass(frozen=True, eq=False)
class Validation:
    """Fixed tiles that are not learnt from, at ``image_size``, in natural order.

    Attributes:
        stems: names of the tiles; of unpaired data those of ``first``.
        first: uint8 ``(n, s, s, 3)``: the sources of Pix2Pix in the run's direction, A of CycleGAN.
        second: the same of the targets, or of B. Rows of unpaired data do not belong together.
        paired: whether ``first[i]`` and ``second[i]`` are the halves of one tile.
        held_out: how many tiles the data hold out in all; at most as many as a run looks at are
            decoded, spread evenly over them.
    """

    stems: list[str]
    first: Pictures
    second: Pictures
    paired: bool
    held_out: int


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a run learns from and is judged on.

    Attributes:
        dataset: gives the batch of every step.
        validation: may have no tiles.
        problems: sentences for a person: pictures left out, no validation.
    """

    dataset: Batches
    validation: Validation
    problems: list[str]


def open_training_data(
    config: TrainConfig,
    source: Path,
    run: Path,
    *,
    exclude: Sequence[str] = (),
    skip_broken: bool = False,
    split: Path | None = None,
    locked: bool = False,
) -> TrainingData:
    """Find, check and decode the pictures of a run.

    Where the data have neither ``val/`` nor ``test/`` (nor ``testA/`` and ``testB/``), a share of the
    tiles is held out and written to ``run/split.json``; a run with checkpoints reads it from there. A split
    that is given decides instead, over the pictures for training alone: the data's own ``val/`` is left.

    Args:
        config: the run.
        source: a folder, zip or tar of any layout of :mod:`mapgan.datasets` or :mod:`mapgan.unpaired`.
        run: the run's folder; made where it is missing.
        exclude: stems that are neither learnt from nor validated on.
        skip_broken: leave out pictures that cannot be used and name them instead of raising.
        split: file of a split, see :mod:`mapgan.holdout`; a run that began with one keeps it.
        locked: whether the caller holds the folder (:func:`mapgan.runlock.held`) and goes on to train in it.

    Raises:
        DatasetError: data that cannot be trained on, an archive that is refused or a split of other data;
            the message is for the person who started it.
        runlock.InUseError: another process is training in the folder.
    """
    with nullcontext() if locked else runlock.held(run), opened(source, work=run / PART_FOLDER) as root:
        given = holdout.given(run, split)
        paths = find_domains(root, exclude=exclude) if config.model == "cyclegan" else None
        if paths is None:
            data = _from_pairs(config, root, run, exclude, given, skip_broken=skip_broken)
        else:
            data = _from_domains(config, root, run, paths, given, skip_broken=skip_broken)
        problems = [problem.replace(str(root), str(source)) for problem in data.problems]
        return replace(data, problems=problems)


@contextmanager
def opened(source: Path, *, work: Path | None = None) -> Iterator[Path]:
    """The data set's folder: ``source`` itself, or an archive extracted while the context lasts.

    Args:
        source: a folder, or a zip or tar.
        work: where an archive is extracted, see :func:`mapgan.archives.opened`.

    Raises:
        DatasetError: an archive that is refused. Errors raised inside name the archive, not the
            temporary folder.
    """
    try:
        with archives.opened(source, work=work) as root:
            try:
                yield root
            except DatasetError as error:
                raise DatasetError(str(error).replace(str(root), str(source))) from error
    except archives.ArchiveError as error:
        raise DatasetError(f"{source}: {error}") from error


@contextmanager
def open_pairs(
    source: Path, split: str | None = None, *, stems: Sequence[str] | None = None, a_side: str = "left"
) -> Iterator[list[Pair]]:
    """The pairs of a split of a folder or archive, to be loaded inside the context.

    Args:
        source: a folder, zip or tar of any paired layout.
        split: ``train``, ``val`` or ``test``; None takes the validation, ``val`` or else ``test``.
        stems: these tiles alone, in this order.
        a_side: the half of a side-by-side picture that is A, ``left`` or ``right``.

    Raises:
        DatasetError: an archive that is refused, no such split, no such tiles.
    """
    with opened(source) as root:
        name = split or validation_split(root)
        if name is None:
            raise DatasetError(f"{root} has neither val nor test")
        pairs = find_pairs(root, name, a_side=a_side)
        yield pairs if stems is None else select_pairs(pairs, stems)


def _from_pairs(
    config: TrainConfig,
    root: Path,
    run: Path,
    exclude: Sequence[str],
    given: holdout.Holdout | None,
    *,
    skip_broken: bool,
) -> TrainingData:
    """Pairs for Pix2Pix, or for a CycleGAN that takes them apart."""
    pairs = find_pairs(root, exclude=exclude, a_side=config.a_side)
    loaded = load_pairs(pairs, config.load_size, skip_broken=skip_broken)
    problems = list(loaded.problems)
    split = validation_split(root) if given is None else None
    if split is not None:
        holdout.forget(run)
        held_out = find_pairs(root, split, a_side=config.a_side)
    else:
        at_size = partial(_load_a, select_pairs(pairs, loaded.stems))
        tiles = {holdout.PAIRS: _Tiles(loaded.stems, loaded.a, at_size)}
        train, val = _hold_out(config, run, tiles, problems, given).side(holdout.PAIRS)
        held_out = select_pairs(pairs, val)
        loaded = loaded.kept(_places(loaded.stems, train))
    shown = _spread(held_out, min(len(held_out), _looked_at(config)))
    validation = LoadedPairs([], _none(config), _none(config), [])
    if shown:
        validation = load_pairs(shown, config.image_size, skip_broken=skip_broken)
        problems += validation.problems
    first, second = validation.a, validation.b
    if config.model == "pix2pix" and config.direction == "map2sat":
        first, second = second, first
    return TrainingData(
        _dataset(config, loaded),
        Validation(validation.stems, first, second, paired=True, held_out=len(held_out)),
        problems,
    )


def _from_domains(
    config: TrainConfig,
    root: Path,
    run: Path,
    paths: DomainPaths,
    given: holdout.Holdout | None,
    *,
    skip_broken: bool,
) -> TrainingData:
    """Two folders for a CycleGAN, whose names need not agree."""
    loaded = load_paths(paths, config.load_size, skip_broken=skip_broken)
    problems = list(loaded.problems)
    # A/ and B/ with equal names are pairs, although CycleGAN must not see it; trainA/ and trainB/ never are
    paired = loaded.a.stems == loaded.b.stems and _parent(paths[0]).name == "A"
    split = validation_split(root) if given is None else None
    if split is not None:
        holdout.forget(run)
        held_out = find_domains(root, split)
        if held_out is None:
            raise DatasetError(f"{root / split} has no folders A and B, as the training pictures have")
        paired = _parent(held_out[0]).name == "A" and list(held_out[0]) == list(held_out[1])
    else:
        tiles = {
            name: _Tiles(side.stems, side.pictures, partial(_load_kept, found, side.stems))
            for name, side, found in zip(DOMAINS, (loaded.a, loaded.b), paths, strict=True)
        }
        if paired:
            tiles = {holdout.PAIRS: tiles["A"]}
        (train_a, val_a), (train_b, val_b) = map(_hold_out(config, run, tiles, problems, given).side, DOMAINS)
        held_out = ({stem: paths[0][stem] for stem in val_a}, {stem: paths[1][stem] for stem in val_b})
        loaded = LoadedDomains(
            loaded.a.kept(_places(loaded.a.stems, train_a)),
            loaded.b.kept(_places(loaded.b.stems, train_b)),
            [],
        )
    validation = _load_shown(config, held_out, problems, paired=paired, skip_broken=skip_broken)
    return TrainingData(UnpairedDataset(loaded, **_cut(config)), validation, problems)


def _load_shown(
    config: TrainConfig, held_out: DomainPaths, problems: list[str], *, paired: bool, skip_broken: bool
) -> Validation:
    """The same number of fixed pictures of each domain; what is broken adds its sentence."""
    fewest = min(map(len, held_out))
    count = min(fewest, _looked_at(config))
    if not count:
        return Validation([], _none(config), _none(config), paired=paired, held_out=fewest)
    a, b = ({stem: paths[stem] for stem in _spread(list(paths), count)} for paths in held_out)
    loaded = load_paths((a, b), config.image_size, skip_broken=skip_broken)
    problems += loaded.problems
    sides = (loaded.a, loaded.b)
    if paired:  # the other half of a broken one goes, too
        both = set(loaded.a.stems) & set(loaded.b.stems)
        sides = (loaded.a.kept(_places(loaded.a.stems, both)), loaded.b.kept(_places(loaded.b.stems, both)))
    count = min(len(side.stems) for side in sides)
    first, second = (side.kept(range(count)) for side in sides)
    return Validation(first.stems, first.pictures, second.pictures, paired=paired, held_out=fewest)


def _hold_out(
    config: TrainConfig,
    run: Path,
    tiles: dict[str, _Tiles],
    problems: list[str],
    given: holdout.Holdout | None,
) -> holdout.Holdout:
    """The given split or the run's own; a sentence where nothing could be held out."""
    names = {name: side.stems for name, side in tiles.items()}
    made = holdout.decide(run, names, lambda name: _ground(tiles[name]), config, given)
    if (given is not None or config.validation_share) and not all(made.val.values()):
        problems.append(
            "no tile is held out for validation: there are too few, or all of them show the same ground; "
            "what this run learns is not measured on anything new"
        )
    if None in made.groups.values():
        problems.append(
            f"more than {GROUND_TILES:,} tiles: the validation was drawn without comparing their ground, and "
            "may show what was learnt; mapgan doctor makes a split that does not, for val/ or --exclude"
        )
    return made


def _ground(tiles: _Tiles) -> list[list[int]] | None:
    """Places of the tiles that show the same ground; None for more tiles than a start may wait for."""
    from mapgan.doctor.ground import ALGORITHM, overlapping

    if len(tiles.stems) > GROUND_TILES:
        return None
    large_enough = tiles.pictures.shape[1] >= _GROUND_SIZE
    pictures = tiles.pictures if large_enough else tiles.at_size(_GROUND_SIZE)
    return groundcache.remembered(pictures, ALGORITHM, overlapping)


def _load_a(pairs: Sequence[Pair], size: int) -> Pictures:
    """The halves A of pairs that can be read."""
    return load_pairs(pairs, size).a


def _load_kept(paths: dict[str, Path], stems: Sequence[str], size: int) -> Pictures:
    """Pictures of a domain that can be read."""
    return load_domain({stem: paths[stem] for stem in stems}, size, []).pictures


def _dataset(config: TrainConfig, pairs: LoadedPairs) -> Batches:
    """Pairs as the model takes them."""
    if config.model == "pix2pix":
        return PairedDataset(pairs, a_to_b=config.direction == "sat2map", **_cut(config))
    halves = Domain(pairs.stems, pairs.a), Domain(pairs.stems, pairs.b)
    return UnpairedDataset(LoadedDomains(*halves, []), **_cut(config))


def _cut(config: TrainConfig) -> dict[str, Any]:
    """How batches are cut."""
    return {
        "image_size": config.image_size,
        "flip": config.flip,
        "batch_size": config.batch_size,
        "seed": config.seed,
    }


def _looked_at(config: TrainConfig) -> int:
    """How many validation tiles a run draws or measures."""
    return max(config.samples, config.evaluate_tiles)


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """``count`` of the items, evenly spread, in order: neighbours in a list often show alike places."""
    return [items[place * len(items) // count] for place in range(count)]


def _places(stems: Sequence[str], wanted: Iterable[str]) -> list[int]:
    """Where the wanted stems are, in rising order."""
    chosen = set(wanted)
    return [place for place, stem in enumerate(stems) if stem in chosen]


def _none(config: TrainConfig) -> Pictures:
    """No pictures, in the shape of some."""
    return np.empty((0, config.image_size, config.image_size, 3), np.uint8)


def _parent(paths: dict[str, Path]) -> Path:
    """The folder of a domain."""
    return next(iter(paths.values())).parent
