"""Image files of the user's own, however large, as rows from top to bottom.

`open_rows` decodes up to 25 megapixels as the site does. Beyond that a PNG (not interlaced) and a TIFF in
strips are decoded while they are read, in bounded memory. What only Pillow can decode (JPEG, WebP, tiled
TIFF, interlaced PNG) or must be turned upright is decoded whole once, at four bytes a pixel, into a temporary
file, before the network takes any memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from mapgan.containers import damaged, scrub
from mapgan.imageio import RGB, ImageError, check_size, decode, decode_bands, upright
from mapgan.pngrows import PNG_SIGNATURE, PngReader
from mapgan.tiffrows import TiffReader, is_tiff
from mapgan.tiling import RowSource

IN_MEMORY_PIXELS = 25_000_000
"""Largest image that is simply decoded; three bytes a pixel stay."""


class RowBuffer:
    """Bands of rows as a `RowSource`: keeps those that may be asked for again.

    Args:
        bands: the image from top to bottom, (rows, width, 3) uint8.
        height: rows of all bands.
        width: columns.
    """

    def __init__(self, bands: Iterator[RGB], *, height: int, width: int) -> None:
        self.shape = (height, width, 3)
        self._bands = bands
        self._rows = np.empty((0, width, 3), np.uint8)
        self._first = 0  # the number of the first row kept

    def __getitem__(self, rows: slice, /) -> RGB:
        """Rows [start, stop); those before `start` are forgotten.

        Raises:
            ImageError: when the file turns out to be broken.
            ValueError: for rows that are forgotten already.
        """
        start, stop, _ = rows.indices(self.shape[0])
        if start < self._first:
            raise ValueError("rows are read from top to bottom")
        parts = [self._rows[start - self._first :]]
        have = max(self._first + len(self._rows), start)
        skipped = start - self._first - len(self._rows)
        while have < stop:
            band = next(self._bands, None)
            if band is None:
                raise damaged()
            if skipped > 0:
                band, skipped = band[skipped:], skipped - len(band)
            parts.append(band)
            have += len(band)
        self._rows = np.concatenate(parts) if len(parts) > 1 else parts[0]
        self._first = start
        return self._rows[: stop - start]


@contextmanager
def open_rows(path: Path, *, max_pixels: int, spool: Path | None = None) -> Iterator[RGB | RowSource]:
    """Opens an image file of the user's own.

    Args:
        path: PNG, JPEG, WebP or TIFF.
        max_pixels: largest accepted width x height.
        spool: folder for what must be decoded whole, three bytes a pixel; None takes the system's.

    Yields:
        An array or a source of rows, (height, width, 3) uint8, upright. A source is read once.

    Raises:
        ImageError: when it is not an image that is accepted; while it is read, when it is broken.
        OSError: when it cannot be read.
    """
    with path.open("rb") as stream:
        head = stream.read(16)
        stream.seek(0)
        if head.startswith(PNG_SIGNATURE):
            reader: PngReader | TiffReader | None = PngReader(stream)
        else:
            reader = TiffReader.of(stream) if is_tiff(head) else None
        if reader and reader.width * reader.height > IN_MEMORY_PIXELS and reader.streams:
            check_size(reader.width, reader.height, max_pixels)
            yield RowBuffer(reader.bands(), height=reader.height, width=reader.width)
            return
    data = path.read_bytes()
    scrubbed = scrub(data)
    check_size(scrubbed.width, scrubbed.height, max_pixels)
    if scrubbed.width * scrubbed.height <= IN_MEMORY_PIXELS:
        yield decode(data, max_bytes=max(len(data), 1), max_pixels=max_pixels).rgb
        return
    del data
    with tempfile.TemporaryFile(dir=spool) as file:
        for band in decode_bands(scrubbed):
            file.write(np.ascontiguousarray(band).data)
        shape, orientation = (scrubbed.height, scrubbed.width, 3), scrubbed.orientation
        del scrubbed
        yield _spooled(file, shape, orientation)


def _spooled(file: IO[bytes], shape: tuple[int, int, int], orientation: int) -> RGB:
    """The file's pixels, upright, paged in as they are read."""
    file.flush()
    return upright(np.memmap(file, np.uint8, "r", shape=shape), orientation)


__all__ = ["IN_MEMORY_PIXELS", "ImageError", "RowBuffer", "open_rows"]
