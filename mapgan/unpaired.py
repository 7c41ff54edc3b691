"""Two domains of pictures for CycleGAN: A and B are drawn, cut and mirrored apart from each other.

Three layouts are known, below ``ROOT/train`` or in ``ROOT`` itself:

* *maps*: one picture whose left half is of A (aerial) and whose right half is of B (map);
* two folders ``A/`` and ``B/``;
* CycleGAN's own ``trainA/`` and ``trainB/``.

In the folders names, numbers and sizes need not agree. Pictures that happen to be pairs are never
treated as such.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from mapgan.datasets import (
    DatasetError,
    Pictures,
    allocate,
    complain,
    domain_folders,
    find_pairs,
    keep_rows,
    list_pictures,
    load_pairs,
    load_picture,
    natural,
    some,
)
from mapgan.draws import Draws, cut

DOMAINS: Final = ("A", "B")
DomainPaths: TypeAlias = tuple[dict[str, Path], dict[str, Path]]


@dataclass(frozen=True, eq=False)
class Domain:
    """The pictures of one domain in memory."""

    stems: list[str]
    pictures: Pictures
    """``(pictures, size, size, 3)``."""

    def kept(self, rows: Sequence[int]) -> Domain:
        """These rows alone, in rising order, without a second copy: this object is used up."""
        return Domain([self.stems[row] for row in rows], keep_rows(self.pictures, rows))


@dataclass(frozen=True, eq=False)
class LoadedDomains:
    """Both domains, with a sentence for each picture that was left out."""

    a: Domain
    b: Domain
    problems: list[str]


def load_domains(
    root: Path,
    size: int,
    *,
    split: str = "train",
    a_side: str = "left",
    exclude: Iterable[str] = (),
    skip_broken: bool = False,
) -> LoadedDomains:
    """Find and decode the pictures of both domains.

    Args:
        root: the data set's folder.
        size: side of the squares they are resized to, bicubically, in pixels.
        split: ``train``, ``val`` or ``test``.
        a_side: the half of a side-by-side picture that is A, ``left`` or ``right``.
        exclude: stems to leave out of both domains.
        skip_broken: leave out pictures that cannot be used and report them instead of raising.

    Raises:
        DatasetError: no such folder, a domain without pictures, an excluded stem that neither domain
            has, or a picture that cannot be used; in the *maps* layout also halves of another size.
    """
    paths = find_domains(root, split, exclude=exclude)
    if paths is None:
        found = find_pairs(root, split, exclude=exclude, a_side=a_side)
        pairs = load_pairs(found, size, skip_broken=skip_broken)
        return LoadedDomains(Domain(pairs.stems, pairs.a), Domain(pairs.stems, pairs.b), pairs.problems)
    return load_paths(paths, size, skip_broken=skip_broken)


def find_domains(root: Path, split: str = "train", *, exclude: Iterable[str] = ()) -> DomainPaths | None:
    """The pictures of both domains by stem in natural order, or None where one picture holds a half of each.

    Raises:
        DatasetError: as :func:`load_domains`.
    """
    folders = domain_folders(root, split)
    if folders is None:
        return None
    left_out = set(exclude)
    listed = [list_pictures(folder) for folder in folders]
    missing = left_out - set().union(*listed)
    if missing:
        raise DatasetError(f"tiles to exclude are not in {root}: {some(missing)}")
    kept = [{stem: found[stem] for stem in natural(found) if stem not in left_out} for found in listed]
    for folder, paths in zip(folders, kept, strict=True):
        if not paths:
            raise DatasetError(f"no pictures in {folder}")
    return kept[0], kept[1]


def load_paths(paths: DomainPaths, size: int, *, skip_broken: bool = False) -> LoadedDomains:
    """Decode what :func:`find_domains` found, on all cores.

    Raises:
        DatasetError: a picture that cannot be used, or none left of a domain.
    """
    problems: list[str] = []
    a, b = (load_domain(found, size, problems) for found in paths)
    if not skip_broken:
        complain(problems)
    for domain, found in zip((a, b), paths, strict=True):
        if not domain.stems:
            folder = next(iter(found.values())).parent
            raise DatasetError(f"no usable picture in {folder}: {problems[0]}")
    return LoadedDomains(a, b, problems)


def load_domain(paths: dict[str, Path], size: int, problems: list[str]) -> Domain:
    """Decode one domain on all cores; what is broken is left out and adds its sentence to ``problems``."""
    pictures = allocate(len(paths), size)
    broken: dict[int, str] = {}

    def load(index: int, path: Path) -> None:
        try:
            pictures[index] = load_picture(path, size)
        except DatasetError as error:
            broken[index] = str(error)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(load, range(len(paths)), paths.values()))
    problems += [broken[index] for index in sorted(broken)]
    good = [index for index in range(len(paths)) if index not in broken]
    everything = Domain(list(paths), pictures)
    return everything.kept(good) if broken else everything


class UnpairedDataset:
    """Two domains in memory at ``load_size``, and the batch of any step as a function of its number.

    Like :class:`mapgan.datasets.PairedDataset`, and as forgetful: each domain has passes of its own
    length and order, and crops and flips of its own, all from (seed, domain, number) alone.

    Args:
        domains: pictures in memory, larger than or as large as the crops.
        image_size: side of the random crops, in pixels.
        flip: mirror every other picture, by chance.
        batch_size: pictures of each domain a batch.
        seed: of orders, crops and flips.
    """

    def __init__(
        self, domains: LoadedDomains, *, image_size: int, flip: bool, batch_size: int, seed: int
    ) -> None:
        self._batch_size = batch_size
        self._image_size = image_size
        self._domains = (domains.a, domains.b)
        self._draws = [
            Draws(
                len(domain.stems),
                offsets=domain.pictures.shape[1] - image_size + 1,
                flip=flip,
                seed=(seed, number),
            )
            for number, domain in enumerate(self._domains, start=2)  # pairs have 0 and 1
        ]

    def __len__(self) -> int:
        """Pictures of the larger domain: the length of its pass."""
        return max(len(domain.stems) for domain in self._domains)

    def fingerprint(self) -> str:
        """SHA-256 over names and pixels: a resumed run must see the same data."""
        digest = sha256()
        for domain in self._domains:
            digest.update("\n".join([*domain.stems, ""]).encode())
            digest.update(domain.pictures.data)
        return digest.hexdigest()

    def batch(self, step: int) -> tuple[Pictures, Pictures]:
        """Pictures of A and of B for step ``step`` (from 0), uint8 ``(batch, s, s, 3)``."""
        shape = (self._batch_size, self._image_size, self._image_size, 3)
        batches = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        for domain, draws, batch in zip(self._domains, self._draws, batches, strict=True):
            for at in range(self._batch_size):
                cut(domain.pictures, draws[step * self._batch_size + at], batch[at])
        return batches
