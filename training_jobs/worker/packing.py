"""Pictures gathered from many files into one tar: the same pictures make the same bytes, so the same hash."""

from __future__ import annotations

import fcntl
import json
import os
import tarfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

from translator.storage import StorageUnavailable

TAR: Final = "pictures.tar"
JOURNAL: Final = "journal.jsonl"
SYNC_BYTES: Final = 64 * 2**20  # what a killed worker may have to fetch again


class MemberChanged(Exception):  # noqa: N818 - it names an outcome
    """A file has not the size that it had when it was listed."""


@dataclass(frozen=True)
class Member:
    """One file of the tar.

    Attributes:
        name: inside the tar.
        size: bytes.
        mark: changes when its content does; empty where nothing tells.
    """

    name: str
    size: int
    mark: str = ""


class Packing:
    """A tar in a folder, written member by member; an attempt that finds the folder goes on after the last
    member that is whole and on the disk, as a journal beside the tar tells.

    Headers say nothing of times and owners.

    Args:
        folder: of this packing alone; it exists.

    Raises:
        StorageUnavailable: another process writes there; come again.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / TAR
        self._journal: IO[str] = (folder / JOURNAL).open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._journal.close()
            raise StorageUnavailable from error
        self._tar: IO[bytes] = self.path.open("r+b" if self.path.exists() else "w+b")
        self._pending: list[dict[str, Any]] = []
        self._synced = 0

    def __enter__(self) -> Packing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._sync()
        finally:
            self._tar.close()
            self._journal.close()

    def resume(self, wanted: Sequence[Member]) -> int:
        """Keep the members that an earlier attempt packed and that are still wanted, in order; how many."""
        kept, end = 0, 0
        there = self.path.stat().st_size
        lines = self._read_journal()
        for line, member in zip(lines, wanted, strict=False):
            if {**asdict(member), "end": line.get("end")} != line or line["end"] > there:
                break
            kept, end = kept + 1, line["end"]
        self._journal.seek(0)
        self._journal.truncate()
        self._journal.writelines(f"{json.dumps(line)}\n" for line in lines[:kept])
        self._journal.flush()
        self._tar.truncate(end)
        self._tar.seek(end)
        self._synced = end
        return kept

    def add(self, member: Member, blocks: Iterable[bytes]) -> None:
        """Append a file.

        Raises:
            MemberChanged: more or fewer bytes come than were announced.
        """
        start = self._tar.tell()
        header = tarfile.TarInfo(member.name)
        header.size = member.size
        self._tar.write(header.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
        try:
            self._copy(member, blocks)
        except BaseException:
            self._tar.seek(start)  # what is half there is written over, or cut off
            self._tar.truncate()
            raise
        self._tar.write(bytes(-member.size % tarfile.BLOCKSIZE))
        self._pending.append({**asdict(member), "end": self._tar.tell()})
        if self._tar.tell() - self._synced > SYNC_BYTES:
            self._sync()

    def _copy(self, member: Member, blocks: Iterable[bytes]) -> None:
        left = member.size
        for block in blocks:
            left -= len(block)
            if left < 0:
                break
            self._tar.write(block)
        if left:
            raise MemberChanged(member.name)

    def finish(self) -> Path:
        """The whole tar."""
        self._sync()
        self._tar.write(bytes(2 * tarfile.BLOCKSIZE))
        self._tar.flush()
        return self.path

    def _sync(self) -> None:
        """First the bytes, then the journal that vouches for them."""
        if self._pending:
            self._tar.flush()
            os.fsync(self._tar.fileno())
            self._journal.writelines(f"{json.dumps(line)}\n" for line in self._pending)
            self._journal.flush()
            os.fsync(self._journal.fileno())
            self._pending = []
        self._synced = self._tar.tell()

    def _read_journal(self) -> list[dict[str, Any]]:
        """Its whole lines."""
        self._journal.seek(0)
        lines = []
        for line in self._journal:
            try:
                lines.append(json.loads(line))
            except ValueError:  # the machine died while it was written
                break
        return lines
