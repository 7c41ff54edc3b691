"""Which pictures a folder has, in every layout of :mod:`mapgan.datasets`, and what is wrong with names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mapgan.datasets import DatasetError, Pair, natural, some
from mapgan.doctor.report import Finding
from mapgan.imageio import SUFFIXES

SPLITS: Final = ("train", "val", "test")
UNPAIRED_BELOW: Final = 0.1
"""A/ and B/ that share a smaller part of their names are two domains, not pairs with losses."""
_UNREAD: Final = frozenset({".bmp", ".gif", ".jp2", ".heic", ".avif", ".jfif", ".ppm"})
_LISTED: Final = 100  # names of ignored files in one finding


@dataclass(frozen=True)
class Entry:
    """A pair on disk, or one picture of a domain, and how reports name it.

    Attributes:
        name: ``split/stem``, ``splitA/stem`` in a domain of its own, or the stem of a flat folder.
        split: ``train``, ``val``, ``test`` or nothing.
        pair: the files; of a picture of one domain only ``a`` is used.
        halves: ``("A", "B")``, or the one domain the picture is of.
    """

    name: str
    split: str
    pair: Pair
    halves: tuple[str, ...] = ("A", "B")


@dataclass(frozen=True)
class Listing:
    """Entries in natural order, what is wrong with names, and which layout it is."""

    entries: list[Entry]
    findings: list[Finding]
    layout: str
    """``halves`` (both in one picture), ``folders`` (one each) or ``unpaired`` (two domains)."""


def list_entries(root: Path, a_side: str = "left", *, unpaired: bool = False) -> Listing:
    """The pairs of every split of a folder, and what is wrong with the names.

    Args:
        root: the folder.
        a_side: the half of a side-by-side picture that is A.
        unpaired: two folders are two domains, whatever their names.

    Raises:
        DatasetError: no such folder, one that may not be read, or no picture in it; or one picture holds
            both halves although they are said to be ``unpaired``.
    """
    if not root.is_dir():
        raise DatasetError(f"no such folder: {root}")
    entries: list[Entry] = []
    findings: list[Finding] = []
    layouts: dict[str, str] = {}
    try:
        splits = _splits(root)
        sides = {split: _names(folders) for split, folders in splits if len(folders) == 2}
        for split, folders in splits:
            if len(folders) == 1:
                found, problems = _side_by_side(folders[0], split, a_side)
                layouts[split] = "halves"
            else:
                apart = all(sides[split]) and (unpaired or _are_apart(split, dict(splits), sides))
                found, problems = (_domains if apart else _two_folders)(folders[0], folders[1], split)
                layouts[split] = "unpaired" if apart else "folders"
            entries += found
            findings += problems
    except OSError as error:
        raise DatasetError(f"cannot read {error.filename}: {error.strerror}") from error
    if unpaired and "unpaired" not in layouts.values():
        raise DatasetError(f"{root} has no two folders of pictures that could be examined apart")
    if not entries and not any(finding.severity == "error" for finding in findings):
        raise DatasetError(f"no pictures ({', '.join(sorted(SUFFIXES))}) in {root}")
    return Listing(entries, findings + _mixed(layouts), next(iter(layouts.values())))


def _mixed(layouts: dict[str, str]) -> list[Finding]:
    """A warning where some splits have pairs and others two domains."""
    by_kind = {
        kind: [split for split, layout in layouts.items() if (layout == "unpaired") == apart]
        for kind, apart in (("pairs", False), ("two domains", True))
    }
    if not all(by_kind.values()):
        return []
    are = " and ".join(f"{kind} in {', '.join(splits)}" for kind, splits in by_kind.items())
    message = f"there are {are}: they are examined apart, and what they share is not looked for"
    return [Finding("mixed_layouts", "warning", (), message, {"layouts": layouts})]


def _names(folders: list[Path]) -> tuple[set[str], set[str]]:
    """Names of the pictures of A and of B."""
    a, b = (
        {path.stem for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "."}
        if folder.is_dir()
        else set()
        for folder in folders
    )
    return a, b


def _are_apart(
    split: str, folders: dict[str, list[Path]], sides: dict[str, tuple[set[str], set[str]]]
) -> bool:
    """Whether the two folders of a split are two domains and no pairs.

    CycleGAN's folders (``trainA/``, ``trainB/``) are, unless the names agree in all of them: a training
    takes them for pairs only where they do. A/ and B/ are, where hardly a name of the first split is
    shared.
    """
    joined = {name for name in sides if folders[name][0].name != "A"}
    if split in joined:
        return any(all(sides[name]) and sides[name][0] != sides[name][1] for name in joined)
    first, second = next(pair for name, pair in sides.items() if name not in joined)
    return len(first & second) < UNPAIRED_BELOW * min(len(first), len(second))


def _splits(root: Path) -> list[tuple[str, list[Path]]]:
    """Every split with its folder, or with those of A and B; a flat folder is a split without a name."""
    found = []
    for split in SPLITS:
        joined = [root / f"{split}{half}" for half in "AB"]
        if any(folder.is_dir() for folder in joined):
            found.append((split, joined))
        elif (root / split).is_dir():
            found.append((split, _folders(root / split)))
    return found or [("", _folders(root))]


def _folders(folder: Path) -> list[Path]:
    """The folders of A and B where one of them is there, or the folder itself."""
    domains = [folder / half for half in "AB"]
    return domains if any(domain.is_dir() for domain in domains) else [folder]


def _namer(split: str, half: str = "") -> Callable[[str], str]:
    """How reports name a stem."""
    return lambda stem: f"{split}{half}/{stem}" if split or half else stem


def _side_by_side(folder: Path, split: str, a_side: str) -> tuple[list[Entry], list[Finding]]:
    """Pairs whose halves are in one picture."""
    name = _namer(split)
    pictures, findings = _by_stem(folder, name)
    entries = [
        Entry(name(stem), split, Pair(stem, pictures[stem], a_side=a_side)) for stem in natural(pictures)
    ]
    return entries, findings


def _two_folders(a_folder: Path, b_folder: Path, split: str) -> tuple[list[Entry], list[Finding]]:
    """Pairs of files of equal names."""
    name = _namer(split)
    (a, b), findings = _both(a_folder, b_folder, split)
    for stem in natural(set(a) ^ set(b)):
        path = a.get(stem) or b[stem]
        message = f"{path} has no counterpart in the other folder"
        findings.append(Finding("unpaired", "error", (name(stem),), message))
    if a_folder.name != "A" and a and b:
        message = (
            f"{a_folder} and {b_folder} share all names and are taken for pairs; if they are two domains "
            "(CycleGAN), use --unpaired"
        )
        findings.append(Finding("paired_set", "notice", (), message))
    return [
        Entry(name(stem), split, Pair(stem, a[stem], b[stem])) for stem in natural(set(a) & set(b))
    ], findings


def _domains(a_folder: Path, b_folder: Path, split: str) -> tuple[list[Entry], list[Finding]]:
    """The pictures of two domains."""
    sides, findings = _both(a_folder, b_folder, split)
    entries = [
        Entry(_namer(split, half)(stem), split, Pair(stem, paths[stem]), (half,))
        for half, paths in zip("AB", sides, strict=True)
        for stem in natural(paths)
    ]
    shared = set(sides[0]) & set(sides[1])
    message = (
        f"{a_folder} and {b_folder} share {len(shared)} names and are taken for two domains (CycleGAN); "
        "whether pictures lie upon each other is not judged"
    )
    alone = set(sides[0]) ^ set(sides[1])
    if alone and len(shared) > len(alone):
        message += f". If they are pairs, these have no counterpart: {some(alone)}"
    return entries, [*findings, Finding("unpaired_set", "notice", (), message)]


def _both(a_folder: Path, b_folder: Path, split: str) -> tuple[list[dict[str, Path]], list[Finding]]:
    """The pictures of two folders by name; one that is not there is an error."""
    listed: list[dict[str, Path]] = []
    findings: list[Finding] = []
    for folder in (a_folder, b_folder):
        if folder.is_dir():
            found, problems = _by_stem(folder, _namer(split))
        else:
            found = {}
            problems = [Finding("unpaired", "error", (), f"{folder} is not there, but its other half is")]
        listed.append(found)
        findings += problems
    return listed, findings


def _by_stem(folder: Path, name: Callable[[str], str]) -> tuple[dict[str, Path], list[Finding]]:
    """Pictures of a folder; a second one of a name and a broken link are errors, other files are told of."""
    found: dict[str, Path] = {}
    findings: list[Finding] = []
    others: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.suffix.lower() in SUFFIXES and path.is_symlink() and not path.exists():
            findings.append(
                Finding("unreadable", "error", (name(path.stem),), f"{path} is a link to nothing")
            )
        elif not path.is_file():
            continue
        elif path.suffix.lower() not in SUFFIXES:
            others.append(path.name)
        elif path.stem in found:
            message = f"two pictures have one name: {found[path.stem]} and {path}"
            findings.append(Finding("name_twice", "error", (name(path.stem),), message))
        else:
            found[path.stem] = path
    return found, findings + _ignored(folder, others)


def _ignored(folder: Path, others: list[str]) -> list[Finding]:
    """A notice for files that are no pictures, a warning where pictures of another format are among them."""
    if not others:
        return []
    pictures = [name for name in others if Path(name).suffix.lower() in _UNREAD]
    values = {"files": others[:_LISTED], "count": len(others), "pictures": len(pictures)}
    what = f"{len(others)} files of {folder} are ignored, such as {(pictures or others)[0]}"
    if pictures:
        what += f"; {len(pictures)} are pictures that training does not read: save them as PNG, JPEG or WebP"
    return [Finding("ignored_files", "warning" if pictures else "notice", (), what, values)]
