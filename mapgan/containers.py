"""Hostile image files, made harmless before any codec sees them.

`scrub` walks a file's container (JPEG segments, PNG chunks, RIFF chunks, TIFF tags) in plain Python and
gives back the same pixels in a file that holds nothing else: no EXIF, GPS, XMP, comments, thumbnails,
further frames or trailing bytes. Image decoders are lavish with all of these: Pillow copies the whole
file once per EXIF tag that claims it, follows every sub-directory of a TIFF, and sizes buffers by what a
header says. What is left is checked against the numbers the container itself must obey, so that a lying
header is refused while it is still only a header.

The formats are described in ITU-T T.81 annex B (JPEG), W3C PNG (Third Edition), the WebP container
specification of Google, TIFF 6.0 with Adobe's BigTIFF, and CIPA DC-008 (EXIF).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from mapgan.tiff import TiffError, read_orientation, scrub_tiff

Format = Literal["PNG", "JPEG", "WEBP", "TIFF"]

MAX_PROFILE_BYTES = 4 * 2**20
"""Largest embedded colour profile; press profiles reach about 3 MB."""
MAX_PARTS = 100_000
"""Most segments or chunks in one file; a real PNG of 20 MB has some 2,500."""
MAX_JPEG_SCANS = 200
"""Most scans of a progressive JPEG (real ones have about ten). Each scan costs a pass over all pixels, so
thousands of empty ones in a small file would keep a decoder busy for hours."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"IDAT", b"IEND"})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class ImageError(Exception):
    """An image that is not accepted.

    Attributes:
        code: a stable word for programs, such as ``truncated`` or ``too_many_pixels``.
        message: a sentence that is safe to show to whoever sent the image and says what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Scrubbed:
    """One still image and what its container says of it.

    Attributes:
        format: the format that the content has, whatever the file was called.
        data: a file of that format with the pixels (and colour profile) only.
        width: columns as stored, before the orientation is applied.
        height: rows as stored.
        orientation: the EXIF orientation, 1 (upright) to 8.
    """

    format: Format
    data: bytes
    width: int
    height: int
    orientation: int


def truncated() -> ImageError:
    """The error for a file that ends before its image does."""
    return ImageError("truncated", "The image file is incomplete. Upload it again, or save it anew.")


def damaged() -> ImageError:
    """The error for a file whose parts contradict each other."""
    return ImageError(
        "bad_image", "The image file is damaged. Open it in an image editor and save it as PNG."
    )


def animated() -> ImageError:
    """The error for a file with more than one frame."""
    return ImageError("animated", "The image is animated. Save a single frame as PNG and upload that.")


def scrub(data: bytes) -> Scrubbed:
    """Reads the container of an image file and keeps only what its first picture needs.

    Time and memory are linear in `data`; no pixel is decoded.

    Raises:
        ImageError: `empty`, `unsupported_format`, `truncated`, `animated` or `bad_image`.
    """
    if not data:
        raise ImageError("empty", "The file is empty. Choose an image file.")
    for matches, reader in _READERS:
        if matches(data):
            return reader(data)
    raise ImageError(
        "unsupported_format", f"{_describe(data)} Save the image as PNG, JPEG, WebP or TIFF and upload that."
    )


def _describe(data: bytes) -> str:
    """Names the most common files that are taken for images, in one sentence."""
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"gif87a", b"gif89a")):
        return "GIF files are not supported."
    if b"<svg" in head:
        return "SVG drawings are not supported."
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "This is a web page or a text document, not an image."
    if head.startswith(b"%pdf"):
        return "PDF documents are not supported."
    if data[4:8] == b"ftyp":
        return "HEIC, AVIF and video files are not supported."
    return "This is not an image format that can be read."


# --- JPEG ---------------------------------------------------------------------------------------------


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields (marker, start of the payload, end of the payload) up to and including start-of-scan."""
    position = 2
    for _ in range(MAX_PARTS):
        # Between segments a decoder skips to the next marker; any number of 0xFF may precede its code.
        position = data.find(b"\xff", position)
        if position < 0 or position + 4 > len(data):
            raise truncated()
        marker = data[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # stuffing and markers that stand alone
            position += 2
            continue
        if marker == 0xD9:  # the end, before any scan
            raise truncated()
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        end = position + 2 + length
        if length < 2:
            raise damaged()
        if end > len(data):
            raise truncated()
        yield marker, position + 4, end
        if marker == 0xDA:
            return
        position = end
    raise damaged()


def _keep_jpeg_segment(marker: int, payload: bytes) -> bool:
    """Whether a decoder needs a segment for the pixels or their colours."""
    if marker == 0xE0:
        return payload.startswith(b"JFIF\0")
    if marker == 0xE2:
        return payload.startswith(b"ICC_PROFILE\0")
    if marker == 0xEE:
        return payload.startswith(b"Adobe")  # says whether CMYK is stored as YCCK
    return not (0xE0 <= marker <= 0xEF or marker == 0xFE)


def _read_jpeg(data: bytes) -> Scrubbed:
    kept = [data[:2]]
    size: tuple[int, int] | None = None
    orientation, profile_bytes, scan = 1, 0, len(data)
    for marker, start, end in _jpeg_segments(data):
        payload = data[start:end]
        if marker in _JPEG_FRAMES:
            if size is not None or len(payload) < 6:
                raise damaged()
            height, width = struct.unpack(">HH", payload[1:5])
            size = (width, height)
        elif marker == 0xE1 and payload.startswith(b"Exif\0\0") and orientation == 1:
            orientation = read_orientation(payload[6:])
        elif marker == 0xE2:
            profile_bytes += len(payload)
        if marker == 0xDA:
            scan = start - 4
        elif _keep_jpeg_segment(marker, payload):
            kept.append(data[start - 4 : end])
    if size is None:
        raise damaged()
    # Inside a scan 0xFF is always followed by a zero or a restart marker, so this counts scans exactly
    # (and those of the second picture that some phones append).
    if data.count(b"\xff\xda", scan) > MAX_JPEG_SCANS:
        raise ImageError(
            "bad_image", "The JPEG has an unusual number of scans. Open it in an editor and save it again."
        )
    _check_profile(profile_bytes)
    kept.append(data[scan:])
    return Scrubbed("JPEG", b"".join(kept), *size, orientation)


# --- PNG ----------------------------------------------------------------------------------------------


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields (name, start of the payload, end of the payload) up to and including IEND."""
    position = len(_PNG_SIGNATURE)
    for _ in range(MAX_PARTS):
        if position + 12 > len(data):
            raise truncated()
        length, name = struct.unpack_from(">I4s", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            raise truncated()
        yield name, position + 8, end
        if name == b"IEND":
            return
        position = end + 4
    raise damaged()


def _read_png(data: bytes) -> Scrubbed:
    kept = [_PNG_SIGNATURE]
    size: tuple[int, int] | None = None
    orientation = 1
    for name, start, end in _png_chunks(data):
        if (name == b"IHDR") != (size is None):  # the header comes first, once
            raise damaged()
        if name == b"IHDR":
            if end - start != 13:
                raise damaged()
            size = struct.unpack_from(">II", data, start)
        elif name == b"acTL" and end - start >= 4 and int.from_bytes(data[start : start + 4], "big") > 1:
            raise animated()
        elif name == b"eXIf" and orientation == 1:
            orientation = read_orientation(data[start:end])
        elif name == b"iCCP":
            _check_profile(end - start)
        if name in _PNG_KEPT:
            kept.append(data[start - 8 : end + 4])
    if size is None:
        raise damaged()
    return Scrubbed("PNG", b"".join(kept), *size, orientation)


# --- WebP ---------------------------------------------------------------------------------------------


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields (name, start of the payload, end of the payload) of a RIFF file's chunks."""
    total = 8 + int.from_bytes(data[4:8], "little")
    if total > len(data):
        raise truncated()
    position = 12
    for _ in range(MAX_PARTS):
        if position + 8 > total:
            return
        name, length = struct.unpack_from("<4sI", data, position)
        end = position + 8 + length
        if end > total:
            raise truncated()
        yield name, position + 8, end
        position = end + (length & 1)
    raise damaged()


def _webp_size(name: bytes, payload: bytes) -> tuple[int, int]:
    """Width and height from the first chunk: a canvas (VP8X), a lossy or a lossless bitstream."""
    if name == b"VP8X" and len(payload) >= 10:
        return int.from_bytes(payload[4:7], "little") + 1, int.from_bytes(payload[7:10], "little") + 1
    if name == b"VP8 " and len(payload) >= 10 and payload[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", payload, 6)
        return width & 0x3FFF, height & 0x3FFF
    if name == b"VP8L" and len(payload) >= 5 and payload[0] == 0x2F:
        bits = int.from_bytes(payload[1:5], "little")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    raise damaged()


def _read_webp(data: bytes) -> Scrubbed:
    size: tuple[int, int] | None = None
    orientation, frames = 1, 0
    for name, start, end in _webp_chunks(data):
        if size is None:
            size = _webp_size(name, data[start : min(end, start + 16)])
        elif name == b"ANMF":
            frames += 1
        elif name == b"EXIF" and orientation == 1:
            orientation = read_orientation(data[start:end].removeprefix(b"Exif\0\0"))
        elif name == b"ICCP":
            _check_profile(end - start)
    if size is None:
        raise truncated()
    if frames > 1:
        raise animated()
    # The decoder only copies the remaining chunks, so there is nothing to gain from rewriting the file.
    return Scrubbed("WEBP", data, *size, orientation)


# --- TIFF and the table of readers --------------------------------------------------------------------


def _read_tiff(data: bytes) -> Scrubbed:
    try:
        clean, width, height, orientation = scrub_tiff(data, max_value_bytes=MAX_PROFILE_BYTES)
    except TiffError as error:
        raise (truncated() if error.truncated else damaged()) from error
    return Scrubbed("TIFF", clean, width, height, orientation)


def _check_profile(size: int) -> None:
    if size > MAX_PROFILE_BYTES:
        raise ImageError("bad_image", "The colour profile is too large. Save the image without a profile.")


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[bytes], Scrubbed]], ...] = (
    (lambda data: data.startswith(_PNG_SIGNATURE), _read_png),
    (lambda data: data.startswith(b"\xff\xd8\xff"), _read_jpeg),
    (lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP", _read_webp),
    (lambda data: data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")), _read_tiff),
)
