"""PNG files of any height, read and written a band of rows at a time.

Pillow decodes an image whole, at four bytes a pixel: a gigabyte for 16,384 x 16,384. A PNG is one zlib stream
of filtered rows, so it need not be. Here the stream is inflated band by band and each band goes through
Pillow as a small PNG of its own, the last row of the band before on top because filters look up to it.
Undoing a filter treats bytes alone (W3C PNG, Third Edition, 9.2), so 16-bit samples go through as two
8-bit pictures.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from mapgan.containers import MAX_PROFILE_BYTES, ImageError, animated, damaged, truncated
from mapgan.imageio import RGB, to_rgb
from mapgan.tiff import read_orientation

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_Bytes = npt.NDArray[np.uint8]
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_GREY, _RGB = 0, 2
_COLOUR_OF_BYTES = {1: 0, 2: 4, 3: 2, 4: 6}  # an 8-bit colour type with that many bytes a pixel
_BAND_BYTES = 2**23
_READ_BYTES = 2**16
_LEVEL = 1  # of zlib; more costs time and saves little on photographs


class PngReader:
    """A PNG file whose rows are decoded as they are asked for.

    Attributes:
        width: columns.
        height: rows.
        orientation: the EXIF orientation, 1 (upright) to 8.
        interlaced: whether its rows come in seven passes, so that it cannot be read from top to bottom.

    Args:
        stream: a seekable file.

    Raises:
        ImageError: for a broken header.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._kept: list[bytes] = []  # chunks that say how samples become colours
        self.orientation = 1
        if stream.read(8) != PNG_SIGNATURE:
            raise damaged()
        header: bytes | None = None
        while True:
            length, name = self._chunk_head()
            if (name == b"IHDR") != (header is None):
                raise damaged()
            if name == b"IDAT":
                self._left = length
                break
            if name == b"IEND":
                raise truncated()
            if length > MAX_PROFILE_BYTES:  # text; what matters is smaller
                stream.seek(length + 4, io.SEEK_CUR)
                continue
            payload = self._checked(name, length)
            if name == b"IHDR":
                header = payload
            elif name in (b"PLTE", b"tRNS", b"iCCP"):
                self._kept.append(_chunk(name, payload))
            elif name == b"eXIf":
                self.orientation = read_orientation(payload)
            elif name == b"acTL" and int.from_bytes(payload[:4], "big") > 1:
                raise animated()
        self._read_header(header or b"")

    @property
    def streams(self) -> bool:
        """Whether it can be read from top to bottom, upright."""
        return not self.interlaced and self.orientation == 1

    def bands(self) -> Iterator[RGB]:
        """Decodes the rows, once.

        Yields:
            Bands from top to bottom, (rows, width, 3) uint8 sRGB over white, as `mapgan.imageio.decode`.

        Raises:
            ImageError: for a file that is incomplete or broken.
        """
        pixel = max(1, self._channels * self._depth // 8)
        row_bytes = -(-self.width * self._channels * self._depth // 8)
        rows = max(1, _BAND_BYTES // row_bytes)
        before = np.zeros(row_bytes, np.uint8)
        data = self._inflated()
        for top in range(0, self.height, rows):
            count = min(rows, self.height - top)
            lines = np.frombuffer(data(count * (row_bytes + 1)), np.uint8).reshape(count, row_bytes + 1)
            if top + count == self.height:
                data(0)  # before the last rows go out: nobody asks for more
            try:
                raw = _unfiltered(lines, before, pixel)
                before = raw[-1].copy()
                yield self._colours(raw)
            except ImageError:
                raise
            except Exception as error:  # Pillow's parsers raise whatever broken bytes lead them into
                raise damaged() from error

    def _read_header(self, header: bytes) -> None:
        if len(header) != 13:
            raise damaged()
        self.width, self.height, self._depth, self._colour, _, _, interlace = struct.unpack(
            ">IIBBBBB", header
        )
        if not self.width or not self.height or self._colour not in _CHANNELS:
            raise damaged()
        if self._depth not in (1, 2, 4, 8, 16) or (self._depth < 8 and self._colour not in (0, 3)):
            raise damaged()
        self._channels = _CHANNELS[self._colour]
        self.interlaced = interlace != 0

    def _chunk_head(self) -> tuple[int, bytes]:
        head = self._stream.read(8)
        if len(head) < 8:
            raise truncated()
        length, name = struct.unpack(">I4s", head)
        return length, name

    def _checked(self, name: bytes, length: int) -> bytes:
        payload, checksum = self._stream.read(length), self._stream.read(4)
        if len(checksum) < 4:
            raise truncated()
        if zlib.crc32(name + payload) != int.from_bytes(checksum, "big"):
            raise damaged()
        return payload

    def _compressed(self) -> Iterator[bytes]:
        """The pieces of all IDAT chunks; the first one's head was read already."""
        left = self._left
        while True:
            checksum = zlib.crc32(b"IDAT")
            while left:
                piece = self._stream.read(min(left, _READ_BYTES))
                if not piece:
                    raise truncated()
                left -= len(piece)
                checksum = zlib.crc32(piece, checksum)
                yield piece
            if self._stream.read(4) != checksum.to_bytes(4, "big"):
                raise damaged()
            left, name = self._chunk_head()
            if name != b"IDAT":
                return

    def _inflated(self) -> _Inflated:
        return _Inflated(self._compressed())

    def _colours(self, raw: _Bytes) -> RGB:
        """Rows of samples to sRGB, by Pillow where they are not that already."""
        if self._colour == _RGB and self._depth == 8 and not self._kept:
            return raw.reshape(len(raw), self.width, 3)
        lines = np.zeros((len(raw), raw.shape[1] + 1), np.uint8)
        lines[:, 1:] = raw
        with Image.open(io.BytesIO(self._small(self.width, lines)), formats=("PNG",)) as image:
            image.load()
            return np.concatenate(list(to_rgb(image)))

    def _small(self, width: int, lines: _Bytes) -> bytes:
        return _stored_png(width, self._depth, self._colour, lines, self._kept)


class _Inflated:
    """Gives any number of bytes of a zlib stream, in order, and holds no more than a piece beside them."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._inflate = zlib.decompressobj()

    def __call__(self, size: int) -> bytes:
        """The next `size` bytes; 0 checks that the stream ends here, with the right checksum."""
        parts: list[bytes] = []
        wanted = size or 1
        try:
            while wanted and not self._inflate.eof:
                piece = self._inflate.unconsumed_tail or next(self._pieces, b"")
                part = self._inflate.decompress(piece, wanted)
                if not piece and not part:
                    raise truncated()
                parts.append(part)
                wanted -= len(part)
        except zlib.error as error:
            raise damaged() from error
        if wanted and size:
            raise truncated()
        if not wanted and not size:
            raise damaged()  # more rows than the header says
        return b"".join(parts)


def _unfiltered(lines: _Bytes, before: _Bytes, pixel: int) -> _Bytes:
    """Undoes the rows' filters.

    Args:
        lines: (rows, 1 + bytes of a row), the filter's number first.
        before: the row above the first, without its filter.
        pixel: bytes of a pixel, at least 1.
    """
    if lines[:, 0].max() > 4:
        raise damaged()
    if not lines[:, 0].any():
        return lines[:, 1:]
    rows, width = len(lines), (lines.shape[1] - 1) // pixel
    raw = np.empty((rows, width, pixel), np.uint8)
    size = pixel // 2 if pixel > 4 else pixel  # Pillow has no 8-bit picture of six or eight channels
    for first in range(0, pixel, size):
        lane = slice(first, first + size)
        small = np.zeros((rows + 1, 1 + width * size), np.uint8)
        small[1:, 0] = lines[:, 0]
        small[0, 1:] = before.reshape(width, pixel)[:, lane].ravel()
        small[1:, 1:] = lines[:, 1:].reshape(rows, width, pixel)[:, :, lane].reshape(rows, -1)
        data = _stored_png(width, 8, _COLOUR_OF_BYTES[size], small, [])
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            raw[:, :, lane] = np.asarray(image).reshape(rows + 1, width, size)[1:]
    return raw.reshape(rows, -1)


def _stored_png(width: int, depth: int, colour: int, lines: _Bytes, chunks: list[bytes]) -> bytes:
    """A PNG of filtered rows, not compressed."""
    header = struct.pack(">IIBBBBB", width, len(lines), depth, colour, 0, 0, 0)
    data = zlib.compress(lines.tobytes(), 0)
    return b"".join(
        [PNG_SIGNATURE, _chunk(b"IHDR", header), *chunks, _chunk(b"IDAT", data), _chunk(b"IEND", b"")]
    )


def _chunk(name: bytes, payload: bytes) -> bytes:
    checksum = zlib.crc32(payload, zlib.crc32(name))
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", checksum)


class PngWriter:
    """Writes an RGB image as PNG band by band; a context manager.

    Leaving it without an error checks that all rows came.
    """

    def __init__(self, stream: BinaryIO, *, width: int, height: int) -> None:
        self._stream = stream
        self._width, self._left = width, height
        self._above = np.zeros((1, width, 3), np.uint8)
        self._deflate = zlib.compressobj(_LEVEL)
        header = struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 0)
        stream.write(PNG_SIGNATURE + _chunk(b"IHDR", header))

    def write(self, rows: RGB) -> None:
        """Takes the next rows, (rows, width, 3) uint8."""
        if rows.shape[1:] != (self._width, 3) or rows.dtype != np.uint8 or len(rows) > self._left:
            raise ValueError("these are not the next rows of the image")
        if not len(rows):
            return
        self._left -= len(rows)
        step = max(1, _BAND_BYTES // (self._width * 3))
        for top in range(0, len(rows), step):
            band = np.concatenate([self._above, rows[top : top + step]])
            self._above = band[-1:].copy()
            self._put(self._deflate.compress(_filtered(band).tobytes()))

    def __enter__(self) -> PngWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        if self._left:
            raise ValueError(f"{self._left} rows are missing")
        self._put(self._deflate.flush())
        self._stream.write(_chunk(b"IEND", b""))

    def _put(self, data: bytes) -> None:
        if data:
            self._stream.write(_chunk(b"IDAT", data))


def _filtered(band: RGB) -> _Bytes:
    """Filters all rows but the first, each with what leaves the smallest sum of differences (W3C PNG,
    Third Edition, 12.7): the pixel to the left, the one above, or Paeth's choice."""
    rows, row_bytes = len(band) - 1, band.shape[1] * 3
    above, here = band[:-1], band[1:]
    left, corner = np.zeros_like(here), np.zeros_like(here)
    left[:, 1:], corner[:, 1:] = here[:, :-1], above[:, :-1]
    predictions = {1: left, 2: above, 4: _paeth(left, above, corner)}
    best = np.full(rows, np.iinfo(np.int64).max)
    lines = np.empty((rows, 1 + row_bytes), np.uint8)
    for number, predicted in predictions.items():
        difference = (here - predicted).reshape(rows, row_bytes)
        sums = np.abs(difference.view(np.int8).astype(np.int16)).sum(axis=1, dtype=np.int64)
        better = sums < best
        lines[better, 0], lines[better, 1:] = number, difference[better]
        best = np.minimum(best, sums)
    return lines


def _paeth(left: RGB, above: RGB, corner: RGB) -> RGB:
    """Whichever of the three is closest to left + above - corner, the first of equals."""
    to_left = above.astype(np.int16) - corner  # left + above - corner, less left
    to_above = left.astype(np.int16) - corner
    to_corner = np.abs(to_left + to_above)
    np.abs(to_left, out=to_left)
    np.abs(to_above, out=to_above)
    other = np.where(to_above <= to_corner, above, corner)
    chosen: RGB = np.where((to_left <= to_above) & (to_left <= to_corner), left, other)
    return chosen
