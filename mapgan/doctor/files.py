"""From a folder to samples: every picture is listed, opened once and reduced to what the checks need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from mapgan.datasets import SUFFIXES, DatasetError, Pair, Pictures, load_pair
from mapgan.doctor.report import Finding

SPLITS: Final = ("train", "val", "test")
COARSE: Final = 64
"""Side in pixels to which a whole aerial half is reduced to look for its neighbours."""
FINE: Final = 128
"""Side in pixels of the pictures that verify a neighbour or a copy, and of those for alignment."""
_HEADER_BYTES: Final = 26
_NOTABLE_MODES: Final = {
    "1": "black and white", "L": "grey", "LA": "grey with transparency", "I;16": "16-bit grey",
    "I;16B": "16-bit grey", "I": "32-bit grey", "F": "floating point", "CMYK": "CMYK", "YCCK": "CMYK",
    "P": "a palette", "PA": "a palette", "RGBA": "RGB with transparency",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A pair on disk and how reports name it."""

    name: str
    split: str
    pair: Pair


@dataclass(frozen=True, eq=False)
class Sample:
    """What the checks keep of a decoded pair; about 140 kB.

    Attributes:
        entry: the pair.
        size: (height, width) of a half, in pixels.
        digest: SHA-256 over the pixels of both halves.
        mean: (2, 3) mean of each half and channel, in grey levels.
        stdev: (2, 3) standard deviations.
        coarse: (64, 64) uint8, the whole aerial half in grey.
        fine: (2, 128, 128) uint8, both whole halves in grey.
        centre: (2, n, n, 3) uint8, the halves' central squares, reduced by a whole factor; n <= 128.
        factor: that factor: pixels of the half to one of ``centre``.
    """

    entry: Entry
    size: tuple[int, int]
    digest: str
    mean: npt.NDArray[np.float64]
    stdev: npt.NDArray[np.float64]
    coarse: Pictures
    fine: Pictures
    centre: Pictures
    factor: int


def list_entries(root: Path) -> tuple[list[Entry], list[Finding]]:
    """The pairs of every split of a folder, and what is wrong with the names.

    Raises:
        DatasetError: no such folder, or no picture in it.
    """
    if not root.is_dir():
        raise DatasetError(f"no such folder: {root}")
    splits = [split for split in SPLITS if (root / split).is_dir()] or [""]
    entries: list[Entry] = []
    findings: list[Finding] = []
    for split in splits:
        found, problems = _list_split(root / split, split)
        entries += found
        findings += problems
    if not entries and not findings:
        raise DatasetError(f"no pictures ({', '.join(sorted(SUFFIXES))}) in {root}")
    return entries, findings


def read_sample(entry: Entry) -> tuple[tuple[Sample, Pictures, Pictures] | None, list[Finding]]:
    """Decode a pair and reduce it; the halves at full size are handed on for the caller to look at.

    Returns:
        the sample with both halves, uint8 ``(height, width, 3)``, or None when they cannot be had,
        and what is to say of the files.
    """
    findings = [
        finding for path in (entry.pair.a, entry.pair.b) if path for finding in _header_notices(entry, path)
    ]
    try:
        a, b = load_pair(entry.pair)
    except DatasetError as error:
        return None, [*findings, Finding(_kind_of(error), "error", (entry.name,), str(error))]
    halves = (a, b)
    centres = [reduce_centre(half, FINE) for half in halves]
    sample = Sample(
        entry=entry,
        size=(a.shape[0], a.shape[1]),
        digest=sha256(np.ascontiguousarray(a).tobytes() + np.ascontiguousarray(b).tobytes()).hexdigest(),
        mean=np.stack([half.mean((0, 1)) for half in halves]),
        stdev=np.stack([half.std((0, 1)) for half in halves]),
        coarse=_grey(a, COARSE, Image.Resampling.BILINEAR),
        fine=np.stack([_grey(half, FINE, Image.Resampling.BOX) for half in halves]),
        centre=np.stack([centre for centre, _ in centres]),
        factor=centres[0][1],
    )
    return (sample, a, b), findings


def size_findings(samples: list[Sample]) -> tuple[list[Sample], list[Finding]]:
    """The samples of the usual size, and an error for each of another size."""
    usual = Counter(sample.size for sample in samples).most_common(1)[0][0] if samples else (0, 0)
    findings = [
        Finding(
            "size",
            "error",
            (sample.entry.name,),
            f"{sample.entry.name}: a half is {sample.size[1]}x{sample.size[0]}, "
            f"most are {usual[1]}x{usual[0]}",
            {"width": sample.size[1], "height": sample.size[0]},
        )
        for sample in samples
        if sample.size != usual
    ]
    return [sample for sample in samples if sample.size == usual], findings


def reduce_centre(half: Pictures, side: int) -> tuple[Pictures, int]:
    """The central square, averaged over blocks to at most ``side`` pixels (a power of two).

    Returns:
        uint8 ``(n, n, 3)`` with n the largest power of two within ``side`` and the half, and the
        number of the half's pixels to one of these.
    """
    short = min(half.shape[:2])
    n = min(side, 1 << (short.bit_length() - 1))
    factor = short // n
    top, left = ((length - n * factor) // 2 for length in half.shape[:2])
    square = half[top : top + n * factor, left : left + n * factor]
    if factor == 1:
        return square.copy(), 1
    blocks = square.reshape(n, factor, n, factor, 3).astype(np.float32)
    return np.rint(blocks.mean((1, 3))).astype(np.uint8), factor


def _list_split(folder: Path, split: str) -> tuple[list[Entry], list[Finding]]:
    """Pairs of one folder in either layout; what has no counterpart is an error."""

    def name(stem: str) -> str:
        return f"{split}/{stem}" if split else stem

    a_folder, b_folder = folder / "A", folder / "B"
    if not (a_folder.is_dir() and b_folder.is_dir()):
        pictures, findings = _by_stem(folder, name)
        return [Entry(name(stem), split, Pair(stem, path)) for stem, path in pictures.items()], findings
    a, findings = _by_stem(a_folder, name)
    b, more = _by_stem(b_folder, name)
    findings += more
    for stem in sorted(set(a) ^ set(b)):
        path = a.get(stem) or b[stem]
        findings.append(
            Finding("unpaired", "error", (name(stem),), f"{path} has no counterpart in the other folder")
        )
    return [Entry(name(stem), split, Pair(stem, a[stem], b[stem])) for stem in a if stem in b], findings


def _by_stem(folder: Path, name: Callable[[str], str]) -> tuple[dict[str, Path], list[Finding]]:
    """Pictures of a folder; a second one of the same name is an error, other files are a notice."""
    found: dict[str, Path] = {}
    findings: list[Finding] = []
    others: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        if path.suffix.lower() not in SUFFIXES:
            others.append(path.name)
        elif path.stem in found:
            message = f"two pictures have one name: {found[path.stem]} and {path}"
            findings.append(Finding("name_twice", "error", (name(path.stem),), message))
        else:
            found[path.stem] = path
    if others:
        message = f"{len(others)} files of {folder} are not pictures and are ignored, such as {others[0]}"
        findings.append(Finding("ignored_files", "notice", (), message, {"files": others}))
    return found, findings


def _header_notices(entry: Entry, path: Path) -> Iterator[Finding]:
    """A notice for each file that is converted to 8-bit RGB on reading."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            mode = image.mode
    except Exception:  # noqa: BLE001 - Pillow raises anything; decoding says what is wrong
        return
    # byte 24 of a PNG is its bit depth; Pillow shows 16-bit RGB as RGB
    deep = header.startswith(b"\x89PNG") and len(header) == _HEADER_BYTES and header[24] == 16
    what = "16 bits a channel" if deep else _NOTABLE_MODES.get(mode)
    if what:
        yield Finding(
            "colour_mode",
            "notice",
            (entry.name,),
            f"{path} is {what}; training sees it as 8-bit RGB",
            {"mode": mode, "file": str(path)},
        )


def _kind_of(error: DatasetError) -> str:
    """The stable word for what :func:`mapgan.datasets.load_pair` complained of."""
    message = str(error)
    if "not a readable picture" in message:
        return "unreadable"
    return "odd_width" if "is odd" in message else "size"


def _grey(half: Pictures, side: int, how: Image.Resampling) -> Pictures:
    """The whole half as a grey square of ``side`` pixels."""
    return np.asarray(Image.fromarray(half).convert("L").resize((side, side), how))
