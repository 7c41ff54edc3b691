"""Paired pictures on disk, checked, decoded once into memory, cut and flipped anew at every step.

Two layouts are known:

* *maps*: one picture a pair, its left half A (aerial), its right half B (map);
* two folders ``A/`` and ``B/`` with files of equal names (the suffix may differ).

Either lies in ``ROOT/train`` and ``ROOT/val``, or flat in ``ROOT`` itself (training only).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Pictures: TypeAlias = npt.NDArray[np.uint8]

SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})
MAX_NAMED: Final = 5  # offenders listed in one message


class DatasetError(ValueError):
    """A data set that cannot be trained on; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Pair:
    """One pair on disk: ``b`` is None when both halves are in the picture ``a``."""

    stem: str
    a: Path
    b: Path | None = None
    size: tuple[int, int] = (0, 0)
    """Width and height of one half; filled in by :func:`check_sizes`."""


def find_pairs(root: Path, split: str = "train", *, exclude: Iterable[str] = ()) -> list[Pair]:
    """List the pairs of a split in natural order (2 before 10), without opening them.

    Args:
        root: the data set's folder.
        split: ``train`` or ``val``; a flat folder is all ``train``.
        exclude: stems to leave out.

    Raises:
        DatasetError: no such folder or split, no picture in it, a name without its counterpart, or
            an excluded stem that is not there (a typing error would let held-out tiles in).
    """
    folder = _split_folder(root, split)
    a_folder, b_folder = folder / "A", folder / "B"
    if a_folder.is_dir() and b_folder.is_dir():
        pairs = _match(_pictures(a_folder), _pictures(b_folder), folder)
    else:
        pairs = [Pair(stem, path) for stem, path in _pictures(folder).items()]
    if not pairs:
        raise DatasetError(f"no pictures ({', '.join(sorted(SUFFIXES))}) in {folder}")
    left_out = set(exclude)
    missing = left_out - {pair.stem for pair in pairs}
    if missing:
        raise DatasetError(f"tiles to exclude are not in {folder}: {_some(missing)}")
    kept = [pair for pair in pairs if pair.stem not in left_out]
    if not kept:
        raise DatasetError(f"every tile of {folder} is excluded")
    return sorted(kept, key=lambda pair: _natural(pair.stem))


def select_pairs(pairs: Sequence[Pair], stems: Iterable[str]) -> list[Pair]:
    """The pairs with these stems, in the order of the stems.

    Raises:
        DatasetError: a stem that no pair has.
    """
    by_stem = {pair.stem: pair for pair in pairs}
    wanted = list(stems)
    missing = [stem for stem in wanted if stem not in by_stem]
    if missing:
        raise DatasetError(f"no such tiles: {_some(missing)}")
    return [by_stem[stem] for stem in wanted]


def read_stems(path: Path) -> list[str]:
    """Read a list of tiles: one stem a line, blank lines and lines that start with ``#`` ignored.

    Raises:
        DatasetError: the file cannot be read or names a tile twice.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read the list of tiles {path}: {error}") from error
    stems = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    twice = [stem for stem, count in Counter(stems).items() if count > 1]
    if twice:
        raise DatasetError(f"{path} names tiles twice: {_some(twice)}")
    return stems


def check_sizes(pairs: Sequence[Pair], *, skip_broken: bool = False) -> tuple[list[Pair], list[str]]:
    """Read the header of every picture and demand one size for all halves.

    Args:
        pairs: as listed by :func:`find_pairs`.
        skip_broken: leave the offenders out and report them instead of raising.

    Returns:
        The good pairs with their ``size``, and a sentence for each one left out.

    Raises:
        DatasetError: an unreadable file, an odd width, halves or pairs of different sizes, or
            nothing left.
    """
    good: list[Pair] = []
    problems: list[str] = []
    for pair in pairs:
        try:
            good.append(replace(pair, size=_half_size(pair)))
        except DatasetError as error:
            problems.append(str(error))
    sizes = Counter(pair.size for pair in good)
    if len(sizes) > 1:
        usual = sizes.most_common(1)[0][0]
        odd = [pair for pair in good if pair.size != usual]
        problems += [
            f"{pair.a}: a half is {pair.size[0]}x{pair.size[1]}, most are {usual[0]}x{usual[1]}"
            for pair in odd
        ]
        good = [pair for pair in good if pair.size == usual]
    if problems and not skip_broken:
        more = f" (and {len(problems) - MAX_NAMED} more)" if len(problems) > MAX_NAMED else ""
        raise DatasetError("; ".join(problems[:MAX_NAMED]) + more)
    if not good:
        raise DatasetError(f"no usable pair: {problems[0]}")
    return good, problems


def load_pair(pair: Pair, size: int | None = None) -> tuple[Pictures, Pictures]:
    """Decode both halves as uint8 ``(height, width, 3)``, resized bicubically to a square of ``size``.

    Raises:
        DatasetError: a file that cannot be decoded; it is named.
    """
    picture = _decode(pair.a)
    if pair.b is None:
        half = picture.width // 2
        a = picture.crop((0, 0, half, picture.height))
        b = picture.crop((half, 0, 2 * half, picture.height))
    else:
        a, b = picture, _decode(pair.b)
    if size is not None:
        a, b = (
            half if half.size == (size, size) else half.resize((size, size), Image.Resampling.BICUBIC)
            for half in (a, b)
        )
    return np.asarray(a), np.asarray(b)


class PairedDataset:
    """Pairs in memory at ``load_size``, and the batch of any step as a function of its number.

    Nothing is remembered between batches: order, crops and flips of step n come from (seed, n)
    alone, so a resumed run sees exactly what an uninterrupted one would have seen.

    Args:
        pairs: good pairs from :func:`check_sizes`.
        load_size: side of the cached pictures, in pixels.
        image_size: side of the random crops.
        a_to_b: whether A is the source (``sat2map``) or the target (``map2sat``).
        flip: mirror half of the batches' pairs.
        batch_size: pairs a batch.
        seed: of order, crops and flips.
        skip_broken: leave out what does not decode; ``problems`` says which.

    Raises:
        DatasetError: a picture that does not decode (without ``skip_broken``), or none that does.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        *,
        load_size: int,
        image_size: int,
        a_to_b: bool,
        flip: bool,
        batch_size: int,
        seed: int,
        skip_broken: bool = False,
    ) -> None:
        self.problems: list[str] = []
        first, second, self.stems = self._load(pairs, load_size, skip_broken)
        self._source, self._target = (first, second) if a_to_b else (second, first)
        self._offsets = load_size - image_size + 1
        self._image_size = image_size
        self._flip = flip
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = -1
        self._order: npt.NDArray[np.int64] = np.empty(0, np.int64)

    def _load(
        self, pairs: Sequence[Pair], size: int, skip_broken: bool
    ) -> tuple[Pictures, Pictures, list[str]]:
        """Decode all pairs on all cores into two arrays ``(pairs, size, size, 3)``."""
        a, b = (np.empty((len(pairs), size, size, 3), np.uint8) for _ in range(2))
        stems: list[str] = []

        def load(pair: Pair) -> tuple[Pictures, Pictures] | DatasetError:
            try:
                return load_pair(pair, size)
            except DatasetError as error:
                return error

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for pair, halves in zip(pairs, pool.map(load, pairs), strict=True):
                if isinstance(halves, DatasetError):
                    if not skip_broken:
                        pool.shutdown(wait=False, cancel_futures=True)
                        raise halves
                    self.problems.append(str(halves))
                    continue
                a[len(stems)], b[len(stems)] = halves
                stems.append(pair.stem)
        if not stems:
            raise DatasetError(f"no usable pair: {self.problems[0]}")
        return a[: len(stems)], b[: len(stems)], stems

    def __len__(self) -> int:
        return len(self.stems)

    def fingerprint(self) -> str:
        """SHA-256 over names and pixels: a resumed run must see the same data."""
        digest = sha256("\n".join(self.stems).encode())
        digest.update(self._source.data)
        digest.update(self._target.data)
        return digest.hexdigest()

    def batch(self, step: int) -> tuple[Pictures, Pictures]:
        """Source and target of step ``step`` (from 0), uint8 ``(batch, s, s, 3)``, cut alike."""
        first = step * self._batch_size
        chosen = [self._augmented(number) for number in range(first, first + self._batch_size)]
        return np.stack([source for source, _ in chosen]), np.stack([target for _, target in chosen])

    def _augmented(self, number: int) -> tuple[Pictures, Pictures]:
        """The ``number``-th pair since the run began: shuffled anew each pass, cropped, mirrored."""
        epoch, position = divmod(number, len(self.stems))
        if epoch != self._epoch:
            self._order = np.random.default_rng((self._seed, 0, epoch)).permutation(len(self.stems))
            self._epoch = epoch
        index = self._order[position]
        top, left, mirror = np.random.default_rng((self._seed, 1, number)).integers(
            (self._offsets, self._offsets, 2)
        )
        step = -1 if self._flip and mirror else 1
        rows, columns = slice(top, top + self._image_size), slice(left, left + self._image_size)
        source, target = self._source[index, rows, columns], self._target[index, rows, columns]
        return source[:, ::step], target[:, ::step]


def _split_folder(root: Path, split: str) -> Path:
    """``root/split``, or ``root`` itself for the training split of a flat folder."""
    if not root.is_dir():
        raise DatasetError(f"no such folder: {root}")
    if (root / split).is_dir():
        return root / split
    if split == "train":
        return root
    raise DatasetError(f"{root} has no folder {split!r}")


def _pictures(folder: Path) -> dict[str, Path]:
    """Pictures of a folder by stem; hidden files are not pictures."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        if path.stem in found:
            raise DatasetError(f"two pictures have one name: {found[path.stem]} and {path}")
        found[path.stem] = path
    return found


def _match(a: dict[str, Path], b: dict[str, Path], folder: Path) -> list[Pair]:
    """Join two folders by name."""
    alone = set(a) ^ set(b)
    if alone:
        raise DatasetError(f"pictures of {folder} without a counterpart: {_some(alone)}")
    return [Pair(stem, path, b[stem]) for stem, path in a.items()]


def _half_size(pair: Pair) -> tuple[int, int]:
    """Width and height of one half, from the headers."""
    width, height = _header_size(pair.a)
    if pair.b is None:
        if width % 2:
            raise DatasetError(f"{pair.a}: the width {width} is odd, so it has no two equal halves")
        return width // 2, height
    other = _header_size(pair.b)
    if other != (width, height):
        raise DatasetError(f"{pair.a} is {width}x{height} but {pair.b} is {other[0]}x{other[1]}")
    return width, height


def _header_size(path: Path) -> tuple[int, int]:
    """Width and height without decoding the pixels."""
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path}: not a readable picture ({error})") from error


def _decode(path: Path) -> Image.Image:
    """The whole picture as RGB."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path}: not a readable picture ({error})") from error


def _natural(stem: str) -> tuple[int, int, str]:
    """Numbers by value before words by letter."""
    return (0, int(stem), stem) if stem.isdecimal() else (1, 0, stem)


def _some(stems: Iterable[str]) -> str:
    """The first few of ``stems`` and how many there are in all."""
    ordered = sorted(stems, key=_natural)
    more = f" and {len(ordered) - MAX_NAMED} more" if len(ordered) > MAX_NAMED else ""
    return ", ".join(ordered[:MAX_NAMED]) + more
