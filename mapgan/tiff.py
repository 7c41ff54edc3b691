"""The tags of TIFF files and EXIF blocks, as far as hostile input needs them.

A TIFF is a list of tags with offsets into the rest of the file, and each offset and count may lie. This
module reads the first directory only, checks that what it says fits the file and the picture, and writes
a new directory with the tags that describe the pixels. See TIFF 6.0 (Adobe, 1992) and BigTIFF.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass

MAX_TAGS = 4096
MAX_CHUNKS = 2**17
"""Most strips or tiles; 25 megapixels in tiles of 16 x 16 are 97,657."""
TILE_SLACK = 2048
"""A tile may reach this far past the image's right and bottom edges, no further."""

# Tag numbers, named as in TIFF 6.0.
_WIDTH, HEIGHT, BITS, COMPRESSION, STRIP_OFFSETS, _ORIENTATION = 256, 257, 258, 259, 273, 274
SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANAR = 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
CHUNK_LISTS = frozenset({STRIP_OFFSETS, STRIP_BYTES, _TILE_OFFSETS, _TILE_BYTES})

# What a decoder needs for the pixels: sizes, sample layout, compression and its options, colour map,
# JPEG tables, YCbCr conversion and the ICC profile (34675). Orientation is not among them: it is
# reported instead, so that every format is turned upright by the same code.
PIXEL_TAGS = CHUNK_LISTS | {
    *(_WIDTH, HEIGHT, BITS, COMPRESSION, 262, 266, SAMPLES, ROWS_PER_STRIP, PLANAR, 292, 293, 317, 320),
    *(_TILE_WIDTH, _TILE_HEIGHT, 332, 338, 339, 347, 529, 530, 531, 532, 34675),
}
# none, CCITT (3 kinds), LZW, JPEG, Deflate (2 numbers), PackBits, Zstandard
_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 7, 8, 32946, 32773, 50000})
_JPEG = 7
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_INTEGERS = {1: "B", 3: "H", 4: "I", 16: "Q"}


CLASSIC_KINDS = frozenset(kind for kind in _SIZES if kind < 14)
"""Kinds of values that a classic TIFF may have; the others are BigTIFF's 64-bit numbers."""

Buffer = bytes | mmap.mmap


class TiffError(Exception):
    """A directory that does not describe an image in this file. `truncated`: it points past the end."""

    def __init__(self, message: str, *, truncated: bool = False) -> None:
        super().__init__(message)
        self.truncated = truncated


@dataclass(frozen=True)
class Layout:
    """How a file writes its numbers: byte order, and 32-bit (classic) or 64-bit (BigTIFF) offsets."""

    order: str
    big: bool
    directory: int

    @property
    def entry_bytes(self) -> int:
        return 20 if self.big else 12


@dataclass(frozen=True)
class Tag:
    number: int
    kind: int
    count: int
    start: int  # where its values lie, inline or elsewhere in the file
    entry: bytes  # the directory entry as it stands

    @property
    def size(self) -> int:
        return _SIZES[self.kind] * self.count


def read_orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, of an EXIF block (a small TIFF); 1 when it says nothing sensible.

    A broken EXIF block is no reason to refuse the picture beside it.
    """
    try:
        layout = read_layout(exif)
        return orientation_of(exif, layout, read_tags(exif, layout))
    except TiffError:
        return 1


def scrub_tiff(data: bytes, *, max_value_bytes: int) -> tuple[bytes, int, int, int]:
    """Reduces a TIFF to the pixels of its first directory.

    Args:
        data: the file.
        max_value_bytes: most bytes of any single tag other than the lists of strips or tiles.

    Returns:
        The reduced file, the stored width and height in pixels, and the orientation (1 to 8).

    Raises:
        TiffError: when the directory is broken, incomplete or describes something other than the file.
    """
    found = read_directory(data, max_value_bytes=max_value_bytes)
    return _rewrite(data, found.layout, found.tags), found.width, found.height, found.orientation


@dataclass(frozen=True)
class Directory:
    """A file's first directory, checked: the tags of its pixels, the stored size, the orientation."""

    layout: Layout
    tags: dict[int, Tag]
    width: int
    height: int
    orientation: int


def read_directory(data: Buffer, *, max_value_bytes: int) -> Directory:
    """Reads what `scrub_tiff` keeps, with the same arguments and errors; `data` may be mapped memory."""
    layout = read_layout(data)
    tags = read_tags(data, layout)
    kept = {number: tag for number, tag in tags.items() if number in PIXEL_TAGS}
    for tag in kept.values():
        if tag.start + tag.size > len(data):
            raise TiffError(f"tag {tag.number} points past the end", truncated=True)
        if tag.number not in CHUNK_LISTS and tag.size > max_value_bytes:
            raise TiffError(f"tag {tag.number} is too large")
    width, height = (integer(data, layout, kept.get(number)) for number in (_WIDTH, HEIGHT))
    if not width or not height:
        raise TiffError("no size")
    check_chunks(data, layout, kept, width, height)
    return Directory(layout, kept, width, height, orientation_of(data, layout, tags))


def read_layout(data: Buffer) -> Layout:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        raise TiffError("no TIFF header")
    (version,) = struct.unpack_from(f"{order}H", data, 2)
    if version == 42:
        return Layout(order, big=False, directory=struct.unpack_from(f"{order}I", data, 4)[0])
    if version == 43 and len(data) >= 16:
        return Layout(order, big=True, directory=struct.unpack_from(f"{order}Q", data, 8)[0])
    raise TiffError("unknown TIFF version")


def read_tags(data: Buffer, layout: Layout) -> dict[int, Tag]:
    """Reads the first directory; tags of unknown kinds are skipped, the first of equal numbers counts."""
    count_format = f"{layout.order}{'Q' if layout.big else 'H'}"
    head = struct.calcsize(count_format)
    if layout.directory + head > len(data):
        raise TiffError("the directory lies past the end", truncated=True)
    (count,) = struct.unpack_from(count_format, data, layout.directory)
    first = layout.directory + head
    if count > MAX_TAGS:
        raise TiffError("too many tags")
    if first + count * layout.entry_bytes > len(data):
        raise TiffError("the directory is cut short", truncated=True)
    tags: dict[int, Tag] = {}
    for at in range(first, first + count * layout.entry_bytes, layout.entry_bytes):
        tag = _read_tag(data, layout, at)
        if tag is not None:
            tags.setdefault(tag.number, tag)
    return tags


def _read_tag(data: Buffer, layout: Layout, at: int) -> Tag | None:
    word = "Q" if layout.big else "I"
    number, kind, values = struct.unpack_from(f"{layout.order}HH{word}", data, at)
    inline = at + layout.entry_bytes - struct.calcsize(f"={word}")
    if kind not in _SIZES:
        return None
    start = inline
    if _SIZES[kind] * values > struct.calcsize(f"={word}"):
        (start,) = struct.unpack_from(f"{layout.order}{word}", data, inline)
    return Tag(number, kind, values, start, data[at : at + layout.entry_bytes])


def integers(data: Buffer, layout: Layout, tag: Tag | None) -> tuple[int, ...]:
    if tag is None or tag.kind not in _INTEGERS or tag.start + tag.size > len(data):
        return ()
    values: tuple[int, ...] = struct.unpack_from(
        f"{layout.order}{tag.count}{_INTEGERS[tag.kind]}", data, tag.start
    )
    return values


def integer(data: Buffer, layout: Layout, tag: Tag | None, default: int = 0) -> int:
    """The one value of a tag; `default` when it is missing or not a single whole number."""
    if tag is None or tag.count != 1:
        return default
    values = integers(data, layout, tag)
    return values[0] if values else default


def orientation_of(data: Buffer, layout: Layout, tags: dict[int, Tag]) -> int:
    value = integer(data, layout, tags.get(_ORIENTATION), 1)
    return value if 1 <= value <= 8 else 1


def check_chunks(data: Buffer, layout: Layout, tags: dict[int, Tag], width: int, height: int) -> None:
    """Checks that strips or tiles cover the picture once, lie in the file and have sane sizes."""

    def number(tag: int, default: int = 0) -> int:
        return integer(data, layout, tags.get(tag), default)

    compression = number(COMPRESSION, 1)
    if compression not in _COMPRESSIONS:
        raise TiffError("unsupported compression")
    if STRIP_OFFSETS in tags:
        rows = min(number(ROWS_PER_STRIP, height) or height, height)
        expected = -(-height // rows)
        offsets, sizes = tags[STRIP_OFFSETS], tags.get(STRIP_BYTES)
    elif _TILE_OFFSETS in tags:
        tile_width, tile_height = number(_TILE_WIDTH), number(_TILE_HEIGHT)
        if not (16 <= tile_width <= width + TILE_SLACK and 16 <= tile_height <= height + TILE_SLACK):
            raise TiffError("tiles do not fit the image")
        expected = -(-width // tile_width) * -(-height // tile_height)
        offsets, sizes = tags[_TILE_OFFSETS], tags.get(_TILE_BYTES)
    else:
        raise TiffError("no pixels")
    expected *= number(SAMPLES, 1) if number(PLANAR, 1) == 2 else 1
    if offsets.count != expected or expected > MAX_CHUNKS or (sizes and sizes.count != expected):
        raise TiffError("strips or tiles do not cover the image once")
    ends = zip(integers(data, layout, offsets), integers(data, layout, sizes), strict=False)
    if any(start + size > len(data) for start, size in ends):
        raise TiffError("pixels lie past the end", truncated=True)
    # As for JPEG files: many scans of one picture make a small file endless work.
    if compression == _JPEG and data[:].count(b"\xff\xda") > 4 * expected + 100:
        raise TiffError("too many scans")


def _rewrite(data: bytes, layout: Layout, tags: dict[int, Tag]) -> bytes:
    """Appends a directory of `tags` and points the header to it; values stay where they are."""
    padding = b"\0" * (-len(data) % 2)  # directories begin on an even byte
    where = len(data) + len(padding)
    entries = b"".join(tags[number].entry for number in sorted(tags))
    if layout.big:
        header = data[:8] + struct.pack(f"{layout.order}Q", where)
        directory = struct.pack(f"{layout.order}Q", len(tags)) + entries + bytes(8)
    else:
        if where >= 2**32:
            raise TiffError("too large for a classic TIFF")
        header = data[:4] + struct.pack(f"{layout.order}I", where)
        directory = struct.pack(f"{layout.order}H", len(tags)) + entries + bytes(4)
    return b"".join((header, data[len(header) :], padding, directory))
