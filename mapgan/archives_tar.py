"""The tar half of :mod:`mapgan.archives`: one pass, headers judged before anything is made of them."""

from __future__ import annotations

import bz2
import lzma
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from mapgan.archives import ArchiveError, Extraction, Limits, shown

_CHUNK: Final = 2**16
_MAX_HEADERS: Final = 2**18  # bytes of all headers of one entry; a long name needs some thousands
_MAX_LZMA: Final = 2**28  # bytes of memory; `xz -9` needs 65 MB
_FILES: Final = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})
_HELPERS: Final = frozenset(
    {
        tarfile.GNUTYPE_LONGNAME,
        tarfile.GNUTYPE_LONGLINK,
        tarfile.XHDTYPE,
        tarfile.XGLTYPE,
        tarfile.SOLARIS_XHDTYPE,
    }
)
_LINKS: Final = frozenset({tarfile.SYMTYPE, tarfile.LNKTYPE})
_CUT_SHORT: Final = "the archive is cut short; pack or upload it again"


class _Machine(Protocol):
    """A decompressor that gives no more than it is asked for."""

    @property
    def eof(self) -> bool:
        """Whether its stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether it has nothing left to give."""

    @property
    def unused_data(self) -> bytes:
        """What came after the end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take ``data``, give at most ``max_length`` bytes."""


class _Gzip:
    """zlib's decompressor in the manner of the other two."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        """Whether its stream has ended."""
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        """Whether it has taken all it was given."""
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What came after the end."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take ``data``, give at most ``max_length`` bytes."""
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


_MACHINES: Final[dict[str, Callable[[], _Machine]]] = {
    "gzip": _Gzip,
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MAX_LZMA),
}
_MAGIC: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}


def compression_of(head: bytes) -> str | None:
    """``gzip``, ``bzip2``, ``xz`` or ``none`` from the first 512 bytes; None for what is no tar."""
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    return "none" if head[257:262] == b"ustar" else None


def extract(source: Path, extraction: Extraction) -> None:
    """Write the pictures of a tar.

    Raises:
        ArchiveError: it is refused.
    """
    try:
        with source.open("rb") as file:
            compression = compression_of(file.read(512))
            file.seek(0)
            stream = _Stream(file, compression or "none", extraction.limits)
            with tarfile.TarFile(fileobj=stream, tarinfo=_Member, encoding="utf-8") as archive:  # type: ignore[arg-type]
                _extract(archive, stream, extraction)
    except ArchiveError:
        raise
    except EOFError as error:
        raise ArchiveError("damaged", _CUT_SHORT) from error
    except (Exception, RecursionError) as error:  # parsers raise whatever broken bytes lead them into
        raise ArchiveError(
            "damaged", f"the archive is damaged or no tar ({error}); pack or upload it again"
        ) from error


def _extract(archive: tarfile.TarFile, stream: _Stream, extraction: Extraction) -> None:
    """Entry after entry."""
    while True:
        stream.headers_left = _MAX_HEADERS
        member = archive.next()
        if member is None:
            stream.finish()
            return
        archive.members.clear()  # type: ignore[attr-defined]  # it would remember all of them
        if member.issparse():
            raise _unknown(member)
        path = extraction.admit(member.name, member.size, folder=member.isdir())
        stream.headers_left = None
        if path is not None:
            stream.seek(member.offset_data)
            extraction.write(path, member.name, stream.read, member.size)


class _Member(tarfile.TarInfo):
    """A header that is judged as it is read; TarFile itself takes a broken one for the end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Any:
        """As usual.

        Raises:
            ArchiveError: half a header, a broken one, or one of a kind that data have no need of.
            tarfile.EOFHeaderError: at the end.
        """
        if len(buf) != tarfile.BLOCKSIZE:
            raise ArchiveError("damaged", _CUT_SHORT)
        try:
            member = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise ArchiveError(
                "damaged", f"the archive is damaged or no tar ({error}); pack or upload it again"
            ) from error
        if member.type in _LINKS:
            raise ArchiveError("link", f"{shown(member.name)} is a link; pack the pictures themselves")
        if member.type not in _FILES | _HELPERS and not member.isdir():
            raise _unknown(member)
        return member


class _Unpacked:
    """A compressed file, of one stream or of several one after the other."""

    def __init__(self, file: BinaryIO, make: Callable[[], _Machine]) -> None:
        self._file = file
        self._make = make
        self._machine = make()

    def read(self, most: int) -> bytes:
        """At most so many bytes; none at the end.

        Raises:
            EOFError: the file ends before its stream does.
        """
        while True:
            ended = self._machine.eof
            if ended:
                given = self._machine.unused_data or self._file.read(_CHUNK)
                if not given.strip(b"\0"):  # padding
                    return b""
                self._machine = self._make()
            else:
                given = self._file.read(_CHUNK) if self._machine.needs_input else b""
            idle = not given and self._machine.needs_input
            data = self._machine.decompress(given, most)
            if data:
                return data
            if idle and not self._machine.eof:
                raise EOFError


class _Stream:
    """What TarFile reads: counted, forwards only, and of headers not more than they need."""

    def __init__(self, file: BinaryIO, compression: str, limits: Limits) -> None:
        self._file = file
        machine = _MACHINES.get(compression)
        self._give = _Unpacked(file, machine).read if machine else file.read
        self._limits = limits
        self._position = 0
        self.headers_left: int | None = _MAX_HEADERS
        """Bytes that headers may still take; None while an entry's content is read."""

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def seek(self, position: int) -> None:
        """Skip forwards.

        Raises:
            EOFError: there is nothing there.
        """
        if position < self._position:
            raise tarfile.StreamError("a header that points backwards")
        while self._position < position:
            if not self._next(min(position - self._position, _CHUNK)):
                raise EOFError

    def read(self, size: int) -> bytes:
        """Exactly ``size`` bytes, fewer at the end alone."""
        if self.headers_left is not None:
            if not 0 <= size <= self.headers_left:
                raise ArchiveError("damaged", "the archive has headers of an unusual size; pack it anew")
            self.headers_left -= size
        parts = []
        left = size
        while left and (data := self._next(left)):
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    def finish(self) -> None:
        """Read what comes after the end mark: a checksum, and whether the file was cut short."""
        while self._next(_CHUNK):
            pass

    def close(self) -> None:
        """Nothing: the file is closed by whoever opened it."""

    def _next(self, most: int) -> bytes:
        """Some bytes, if there are any."""
        data = self._give(most)
        self._position += len(data)
        self._limits.check_growth(self._position, self._file.tell())
        return data


def _unknown(member: tarfile.TarInfo) -> ArchiveError:
    """A device, a pipe, a sparse file or something newer."""
    return ArchiveError("link", f"{shown(member.name)} is a device or of a special kind, not a file")
