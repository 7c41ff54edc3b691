"""Pictures out of a zip or tar that a stranger packed, into a folder that does not outlive its use.

Only files that look like pictures are written, under names that were checked, with plain permissions;
archives inside the archive and all other files are left alone. Anything that real data have no need
of (links, devices, paths that leave the folder, names that occur twice, encryption, bombs) refuses
the whole archive, in a sentence for whoever packed it. Time and memory are bounded by the limits.
Standard library and :mod:`mapgan.datasets` (Pillow, NumPy) only: a web process may import this.
"""

from __future__ import annotations

import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mapgan.imageio import SUFFIXES

MAX_TOTAL: Final = 20 * 2**30
"""Bytes that all entries may unpack to."""
MAX_ENTRIES: Final = 100_000
MAX_FILE: Final = 200 * 2**20
"""Bytes that one entry may unpack to."""
MAX_RATIO: Final = 100
"""Times that an archive may grow; pictures are compressed already and hardly grow at all."""
MAX_EMPTY: Final = 1_000
"""Entries without content: folders and empty files."""

_RATIO_FROM: Final = 64 * 2**20  # bytes below which growing is harmless
_CHUNK: Final = 2**18
_DEEPEST: Final = 16
_LONGEST_NAME: Final = 255  # bytes of one part, as file systems have it
_LAYOUT: Final = frozenset(
    {f"{split}{side}" for split in ("train", "val", "test") for side in ("", "A", "B")}
)
_FOREIGN: Final = {
    b"Rar!": "RAR", b"7z\xbc\xaf": "7-Zip", b"\x28\xb5\x2f\xfd": "Zstandard", b"LZIP": "lzip",
}  # fmt: skip


class ArchiveError(ValueError):
    """An archive that is not accepted.

    Attributes:
        code: a stable word for programs, such as ``path`` or ``bomb``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What an archive may unpack to at most; see the constants of this module."""

    max_total: int
    max_entries: int
    max_file: int
    max_ratio: int
    max_empty: int

    def check_growth(self, unpacked: int, packed: int) -> None:
        """Refuse what unpacks to too much, in all or for its size.

        Raises:
            ArchiveError: ``too_large`` or ``bomb``.
        """
        if unpacked > self.max_total:
            raise ArchiveError(
                "too_large", f"the archive unpacks to more than {_bytes(self.max_total)}; split the data set"
            )
        if unpacked > _RATIO_FROM and unpacked > self.max_ratio * packed:
            raise ArchiveError(
                "bomb",
                f"the archive unpacks to more than {self.max_ratio} times its size, which pictures do not; "
                "it is not unpacked",
            )


@contextmanager
def opened(
    source: Path,
    *,
    work: Path | None = None,
    max_total: int = MAX_TOTAL,
    max_entries: int = MAX_ENTRIES,
    max_file: int = MAX_FILE,
    max_ratio: int = MAX_RATIO,
    max_empty: int = MAX_EMPTY,
) -> Iterator[Path]:
    """Give the folder with the pictures: ``source`` itself, or what is in an archive, until the end.

    A zip, or a tar of any compression, is told by its content, whatever its name. A folder that holds
    nothing but another folder is stepped through.

    Args:
        source: a folder or an archive.
        work: folder to extract into; it is the caller's own, what a killed process left in it is
            removed first, and it is gone at the end. Without it a new temporary folder is used.
        max_total, max_entries, max_file, max_ratio, max_empty: limits, see the constants.

    Raises:
        ArchiveError: there is no such file, or it is refused; nothing is left behind.
    """
    if source.is_dir():
        yield source
        return
    extract = _reader_of(source)
    limits = Limits(
        max_total=max_total,
        max_entries=max_entries,
        max_file=max_file,
        max_ratio=max_ratio,
        max_empty=max_empty,
    )
    if work is None:
        work = Path(tempfile.mkdtemp(prefix="mapgan-data-"))
    else:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
    try:
        extraction = Extraction(work, limits)
        extract(source, extraction)
        extraction.check_found()
        yield _inner(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


class Extraction:
    """Where pictures go, and the account of all that an archive holds."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.limits = limits
        self._folder = folder
        self._seen: set[str] = set()
        self._entries = 0
        self._empty = 0
        self._pictures = 0

    def admit(self, name: str, size: int, *, folder: bool) -> Path | None:
        """Check one entry and say where it is to be written; None for what is not a picture.

        Args:
            name: as the archive has it.
            size: bytes that it says it unpacks to.
            folder: whether it is one.

        Raises:
            ArchiveError: the entry, or the number of entries, is not accepted.
        """
        self._entries += 1
        if self._entries > self.limits.max_entries:
            raise ArchiveError(
                "too_many",
                f"the archive has more than {self.limits.max_entries:,} entries; split the data set",
            )
        self._empty += folder or size == 0
        if self._empty > self.limits.max_empty:
            raise ArchiveError(
                "empty_entries",
                f"more than {self.limits.max_empty:,} entries of the archive are empty; "
                "pack the pictures alone",
            )
        parts = _parts(name)
        if folder or _is_ignored(parts):
            return None
        if not 0 <= size <= self.limits.max_file:
            raise ArchiveError(
                "too_large",
                f"{shown(name)} unpacks to {_bytes(size)}; a picture may have {_bytes(self.limits.max_file)}",
            )
        path = "/".join(parts)
        if path in self._seen:
            raise ArchiveError("twice", f"the archive has two files of one name: {shown(path)}; pack it anew")
        self._seen.add(path)
        self._pictures += 1
        return self._folder / path

    def check_space(self, wanted: int) -> None:
        """Refuse early what the disk has no room for.

        Raises:
            ArchiveError: ``disk``.
        """
        free = shutil.disk_usage(self._folder).free
        if wanted > free:
            raise ArchiveError(
                "disk",
                f"the archive unpacks to {_bytes(wanted)}, but {self._folder.parent} has only "
                f"{_bytes(free)} left; make room",
            )

    def write(self, path: Path, name: str, read: Callable[[int], bytes], size: int) -> None:
        """Copy ``size`` bytes that ``read(most)`` gives to ``path``.

        Raises:
            ArchiveError: fewer bytes come, or they cannot be written.
        """
        left = size
        with self._writing(path) as file:
            while left:
                data = read(min(left, _CHUNK))
                if not data:
                    raise ArchiveError(
                        "damaged", f"{shown(name)} is shorter than the archive says: pack or upload it again"
                    )
                left -= len(data)
                _put(file, data, self._folder.parent)

    def check_found(self) -> None:
        """Refuse an archive without pictures.

        Raises:
            ArchiveError: ``no_pictures``.
        """
        if not self._pictures:
            kinds = ", ".join(sorted(SUFFIXES))
            raise ArchiveError(
                "no_pictures",
                f"the archive has no pictures ({kinds}) among its {self._entries:,} entries"
                if self._entries
                else "the archive is empty",
            )

    @contextmanager
    def _writing(self, path: Path) -> Iterator[BinaryIO]:
        """A new file, and the folders above it; unbuffered, so that an error comes where it is made."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb", buffering=0)
        except (FileExistsError, NotADirectoryError):
            raise ArchiveError(
                "twice", f"the archive has a file and a folder of one name: {shown(path.name)}"
            ) from None
        except OSError as error:
            raise _cannot_write(error, self._folder.parent) from error
        with file:
            yield file


def shown(name: str) -> str:
    """A name from an archive in a message: plain ASCII, and not endless."""
    text = ascii(name)[1:-1]
    return text if len(text) <= 80 else f"{text[:60]}...{text[-17:]}"


def _reader_of(source: Path) -> Callable[[Path, Extraction], None]:
    """What unpacks this kind of file."""
    from mapgan import archives_tar, archives_zip

    if not source.is_file():
        raise ArchiveError("missing", "no such folder or archive")
    try:
        with source.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise ArchiveError("missing", f"cannot be read: {error.strerror}") from error
    if not head:
        raise ArchiveError("damaged", "the file is empty; upload or copy it again")
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return archives_zip.extract
    if archives_tar.compression_of(head) is not None or source.suffix.lower() == ".tar":
        return archives_tar.extract
    kind = next((name for magic, name in _FOREIGN.items() if head.startswith(magic)), None)
    what = f"{kind} archives are not read" if kind else "this is neither a folder nor a zip or tar archive"
    raise ArchiveError("format", f"{what}; pack the pictures as .zip or .tar.gz")


def _parts(name: str) -> list[str]:
    """The folders and the file of a name, checked.

    Backslashes separate, too, as some programs for Windows write them.

    Raises:
        ArchiveError: ``path`` or ``name``.
    """
    plain = name.replace("\\", "/")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in plain):
        raise ArchiveError(
            "name", f"a name in the archive is not readable text: {shown(name)}; rename the file"
        )
    parts = [unicodedata.normalize("NFC", part) for part in plain.split("/") if part not in ("", ".")]
    if plain.startswith("/") or plain[1:2] == ":" or ".." in parts:
        raise ArchiveError(
            "path", f"{shown(name)} would be written outside of the archive's folder; pack the folder itself"
        )
    if len(parts) > _DEEPEST or any(len(part.encode()) > _LONGEST_NAME for part in parts):
        raise ArchiveError("name", f"a name in the archive is too long or too deep: {shown(name)}")
    return parts


def _is_ignored(parts: list[str]) -> bool:
    """Whether it is no picture by its name, or something that an operating system put there."""
    hidden = any(part.startswith(".") for part in parts) or "__MACOSX" in parts
    return not parts or hidden or Path(parts[-1]).suffix.lower() not in SUFFIXES


def _inner(folder: Path) -> Path:
    """The folder that holds more than one folder of no meaning."""
    while True:
        inside = list(folder.iterdir())
        if len(inside) != 1 or not inside[0].is_dir() or inside[0].name in {*_LAYOUT, "A", "B"}:
            return folder
        folder = inside[0]


def _put(file: BinaryIO, data: bytes, place: Path) -> None:
    """Write all of it."""
    view = memoryview(data)
    try:
        while view:
            view = view[file.write(view) :]
    except OSError as error:
        raise _cannot_write(error, place) from error


def _cannot_write(error: OSError, place: Path) -> ArchiveError:
    """A full disk, mostly."""
    return ArchiveError("disk", f"the archive cannot be unpacked in {place}: {error.strerror}; make room")


def _bytes(count: int) -> str:
    """A size for a person."""
    return f"{count / 2**30:.1f} GB" if count >= 2**30 else f"{count / 2**20:.1f} MB"
