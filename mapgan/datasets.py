"""Paired pictures on disk, checked, decoded once into memory, cut and flipped anew at every step.

Three layouts are known:

* *maps*: one picture a pair, one half A (aerial, the left one unless said otherwise), the other B (map);
* two folders ``A/`` and ``B/`` with files of equal names (the suffix may differ);
* CycleGAN's ``trainA/``, ``trainB/``, ``valA/`` ... with files of equal names.

The first two lie in ``ROOT/train``, ``ROOT/val`` and ``ROOT/test``, or flat in ``ROOT`` itself (training
only).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from mapgan.draws import Draws, cut
from mapgan.imageio import SUFFIXES, ImageError, decode

Pictures: TypeAlias = npt.NDArray[np.uint8]

MAX_BYTES: Final = 200 * 2**20  # the user's own files, so only a guard against a wrong folder
MAX_NAMED: Final = 5  # offenders listed in one message


class DatasetError(ValueError):
    """A data set that cannot be trained on; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class Pair:
    """One pair on disk: ``b`` is None when both halves are in the picture ``a``."""

    stem: str
    a: Path
    b: Path | None = None
    a_side: str = "left"
    """The half that is A where both are in one picture: ``left`` or ``right``."""


def find_pairs(
    root: Path, split: str = "train", *, exclude: Iterable[str] = (), a_side: str = "left"
) -> list[Pair]:
    """List the pairs of a split in natural order (2 before 10), without opening them.

    Args:
        root: the data set's folder.
        split: ``train``, ``val`` or ``test``; a flat folder is all ``train``.
        exclude: stems to leave out.
        a_side: the half of a side-by-side picture that is A, ``left`` or ``right``.

    Raises:
        DatasetError: no such folder or split, no picture in it, a name without its counterpart, or
            an excluded stem that is not there (a typing error would let held-out tiles in).
    """
    folders = domain_folders(root, split)
    folder = split_folder(root, split) if folders is None else folders[0].parent
    if folders is not None:
        pairs = _match(list_pictures(folders[0]), list_pictures(folders[1]), folder)
    else:
        pairs = [Pair(stem, path, a_side=a_side) for stem, path in list_pictures(folder).items()]
    if not pairs:
        raise DatasetError(f"no pictures ({', '.join(sorted(SUFFIXES))}) in {folder}")
    left_out = set(exclude)
    missing = left_out - {pair.stem for pair in pairs}
    if missing:
        raise DatasetError(f"tiles to exclude are not in {folder}: {some(missing)}")
    kept = {pair.stem: pair for pair in pairs if pair.stem not in left_out}
    if not kept:
        raise DatasetError(f"every tile of {folder} is excluded")
    return [kept[stem] for stem in natural(kept)]


def select_pairs(pairs: Sequence[Pair], stems: Iterable[str]) -> list[Pair]:
    """The pairs with these stems, in the order of the stems.

    Raises:
        DatasetError: a stem that no pair has.
    """
    by_stem = {pair.stem: pair for pair in pairs}
    wanted = list(stems)
    missing = [stem for stem in wanted if stem not in by_stem]
    if missing:
        raise DatasetError(f"no such tiles: {some(missing)}")
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
        raise DatasetError(f"{path} names tiles twice: {some(twice)}")
    return stems


def load_pair(pair: Pair, size: int | None = None) -> tuple[Pictures, Pictures]:
    """Decode both halves as uint8 ``(height, width, 3)``, resized bicubically to a square of ``size``.

    Raises:
        DatasetError: a file that cannot be decoded, an odd width, or halves of different sizes; the
            file is named.
    """
    halves = _decode_halves(pair)
    return halves if size is None else (_resized(halves[0], size), _resized(halves[1], size))


@dataclass(frozen=True, eq=False)
class LoadedPairs:
    """Pairs in memory, with a sentence for each one that was left out."""

    stems: list[str]
    a: Pictures
    """``(pairs, size, size, 3)``, like ``b``."""
    b: Pictures
    problems: list[str]

    def kept(self, rows: Sequence[int]) -> LoadedPairs:
        """These rows alone, in rising order, without a second copy: this object is used up."""
        stems = [self.stems[row] for row in rows]
        return LoadedPairs(stems, keep_rows(self.a, rows), keep_rows(self.b, rows), self.problems)


def load_pairs(pairs: Sequence[Pair], size: int, *, skip_broken: bool = False) -> LoadedPairs:
    """Decode all pairs on all cores, demanding one size of all halves before they are resized.

    Args:
        pairs: as listed by :func:`find_pairs`.
        size: side of the squares they are resized to, in pixels.
        skip_broken: leave the offenders out and report them instead of raising.

    Raises:
        DatasetError: what :func:`load_pair` raises, a half of another size than most, or nothing
            left; up to five offenders are named.
    """
    a, b = allocate(2 * len(pairs), size).reshape(2, len(pairs), size, size, 3)
    original: dict[int, tuple[int, int]] = {}
    broken: dict[int, str] = {}

    def load(index: int) -> None:
        try:
            halves = _decode_halves(pairs[index])
        except DatasetError as error:
            broken[index] = str(error)
            return
        height, width, _ = halves[0].shape
        original[index] = (width, height)
        a[index], b[index] = (_resized(half, size) for half in halves)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(load, range(len(pairs))))
    if original:
        usual = Counter(original.values()).most_common(1)[0][0]
        for index, (width, height) in original.items():
            if (width, height) != usual:
                broken[index] = (
                    f"{pairs[index].a}: a half is {width}x{height}, most are {usual[0]}x{usual[1]}"
                )
    problems = [broken[index] for index in sorted(broken)]
    if not skip_broken:
        complain(problems)
    good = [index for index in range(len(pairs)) if index not in broken]
    if not good:
        raise DatasetError(f"no usable pair: {problems[0]}")
    everything = LoadedPairs([pair.stem for pair in pairs], a, b, problems)
    return everything.kept(good) if broken else everything


def allocate(count: int, size: int) -> Pictures:
    """Room for ``count`` pictures, ``(count, size, size, 3)``.

    Raises:
        DatasetError: more than the machine has; a process that tried would be killed without a word.
    """
    wanted = count * size * size * 3
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if wanted > there:
        raise DatasetError(
            f"{count:,} pictures of {size} pixels take {wanted / 2**30:.1f} GB; this machine has "
            f"{there / 2**30:.1f} GB of memory: lower load_size or take fewer pictures"
        )
    return np.empty((count, size, size, 3), np.uint8)


def keep_rows(pictures: Pictures, rows: Sequence[int]) -> Pictures:
    """Move ``rows``, in rising order, to the front of the array itself and give that part of it."""
    for to, row in enumerate(rows):
        if to != row:
            pictures[to] = pictures[row]
    return pictures[: len(rows)]


def load_picture(path: Path, size: int) -> Pictures:
    """Decode one picture as uint8 ``(size, size, 3)``, resized bicubically.

    Raises:
        DatasetError: a file that cannot be decoded; it is named.
    """
    return _resized(_decode(path), size)


def complain(problems: Sequence[str]) -> None:
    """Raise a DatasetError with the first few problems; without one do nothing."""
    if problems:
        more = f" (and {len(problems) - MAX_NAMED} more)" if len(problems) > MAX_NAMED else ""
        raise DatasetError("; ".join(problems[:MAX_NAMED]) + more)


class PairedDataset:
    """Pairs in memory at ``load_size``, and the batch of any step as a function of its number.

    Nothing is remembered between batches: order, crops and flips of step n come from (seed, n)
    alone, so a resumed run sees exactly what an uninterrupted one would have seen.

    Args:
        pairs: pictures in memory, larger than or as large as the crops.
        image_size: side of the random crops, in pixels.
        a_to_b: whether A is the source (``sat2map``) or the target (``map2sat``).
        flip: mirror every other pair, by chance.
        batch_size: pairs a batch.
        seed: of order, crops and flips.
    """

    def __init__(
        self, pairs: LoadedPairs, *, image_size: int, a_to_b: bool, flip: bool, batch_size: int, seed: int
    ) -> None:
        self._stems = pairs.stems
        self._source, self._target = (pairs.a, pairs.b) if a_to_b else (pairs.b, pairs.a)
        self._image_size = image_size
        self._batch_size = batch_size
        offsets = pairs.a.shape[1] - image_size + 1
        self._draws = Draws(len(pairs.stems), offsets=offsets, flip=flip, seed=(seed,))

    def __len__(self) -> int:
        """Pairs: the length of a pass."""
        return len(self._stems)

    def fingerprint(self) -> str:
        """SHA-256 over names and pixels: a resumed run must see the same data."""
        digest = sha256("\n".join(self._stems).encode())
        digest.update(self._source.data)
        digest.update(self._target.data)
        return digest.hexdigest()

    def batch(self, step: int) -> tuple[Pictures, Pictures]:
        """Source and target of step ``step`` (from 0), uint8 ``(batch, s, s, 3)``, cut alike."""
        shape = (self._batch_size, self._image_size, self._image_size, 3)
        source, target = np.empty(shape, np.uint8), np.empty(shape, np.uint8)
        for at in range(self._batch_size):
            draw = self._draws[step * self._batch_size + at]
            cut(self._source, draw, source[at])
            cut(self._target, draw, target[at])
        return source, target


def natural(stems: Iterable[str]) -> list[str]:
    """Sorted, numbers by value before words by letter."""
    return sorted(stems, key=lambda stem: (0, int(stem), stem) if stem.isdecimal() else (1, 0, stem))


def some(stems: Iterable[str]) -> str:
    """The first few of ``stems`` and how many there are in all."""
    ordered = natural(stems)
    more = f" and {len(ordered) - MAX_NAMED} more" if len(ordered) > MAX_NAMED else ""
    return ", ".join(ordered[:MAX_NAMED]) + more


def split_folder(root: Path, split: str) -> Path:
    """``root/split``, or ``root`` itself for the training split of a flat folder."""
    if not root.is_dir():
        raise DatasetError(f"no such folder: {root}")
    if (root / split).is_dir():
        return root / split
    if split == "train":
        return root
    raise DatasetError(f"{root} has no folder {split!r}")


def domain_folders(root: Path, split: str = "train") -> tuple[Path, Path] | None:
    """The folders of A and B of a split, or None where it has none (the *maps* layout).

    Raises:
        DatasetError: no such folder or split, or only one of the two is there.
    """
    if not root.is_dir():
        raise DatasetError(f"no such folder: {root}")
    choices = [(root / f"{split}A", root / f"{split}B")]
    if not any(folder.is_dir() for folder in choices[0]):
        folder = split_folder(root, split)
        choices.append((folder / "A", folder / "B"))
    for a, b in choices:
        if a.is_dir() and b.is_dir():
            return a, b
        if a.is_dir() != b.is_dir():
            there, absent = (a, b) if a.is_dir() else (b, a)
            raise DatasetError(f"{there} is there but {absent} is not")
    return None


def validation_split(root: Path) -> str | None:
    """``val``, or else ``test``, or None when the data have neither."""
    for split in ("val", "test"):
        if any((root / f"{split}{domain}").is_dir() for domain in ("", "A", "B")):
            return split
    return None


def list_pictures(folder: Path) -> dict[str, Path]:
    """Pictures of a folder by stem, in the order of their names; hidden files are not pictures.

    Raises:
        DatasetError: two files of one stem.
    """
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
        raise DatasetError(f"pictures of {folder} without a counterpart: {some(alone)}")
    return [Pair(stem, path, b[stem]) for stem, path in a.items()]


def _decode_halves(pair: Pair) -> tuple[Pictures, Pictures]:
    """A and B at their own size, which is one and the same."""
    picture = _decode(pair.a)
    if pair.b is None:
        width = picture.shape[1]
        if width % 2:
            raise DatasetError(f"{pair.a}: the width {width} is odd, so it has no two equal halves")
        halves = picture[:, : width // 2], picture[:, width // 2 :]
        return halves if pair.a_side == "left" else halves[::-1]
    other = _decode(pair.b)
    if other.shape != picture.shape:
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (picture, other)]
        raise DatasetError(f"{pair.a} is {sizes[0]} but {pair.b} is {sizes[1]}")
    return picture, other


def _decode(path: Path) -> Pictures:
    """The whole picture as upright 8-bit RGB, whatever depth and colours the file has."""
    try:
        return decode(path.read_bytes(), max_bytes=MAX_BYTES).rgb
    except (OSError, ImageError) as error:
        raise DatasetError(f"{path}: not a readable picture ({error})") from error


def _resized(picture: Pictures, size: int) -> Pictures:
    """A square of ``size`` pixels by bicubic interpolation; the shape is given up as in the papers."""
    if picture.shape[:2] == (size, size):
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BICUBIC))
