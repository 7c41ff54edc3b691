"""Objects from one storage to another: by several threads, every one verified, and a journal to go on from.

A journal line says that an object arrived and was read back. After a kill, what has its line is left alone;
what arrived without one is compared by hash and not sent again; a large file goes on with the parts that
arrived. A local file gets its name when it is whole, so that half a file is never taken for one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from django.core.files.storage import FileSystemStorage, Storage

from storage.errors import ObjectMissing, StorageUnavailable, explain, translated_errors
from storage.objects import blocks, sha256_of
from storage.patience import Patience
from storage.s3 import PrivateS3Storage

FOLDER_MODE, FILE_MODE = 0o700, 0o600
PART_SUFFIX = ".part"
HANDFUL, SHARE = 10, 10  # what people delete while a move goes on: at most so many, or this share of all

logger = logging.getLogger(__name__)


class MoveStopped(Exception):  # noqa: N818 - it names an outcome
    """It cannot go on; the message is for the operator."""


class Side(Protocol):
    """One of the two storages."""

    def sizes(self, folders: list[str]) -> dict[str, int]:
        """Every key below the folders, with its bytes."""

    def read(self, key: str) -> Iterator[bytes]:
        """Its bytes."""

    def write(self, key: str, source: Side, check: Callable[[], None]) -> str:
        """Take the object from the other side; returns the SHA-256 of what was read there."""

    def remove(self, key: str) -> None:
        """Delete it; nothing happens when it is not there."""


class LocalSide:
    """Files of this machine."""

    def __init__(self, storage: FileSystemStorage) -> None:
        self.storage = storage
        self.identity = f"local {storage.location}"

    def path(self, key: str) -> Path:
        """Where the object is, or would be."""
        return Path(self.storage.path(key))

    def sizes(self, folders: list[str]) -> dict[str, int]:
        """See `Side`."""
        root = Path(self.storage.location)
        found = (path for folder in folders for path in (root / folder).rglob("*"))
        return {
            path.relative_to(root).as_posix(): path.stat().st_size
            for path in found
            if path.is_file() and path.suffix != PART_SUFFIX
        }

    def read(self, key: str) -> Iterator[bytes]:
        """See `Side`."""
        return blocks(key, storage=self.storage)

    def write(self, key: str, source: Side, check: Callable[[], None]) -> str:
        """See `Side`."""
        path = self.path(key)
        part = path.with_name(f"{path.name}{PART_SUFFIX}")
        digest = hashlib.sha256()
        with translated_errors():
            path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
            with os.fdopen(descriptor, "wb") as out:
                for block in source.read(key):
                    check()
                    digest.update(block)
                    out.write(block)
                out.flush()
                os.fsync(out.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        return digest.hexdigest()

    def remove(self, key: str) -> None:
        """See `Side`."""
        with translated_errors():
            self.path(key).unlink(missing_ok=True)


class S3Side:
    """A bucket."""

    def __init__(self, storage: PrivateS3Storage) -> None:
        self.storage = storage
        self.identity = f"s3 {storage.endpoint_url} {storage.bucket_name} {storage.location}"

    def sizes(self, folders: list[str]) -> dict[str, int]:
        """See `Side`."""
        with translated_errors():
            return dict(entry for folder in folders for entry in self.storage.sizes_below(folder))

    def read(self, key: str) -> Iterator[bytes]:
        """See `Side`."""
        return blocks(key, storage=self.storage)

    def write(self, key: str, source: Side, check: Callable[[], None]) -> str:
        """See `Side`."""
        with translated_errors():
            if isinstance(source, LocalSide) and source.path(key).stat().st_size >= self.storage.large:
                path = source.path(key)
                self.storage.put_large(key, path, check)
                return sha256_of(path)
            data = b"".join(source.read(key))
            self.storage.put(key, data)
        return hashlib.sha256(data).hexdigest()

    def remove(self, key: str) -> None:
        """See `Side`."""
        with translated_errors():
            self.storage.delete(key)


def side_of(storage: Storage) -> LocalSide | S3Side:
    """The storage as one side of a move."""
    if isinstance(storage, PrivateS3Storage):
        return S3Side(storage)
    if isinstance(storage, FileSystemStorage):
        return LocalSide(storage)
    raise TypeError(f"No side of a move: {storage!r}")


class Journal:
    """What arrived and was verified, one JSON line an object. One move at a time holds it.

    Raises:
        MoveStopped: another one does.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        self._file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise MoveStopped("Another storage_migrate between these two runs already.") from None
        self._lock = threading.Lock()
        self.done: dict[str, str] = {}
        self._file.seek(0)
        for line in self._file:
            with contextlib.suppress(ValueError, KeyError):  # the last line of a kill may be half
                entry = json.loads(line)
                self.done[entry["key"]] = entry["sha256"]
        if self.done:
            self._file.write("\n")  # in case that the last line has no end

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, key: str, sha256: str) -> None:
        """It arrived; an empty hash: it was taken away again."""
        with self._lock:
            self.done[key] = sha256
            self._file.write(json.dumps({"key": key, "sha256": sha256}) + "\n")
            self._file.flush()


@dataclass
class Report:
    """How far a move is, and what it met."""

    total: int = 0
    copied: int = 0
    copied_bytes: int = 0
    already: int = 0
    missing: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    gone: int = 0

    @property
    def done(self) -> int:
        """Objects that need no more work."""
        return self.copied + self.already + len(self.missing)


class Move:
    """Copies what rows name from one side to the other. Nothing is deleted at the source.

    Args:
        on_progress: called now and then, and at the end.
        seconds: between two of those calls.
    """

    def __init__(
        self,
        source: LocalSide | S3Side,
        target: LocalSide | S3Side,
        journal: Journal,
        *,
        workers: int = 4,
        on_progress: Callable[[Report], None] = lambda _: None,
        seconds: float = 2.0,
    ) -> None:
        self.source, self.target, self.journal = source, target, journal
        self._workers, self._on_progress, self._seconds = workers, on_progress, seconds
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.report = Report()
        self._seen: set[str] = set()

    def run(self, referenced: Mapping[str, str], folders: list[str]) -> None:
        """Copy these objects; may be called again with what came meanwhile.

        Args:
            referenced: key -> SHA-256, empty where no row knows it.

        Raises:
            MoveStopped, StorageError: it cannot go on now; run it again.
        """
        there = self.target.sizes(folders)
        new = [key for key in referenced if key not in self._seen]
        self._seen |= set(new)
        arrived = {key for key in new if self.journal.done.get(key) and key in there}
        with self._lock:
            self.report.total += len(new)
            self.report.already += len(arrived)
        waiting = {key: referenced[key] for key in new if key not in arrived}
        with ThreadPoolExecutor(self._workers, thread_name_prefix="move") as pool:
            futures = {pool.submit(self._one, key, sha, there.get(key)) for key, sha in waiting.items()}
            try:
                while futures:
                    done, futures = wait(futures, timeout=self._seconds, return_when=FIRST_EXCEPTION)
                    for future in done:
                        future.result()
                    self._on_progress(self.report)
            except BaseException:
                self._stopping.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def forget(self, referenced: Mapping[str, str]) -> None:
        """Take away from the target what this move brought there and no row names any more.

        More than people delete meanwhile means another database: then nothing is taken away.
        """
        brought = [key for key, sha256 in self.journal.done.items() if sha256]
        gone = [key for key in brought if key not in referenced]
        if len(gone) > max(HANDFUL, len(brought) // SHARE):
            logger.warning(
                "%d of %d objects at the target are named by no row: left there.", len(gone), len(brought)
            )
            return
        for key in gone:
            self.target.remove(key)
            self.journal.add(key, "")
            self.report.gone += 1

    def _check(self) -> None:
        if self._stopping.is_set():
            raise MoveStopped("Stopped.")

    def _one(self, key: str, expected: str, size_there: int | None) -> None:
        patience = Patience(self._check)
        while True:
            try:
                self._check()
                self._copy(key, expected, size_there)
            except ObjectMissing:
                with self._lock:
                    if size_there is None:
                        self.report.missing.append(key)
                    else:  # stored there by a site that uses the target already
                        self.report.already += 1
                return
            except StorageUnavailable as error:
                patience.wait(error)
            except OSError as error:
                raise MoveStopped(f"{key}: {explain(error)}") from error
            else:
                return

    def _copy(self, key: str, expected: str, size_there: int | None) -> None:
        wanted = ""
        if size_there is not None:  # of an earlier try that was cut off before its line was written
            wanted = _digest(self.source.read(key))
            if _digest(self.target.read(key)) == wanted:
                self._arrived(key, wanted, expected, copied=None)
                return
        wanted = self.target.write(key, self.source, self._check)
        size = 0
        digest = hashlib.sha256()
        for block in self.target.read(key):
            digest.update(block)
            size += len(block)
        if digest.hexdigest() != wanted:
            self.target.remove(key)
            raise MoveStopped(
                f"{key} did not arrive as it was sent. Nothing is lost; look at the target's disks."
            )
        self._arrived(key, wanted, expected, copied=size)

    def _arrived(self, key: str, sha256: str, expected: str, *, copied: int | None) -> None:
        self.journal.add(key, sha256)
        with self._lock:
            if copied is None:
                self.report.already += 1
            else:
                self.report.copied += 1
                self.report.copied_bytes += copied
            if expected and sha256 != expected:
                self.report.damaged.append(key)


def _digest(content: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for block in content:
        digest.update(block)
    return digest.hexdigest()


class Speed:
    """Words for how a move goes on."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def words(self, report: Report) -> str:
        """One line."""
        seconds = max(time.monotonic() - self._began, 0.001)
        share = report.done / max(report.total, 1)
        line = f"{report.done:,} of {report.total:,} objects ({share:.0%})"
        if report.copied_bytes:
            line += (
                f", {report.copied_bytes / 1e6:,.1f} MB at {report.copied_bytes / 1e6 / seconds:,.1f} MB/s"
            )
        if 0 < share < 1:
            line += f", about {max(1, round(seconds * (1 - share) / share / 60))} min left"
        return line


def state_of(report: Report) -> dict[str, Any]:
    """Its figures, for programs."""
    return {
        "referenced": report.total,
        "copied": report.copied,
        "bytes": report.copied_bytes,
        "already_there": report.already,
        "missing": sorted(report.missing),
        "damaged": sorted(report.damaged),
        "gone_meanwhile": report.gone,
    }
