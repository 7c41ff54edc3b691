"""Image files for the tests: valid ones in every mode, and containers with parts of our choosing."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

EXIF_ORIENTATION = 0x0112
EXIF_GPS = 0x8825


def gradient(height: int = 40, width: int = 60) -> npt.NDArray[np.uint8]:
    """A smooth picture whose corners all differ: red grows to the right, green downwards."""
    rows, columns = np.mgrid[0:height, 0:width]
    red, green = columns * 255 // (width - 1), rows * 255 // (height - 1)
    return np.stack([red, green, np.full_like(red, 90)], axis=2).astype(np.uint8)


def save(image: Image.Image | npt.NDArray[Any], kind: str, **options: Any) -> bytes:
    """The image as a file of a Pillow format."""
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation: int, *, gps: bool = False) -> Image.Exif:
    """EXIF tags with an orientation, and a position on request."""
    tags = Image.Exif()
    tags[EXIF_ORIENTATION] = orientation
    if gps:
        tags.get_ifd(EXIF_GPS)[1] = "N"
        tags.get_ifd(EXIF_GPS)[2] = (52.0, 31.0, 12.0)
    return tags


def png_chunk(name: bytes, payload: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG from filtered rows, with `extra` chunks after the header."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *extra,
            png_chunk(b"IDAT", zlib.compress(rows, 9)),
            png_chunk(b"IEND", b""),
        ]
    )


def deep_png(samples: npt.NDArray[np.uint16]) -> bytes:
    """A 16-bit PNG: (h, w) grey, (h, w, 3) RGB or (h, w, 4) RGBA."""
    height, width = samples.shape[:2]
    colour = 0 if samples.ndim == 2 else {3: 2, 4: 6}[samples.shape[2]]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return png(width, height, 16, colour, rows)


def tiff(
    tags: dict[int, tuple[int, list[int]]],
    pixels: bytes,
    *,
    order: str = "<",
    count: dict[int, int] | None = None,
) -> bytes:
    """A classic TIFF with `pixels` at offset 8 and one directory.

    Args:
        tags: {number: (kind, values)}; kind 3 is a 16-bit, 4 a 32-bit number.
        pixels: what lies behind the header.
        order: `<` or `>`.
        count: counts that lie, by tag.
    """
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        f"{order}I", 8 + len(pixels) + len(pixels) % 2
    )
    body = pixels + b"\0" * (len(pixels) % 2)
    at = 8 + len(body) + 2 + 12 * len(tags) + 4
    entries, values = b"", b""
    for number in sorted(tags):
        kind, numbers = tags[number]
        data = struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        length = (count or {}).get(number, len(numbers))
        entries += struct.pack(f"{order}HHI", number, kind, length)
        if len(data) <= 4:
            entries += data.ljust(4, b"\0")
        else:
            entries += struct.pack(f"{order}I", at + len(values))
            values += data
    return head + body + struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + values


def tiff_tags(
    width: int, height: int, bits: list[int], photometric: int, **more: int
) -> dict[int, tuple[int, list[int]]]:
    """The tags of an uncompressed picture in one strip at offset 8."""
    size = width * height * sum(bits) // 8
    return {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, bits),
        259: (3, [more.get("compression", 1)]),
        262: (3, [photometric]),
        273: (4, [8]),
        277: (3, [len(bits)]),
        278: (4, [height]),
        279: (4, [more.get("size", size)]),
    }
