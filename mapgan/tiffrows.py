"""TIFF files in strips, decoded a few strips at a time.

A strip is compressed by itself, so a TIFF of any height is a pile of small ones: the tags are copied with
another height, and Pillow decodes that. Tiles, and planes stored apart, are left to Pillow as a whole.
"""

from __future__ import annotations

import io
import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from mapgan import tiff
from mapgan.containers import MAX_PROFILE_BYTES, ImageError, damaged, truncated
from mapgan.imageio import RGB, to_rgb

_BAND_PIXELS = 2**22
_LONG = 4  # TIFF's kind of 32-bit numbers


def is_tiff(head: bytes) -> bool:
    """Whether a file that begins so is a TIFF or a BigTIFF."""
    return head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))


@dataclass(frozen=True)
class TiffReader:
    """A TIFF file whose strips are decoded as they are asked for.

    Attributes:
        width: columns.
        height: rows.
        orientation: 1 (upright) to 8.
        streams: whether its strips are small enough, and it upright, to be read from top to bottom.
    """

    width: int
    height: int
    orientation: int
    streams: bool
    _data: mmap.mmap
    _found: tiff.Directory

    @classmethod
    def of(cls, stream: BinaryIO) -> TiffReader:
        """Reads the first directory.

        Raises:
            ImageError: when it does not describe an image in this file.
        """
        data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)  # closed with its last user
        try:
            found = tiff.read_directory(data, max_value_bytes=MAX_PROFILE_BYTES)
        except tiff.TiffError as error:
            raise (truncated() if error.truncated else damaged()) from error
        rows = tiff.integer(data, found.layout, found.tags.get(tiff.ROWS_PER_STRIP), found.height)
        planes = tiff.integer(data, found.layout, found.tags.get(tiff.PLANAR), 1)
        streams = (
            found.orientation == 1
            and tiff.STRIP_OFFSETS in found.tags
            and tiff.STRIP_BYTES in found.tags
            and planes == 1
            and (_plain_row_bytes(data, found) or 0 < min(rows, found.height) * found.width <= _BAND_PIXELS)
        )
        return cls(found.width, found.height, found.orientation, bool(streams), data, found)

    def bands(self) -> Iterator[RGB]:
        """Decodes the strips, once.

        Yields:
            Bands from top to bottom, (rows, width, 3) uint8 sRGB, as `mapgan.imageio.decode`.

        Raises:
            ImageError: for a strip that is incomplete or broken.
        """
        together: list[tuple[int, int]] = []
        height = 0
        for start, size, rows in self._strips():
            together.append((start, size))
            height += rows
            if height * self.width >= _BAND_PIXELS:
                yield self._band(together, height, rows)
                together, height = [], 0
        if together:
            yield self._band(together, height, rows)

    def _strips(self) -> Iterator[tuple[int, int, int]]:
        """Offset, bytes and rows of each strip; large ones that are not compressed are cut into rows."""
        data, layout, tags = self._data, self._found.layout, self._found.tags
        offsets = tiff.integers(data, layout, tags[tiff.STRIP_OFFSETS])
        sizes = tiff.integers(data, layout, tags[tiff.STRIP_BYTES])
        rows = min(
            tiff.integer(data, layout, tags.get(tiff.ROWS_PER_STRIP), self.height) or self.height, self.height
        )
        plain = _plain_row_bytes(data, self._found)
        step = max(1, min(rows, _BAND_PIXELS // self.width)) if plain else rows
        for index, (start, size) in enumerate(zip(offsets, sizes, strict=True)):
            height = min(rows, self.height - index * rows)
            if not plain:
                yield start, size, height
                continue
            if size < height * plain:
                raise truncated()
            for top in range(0, height, step):
                count = min(step, height - top)
                yield start + top * plain, count * plain, count

    def _band(self, strips: list[tuple[int, int]], height: int, last: int) -> RGB:
        """Decodes strips of equal rows, but for the last one's `last`."""
        parts = [self._data[start : start + size] for start, size in strips]
        rows = (height - last) // max(len(parts) - 1, 1) if len(parts) > 1 else height
        try:
            return self._decoded(self._small(parts, height, rows), height)
        except ImageError:
            raise
        except Exception as error:  # Pillow's parsers raise whatever broken bytes lead them into
            raise damaged() from error

    def _decoded(self, file: bytes, height: int) -> RGB:
        with Image.open(io.BytesIO(file), formats=("TIFF",)) as image:
            if image.size != (self.width, height):
                raise damaged()
            image.load()
            return np.concatenate(list(to_rgb(image)))

    def _small(self, strips: list[bytes], height: int, rows: int) -> bytes:
        """A classic TIFF of some strips, with the tags of the whole."""
        order = self._found.layout.order
        values: dict[int, tuple[int, int, bytes]] = {}
        for number, tag in self._found.tags.items():
            if tag.kind in tiff.CLASSIC_KINDS:
                values[number] = tag.kind, tag.count, self._data[tag.start : tag.start + tag.size]
        offsets, at = [], 8
        for strip in strips:
            offsets.append(at)
            at += len(strip) + len(strip) % 2
        for number, numbers in (
            (tiff.HEIGHT, [height]),
            (tiff.ROWS_PER_STRIP, [rows]),
            (tiff.STRIP_OFFSETS, offsets),
            (tiff.STRIP_BYTES, [len(strip) for strip in strips]),
        ):
            values[number] = _LONG, len(numbers), struct.pack(f"{order}{len(numbers)}I", *numbers)
        directory_at, entries, more = at, [], bytearray()
        behind = directory_at + 2 + 12 * len(values) + 4
        for number in sorted(values):
            kind, count, value = values[number]
            if len(value) > 4:
                where = behind + len(more)
                more += value + b"\0" * (len(value) % 2)
                value = struct.pack(f"{order}I", where)
            entries.append(struct.pack(f"{order}HHI", number, kind, count) + value.ljust(4, b"\0"))
        mark = b"II*\0" if order == "<" else b"MM\0*"
        return b"".join(
            [
                mark + struct.pack(f"{order}I", directory_at),
                *(strip + b"\0" * (len(strip) % 2) for strip in strips),
                struct.pack(f"{order}H", len(entries)),
                *entries,
                bytes(4),
                bytes(more),
            ]
        )


def _plain_row_bytes(data: mmap.mmap, found: tiff.Directory) -> int:
    """Bytes of a row where samples lie as they are, so that a strip can be cut; 0 where they do not."""
    compression, samples, planes = (
        tiff.integer(data, found.layout, found.tags.get(number), 1)
        for number in (tiff.COMPRESSION, tiff.SAMPLES, tiff.PLANAR)
    )
    bits = tiff.integers(data, found.layout, found.tags.get(tiff.BITS)) or (1,)
    if compression != 1 or planes != 1:
        return 0
    return -(-found.width * (bits[0] * samples if len(bits) == 1 else sum(bits)) // 8)
