"""From entries to samples: every picture is opened once and reduced to what the checks need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from mapgan.datasets import MAX_BYTES, DatasetError, load_pair
from mapgan.doctor.listing import Entry
from mapgan.doctor.looks import grey_levels, is_flat, looks, thirds
from mapgan.doctor.reducing import FINE, Pictures, coarse_grey, fine_grey, reduce_centre
from mapgan.doctor.report import Finding
from mapgan.imageio import ImageError, decode

HISTOGRAM_BINS: Final = 16
_LEVELS: Final = np.arange(256)
_HEADER_BYTES: Final = 26
_NOTABLE_MODES: Final = {
    "1": "black and white", "L": "grey", "LA": "grey with transparency", "I;16": "16-bit grey",
    "I;16B": "16-bit grey", "I": "32-bit grey", "F": "floating point", "CMYK": "CMYK", "YCCK": "CMYK",
    "P": "a palette", "PA": "a palette", "RGBA": "RGB with transparency",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sample:
    """What the checks keep of a decoded entry of k halves (2, or 1 of a domain); 140 kB a pair.

    Attributes:
        entry: the files.
        size: (height, width) of a half, in pixels.
        digest: SHA-256 over the pixels of all halves.
        mean: (k, 3) mean of each half and channel, in grey levels.
        stdev: (k, 3) standard deviations.
        histogram: (k, 3, 16) shares of the pixels by level.
        coarse: (64, 64) uint8, the whole first half in grey.
        fine: (k, 128, 128) uint8, all whole halves in grey.
        centre: (k, n, n, 3) uint8, the halves' central squares, reduced by a whole factor; n <= 128.
        factor: that factor: pixels of the half to one of ``centre``.
        looks: (k, 8), see :func:`mapgan.doctor.looks.looks`.
        thirds: (k, 9), see :func:`mapgan.doctor.looks.thirds`.
        blank: whether each half is flat.
        grey: levels between each half's channels.
    """

    entry: Entry
    size: tuple[int, int]
    digest: str
    mean: npt.NDArray[np.float64]
    stdev: npt.NDArray[np.float64]
    histogram: npt.NDArray[np.float64]
    coarse: Pictures
    fine: Pictures
    centre: Pictures
    factor: int
    looks: npt.NDArray[np.float64]
    thirds: npt.NDArray[np.float64]
    blank: list[bool]
    grey: list[float]


def read_sample(entry: Entry) -> tuple[tuple[Sample, list[Pictures]] | None, list[Finding]]:
    """Decode an entry and reduce it; the halves at full size are handed on for the caller to look at.

    Returns:
        the sample with its halves, uint8 ``(height, width, 3)``, or None when they cannot be had, and
        what is to say of the files.
    """
    paths = [path for path in (entry.pair.a, entry.pair.b) if path]
    findings = [finding for path in paths for finding in _header_notices(entry, path)]
    try:
        halves = _halves(entry, paths)
    except DatasetError as error:
        return None, [*findings, Finding(_kind_of(error), "error", (entry.name,), str(error))]
    return (_reduced(entry, halves), halves), findings


def size_findings(samples: list[Sample]) -> tuple[list[Sample], list[Finding]]:
    """The samples of the usual size, and an error for each of another size."""
    usual = usual_size(samples)
    findings = []
    for sample in samples:
        if sample.size != usual:
            height, width = sample.size
            message = f"{sample.entry.name}: a half is {width}x{height}, most are {usual[1]}x{usual[0]}"
            if (height, 2 * width) == usual:
                message += " (is this one half alone?)"
            values = {"width": width, "height": height}
            findings.append(Finding("size", "error", (sample.entry.name,), message, values))
    return [sample for sample in samples if sample.size == usual], findings


def usual_size(samples: list[Sample]) -> tuple[int, int]:
    """(height, width) of most halves, in pixels; (0, 0) without samples."""
    return Counter(sample.size for sample in samples).most_common(1)[0][0] if samples else (0, 0)


def _halves(entry: Entry, paths: list[Path]) -> list[Pictures]:
    """A and B, or the one picture of a domain.

    Raises:
        DatasetError: what :func:`mapgan.datasets.load_pair` raises, or a file too large to be read.
    """
    for path in paths:
        try:
            size = path.stat().st_size
        except OSError as error:
            raise DatasetError(f"{path}: not a readable picture ({error})") from error
        if size > MAX_BYTES:
            raise DatasetError(f"{path}: not a readable picture ({size / 2**20:.0f} MB)")
    if len(entry.halves) == 2:
        return list(load_pair(entry.pair))
    try:
        return [decode(entry.pair.a.read_bytes(), max_bytes=MAX_BYTES).rgb]
    except (OSError, ImageError) as error:
        raise DatasetError(f"{entry.pair.a}: not a readable picture ({error})") from error


def _reduced(entry: Entry, halves: list[Pictures]) -> Sample:
    """All that is kept of the halves."""
    digest = sha256()
    for half in halves:
        digest.update(np.ascontiguousarray(half).data)
    centres = [reduce_centre(half, FINE) for half in halves]
    fine = [fine_grey(half) for half in halves]
    counts = np.stack([_counts(half) for half in halves])
    mean = counts @ _LEVELS
    stdev = np.sqrt(np.maximum(counts @ np.square(_LEVELS) - np.square(mean), 0))
    return Sample(
        entry=entry,
        size=(halves[0].shape[0], halves[0].shape[1]),
        digest=digest.hexdigest(),
        mean=mean,
        stdev=stdev,
        histogram=counts.reshape(*counts.shape[:2], HISTOGRAM_BINS, -1).sum(-1),
        coarse=coarse_grey(halves[0]),
        fine=np.stack(fine),
        centre=np.stack([centre for centre, _ in centres]),
        factor=centres[0][1],
        looks=np.stack([looks(centres[at][0], fine[at], mean[at], stdev[at]) for at in range(len(halves))]),
        thirds=np.stack([thirds(centre) for centre, _ in centres]),
        blank=[is_flat(centre, spread) for (centre, _), spread in zip(centres, stdev, strict=True)],
        grey=[grey_levels(centre) for centre, _ in centres],
    )


def _counts(half: Pictures) -> npt.NDArray[np.float64]:
    """(3, 256) shares of a half's pixels by level."""
    counts = [np.bincount(half[..., channel].ravel(), minlength=256) for channel in range(3)]
    shares: npt.NDArray[np.float64] = np.stack(counts) / (half.shape[0] * half.shape[1])
    return shares


def _header_notices(entry: Entry, path: Path) -> Iterator[Finding]:
    """A notice for each file that is converted to 8-bit RGB on reading."""
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
        with Image.open(path, formats=("PNG", "JPEG", "WEBP", "TIFF")) as image:
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
