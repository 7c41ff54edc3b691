"""Reading what strangers upload: count the bytes, decode every pixel, keep only our own encoding."""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File

from mapgan.imageio import ImageError, decode, encode_png, thumbnail_webp

FILENAME_LIMIT = 120  # characters
EXTENSION_LIMIT = 10

# A picture at the limits takes some hundred megabytes while it is decoded: bound them, not the web's threads.
_decoding = threading.BoundedSemaphore(2)


class UploadRejected(Exception):  # noqa: N818 - it names an outcome
    """The upload cannot be accepted.

    Attributes:
        code: a stable word for programs (``truncated``).
        message: for the person, says what to do.
        field: the form or API field at fault.
    """

    def __init__(self, code: str, message: str, *, field: str = "image") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field


@dataclass(frozen=True)
class Picture:
    """An accepted upload, in our own encoding, without metadata."""

    png: bytes
    thumbnail: bytes
    width: int
    height: int
    source_format: str
    source_bytes: int

    @property
    def facts(self) -> dict[str, Any]:
        """What a translation's columns keep of it."""
        names = ("width", "height", "source_format", "source_bytes")
        return {name: getattr(self, name) for name in names}


def read_capped(data: bytes | IO[bytes] | File[Any]) -> bytes:
    """The upload's bytes; refuses before reading when it says it is too large.

    Raises:
        UploadRejected: ``too_large``.
    """
    limit: int = settings.TRANSLATION_MAX_BYTES
    size = len(data) if isinstance(data, bytes) else getattr(data, "size", None)
    content = b""
    if size is None or size <= limit:
        content = data if isinstance(data, bytes) else data.read(limit + 1)
        size = len(content)
    if size > limit:
        raise UploadRejected(
            "too_large",
            f"The file has {size / 1e6:.1f} MB; at most {limit / 1e6:g} MB are accepted. "
            "Save it as JPEG or WebP, or scale it down.",
        )
    return content


def read_picture(content: bytes) -> Picture:
    """Decode the whole upload and encode it anew.

    Raises:
        UploadRejected: with the code of the `ImageError`.
    """
    with _decoding:
        try:
            decoded = decode(
                content,
                max_bytes=settings.TRANSLATION_MAX_BYTES,
                max_pixels=settings.TRANSLATION_MAX_PIXELS,
            )
        except ImageError as error:
            raise UploadRejected(error.code, error.message) from error
        return Picture(
            png=encode_png(decoded.rgb),
            thumbnail=thumbnail_webp(decoded.rgb),
            width=decoded.width,
            height=decoded.height,
            source_format=decoded.format,
            source_bytes=len(content),
        )


def display_name(filename: str) -> str:
    """A file's name made safe to show: no folders, nothing invisible or turning the text round, not too long.

    >>> display_name("C:\\\\maps\\\\a\\u202egnp.exe")
    'agnp.exe'
    """
    name = unicodedata.normalize("NFC", filename).replace("\\", "/").rsplit("/", 1)[-1]
    # The categories C*: controls, bidirectional marks and other format characters, surrogates, private use.
    name = "".join(c for c in name if c.isspace() or not unicodedata.category(c).startswith("C"))
    name = " ".join(name.split()).strip(". ")
    if len(name) <= FILENAME_LIMIT:
        return name
    stem, dot, extension = name.rpartition(".")
    if not dot or len(extension) > EXTENSION_LIMIT:
        return name[:FILENAME_LIMIT]
    return f"{stem[: FILENAME_LIMIT - len(extension) - 1]}.{extension}"
