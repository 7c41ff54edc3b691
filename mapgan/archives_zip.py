"""The zip half of :mod:`mapgan.archives`: everything is checked before a byte is written."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path
from typing import Final

from mapgan.archives import ArchiveError, Extraction, Limits, shown

_METHODS: Final = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
"""bzip2 and LZMA are left out: zipfile unpacks them in pieces whose size it does not bound."""
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_HEADER: Final = 30  # bytes of an entry's own header, its name not counted
_SIGNATURE: Final = b"PK\x01\x02"  # of an entry in the directory
_DIRECTORY_ENTRY: Final = 256  # bytes, on average and at most


def extract(source: Path, extraction: Extraction) -> None:
    """Write the pictures of a zip.

    Raises:
        ArchiveError: it is refused.
    """
    try:
        with source.open("rb", buffering=0) as raw:
            file = _Bounded(raw, extraction.limits)
            with zipfile.ZipFile(file) as archive:
                file.reading_directory = False
                _extract(archive, source.stat().st_size, extraction)
    except ArchiveError:
        raise
    except Exception as error:  # zipfile raises whatever broken bytes lead it into
        raise ArchiveError(
            "damaged", f"the archive is damaged or cut short ({error}); pack or upload it again"
        ) from error


class _Bounded(io.BufferedReader):
    """A file whose directory is counted before zipfile makes objects of it."""

    def __init__(self, raw: io.RawIOBase, limits: Limits) -> None:
        super().__init__(raw)
        self._limits = limits
        self.reading_directory = True

    def read(self, size: int | None = -1, /) -> bytes:
        """As usual, but the directory may not be larger than its entries may need."""
        if not self.reading_directory:
            return super().read(size)
        most = self._limits.max_entries * _DIRECTORY_ENTRY + 2**17  # and the end record with its comment
        data = super().read(most + 1 if size is None or size < 0 else min(size, most + 1))
        if len(data) > most or data.count(_SIGNATURE) > self._limits.max_entries:
            raise ArchiveError(
                "too_many",
                f"the archive has more than {self._limits.max_entries:,} entries; split the data set",
            )
        return data


def _extract(archive: zipfile.ZipFile, packed: int, extraction: Extraction) -> None:
    """Check the whole directory, then write."""
    entries = archive.infolist()
    _check_overlap(entries)
    extraction.limits.check_growth(sum(entry.file_size for entry in entries), packed)
    plan: list[tuple[zipfile.ZipInfo, Path]] = []
    for entry in entries:
        _check_kind(entry)
        path = extraction.admit(entry.orig_filename, entry.file_size, folder=_is_folder(entry))
        if path is not None:
            plan.append((entry, path))
    extraction.check_space(sum(entry.file_size for entry, _ in plan))
    for entry, path in plan:
        # never more than the declared size comes out, and what does has to fit the checksum
        with archive.open(entry) as file:
            extraction.write(path, entry.filename, file.read, entry.file_size)


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    """By its name, whichever way the slash leans."""
    return entry.orig_filename.endswith(("/", "\\"))


def _check_kind(entry: zipfile.ZipInfo) -> None:
    """Refuse what is not a plain file or folder that can be unpacked.

    Raises:
        ArchiveError: ``link``, ``encrypted`` or ``compression``.
    """
    name = shown(entry.orig_filename)
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError("link", f"{name} is a link or a device, not a file; pack the pictures themselves")
    if entry.flag_bits & _ENCRYPTED:
        raise ArchiveError("encrypted", f"{name} is encrypted; pack the pictures without a password")
    if entry.compress_type not in _METHODS:
        raise ArchiveError(
            "compression",
            f"{name} is compressed by a method that is not read (number {entry.compress_type}); pack the "
            "pictures with deflate, which is what zip programs do unless told otherwise",
        )


def _check_overlap(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse entries that share their bytes, which is how small archives pretend to be endless.

    Raises:
        ArchiveError: ``bomb``.
    """
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            raise ArchiveError(
                "bomb",
                f"{shown(entry.orig_filename)} shares its bytes with another entry; it is not unpacked",
            )
        end = entry.header_offset + _HEADER + len(entry.orig_filename) + entry.compress_size
