"""The door to Django's default storage: objects in and out, with clear errors and without holding large ones.

Keys are opaque, and an object never changes under its key. One looks like
``translations/3f/3f2a…-a2-result-9c4e….png``: two hexadecimal digits that spread a local folder, the row's
id, the attempt that wrote it (only results), what it is, and a random end, so that nobody who knows a row's
id knows an address.
"""

from __future__ import annotations

import hashlib
import io
import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, default_storage, storages

from storage.errors import ObjectMissing, StorageError, StorageUnavailable, translated_errors
from storage.patience import Patience, patiently
from storage.s3 import PrivateS3Storage

logger = logging.getLogger(__name__)

BLOCK: Final = 2**20

OnBytes = Callable[[int], None]
Check = Callable[[], None]


def row_id(key: str) -> uuid.UUID | None:
    """The id of the row that a key was made for; None when the key is not one of ours."""
    try:
        return uuid.UUID(hex=key.rsplit("/", 1)[-1].split("-", 1)[0])
    except ValueError:
        return None


def backend() -> Storage:
    """The storage in use: the object itself, not Django's lazy wrapper."""
    return storages["default"]


# --- In --------------------------------------------------------------------------------------------------


def save(key: str, data: bytes, check: Check | None = None) -> None:
    """Store ``data`` under exactly this key. After an error nothing is left of it.

    Args:
        check: with it a storage that is away is waited for (see `storage.patience`).
    """
    _waiting(lambda: _save(key, ContentFile(data)), check)


def save_file(key: str, path: Path, check: Check | None = None) -> None:
    """Store a file's content under exactly this key. After an error nothing is left under it.

    A large file goes to S3 in parts that outlive an interruption: the next attempt to store the same content,
    under whatever key and from whatever machine, goes on with the parts that are there.

    Args:
        check: asked again and again while the bytes go out; what it raises ends the storing. With it a
            storage that is away is waited for (see `storage.patience`).

    Raises:
        StorageError: the storage does not take it.
    """
    _waiting(lambda: _save_file(key, path, check or _nothing), check)


def _nothing() -> None:
    """Nobody wants to stop."""


def _waiting(work: Callable[[], None], check: Check | None) -> None:
    if check is None:
        work()
    else:
        patiently(work, check)


def _save_file(key: str, path: Path, check: Check) -> None:
    storage = backend()
    if isinstance(storage, PrivateS3Storage) and path.stat().st_size >= storage.large:
        with translated_errors():
            storage.put_large(key, path, check)
        return
    with _Checked(path.open("rb"), check) as stream:
        _save(key, File(stream))


def _save(key: str, content: File[bytes]) -> None:
    try:
        with translated_errors():
            stored = default_storage.save(key, content)
    except BaseException:
        remove([key])  # a full disk leaves the first half of a file
        raise
    if stored != key:  # the random end makes this next to impossible; a row must never name another's object
        remove([stored])
        raise StorageUnavailable


class _Checked(io.BufferedReader):
    """A file that asks before every read whether to go on."""

    def __init__(self, stream: io.BufferedReader, check: Check) -> None:
        super().__init__(stream.detach())
        self._check = check

    def read(self, size: int | None = -1, /) -> bytes:
        self._check()
        return super().read(size)


def _join(storage: PrivateS3Storage, key: str, parts: Mapping[str, int], check: Check) -> None:
    with translated_errors():
        storage.join(key, parts, check)


class Stash:
    """Objects stored together: all of them, or none.

    ::

        with Stash() as stash:
            stash.save(key, data)
            ...  # an exception here removes what was stored
    """

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __enter__(self) -> Stash:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.discard()

    def save(self, key: str, content: bytes | Path, check: Check | None = None) -> str:
        """Store bytes, or a file's content (see `save_file`), and remember it; returns the key."""
        if isinstance(content, Path):
            save_file(key, content, check)
        else:
            save(key, content, check)
        self.keys.append(key)
        return key

    def save_joined(self, key: str, parts: Mapping[str, int], path: Path, check: Check | None = None) -> str:
        """Store what objects give one after the other; returns the key.

        An S3 server joins them itself where they are large enough for its parts; nothing is sent again then.

        Args:
            parts: their keys, in order, and how many bytes each has.
            path: a local copy of what they give.
        """
        storage = backend()
        if isinstance(storage, PrivateS3Storage) and storage.can_join(list(parts.values())):
            _waiting(lambda: _join(storage, key, parts, check or _nothing), check)
            self.keys.append(key)
            return key
        return self.save(key, path, check)

    def keep(self) -> None:
        """The row that refers to them is there: from now on nothing is removed."""
        self.keys = []

    def discard(self) -> None:
        """Remove everything stored so far."""
        remove(self.keys)
        self.keys = []


# --- Out -------------------------------------------------------------------------------------------------


def read(key: str) -> bytes:
    """The whole object."""
    return b"".join(blocks(key))


def open_object(key: str) -> File[Any]:
    """The object, open for reading; the caller closes it."""
    with translated_errors():
        return default_storage.open(key)


def blocks(key: str, *, start: int = 0, storage: Storage | None = None) -> Iterator[bytes]:
    """The object's bytes from ``start`` on, as they come.

    Raises:
        StorageError: it is gone, or the storage fails.
    """
    source = storage or backend()
    with translated_errors():
        if isinstance(source, PrivateS3Storage):
            yield from source.blocks(key, start=start, size=BLOCK)
            return
        with source.open(key) as stored:
            stored.seek(start)
            while block := stored.read(BLOCK):
                yield block


def join_objects(
    keys: Iterable[str],
    path: Path,
    on_bytes: OnBytes | None = None,
) -> tuple[int, str]:
    """Write the objects one after the other into a file; returns its size and its SHA-256.

    Args:
        on_bytes: called with the bytes so far after every block; what it raises ends the copying. With it a
            storage that goes away is waited for, and the reading goes on where it stopped.

    Raises:
        StorageError: one cannot be read.
        OSError: the disk is full.
    """
    digest, size = hashlib.sha256(), 0
    hear = on_bytes or (lambda _: None)
    patience = Patience(lambda: hear(size), seconds=None if on_bytes else 0.0)
    with path.open("wb") as out:
        for key in keys:
            begin = size
            while True:
                try:
                    for block in blocks(key, start=size - begin):
                        out.write(block)
                        digest.update(block)
                        size += len(block)
                        hear(size)
                    break
                except StorageUnavailable as error:
                    patience.wait(error)
    return size, digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Of a local file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- Looking, and letting go -----------------------------------------------------------------------------


def remove(keys: Iterable[str]) -> list[str]:
    """Delete objects, on S3 many at once; returns those that could not be deleted now, which are logged.

    The hourly sweep finds them where nobody else remembers them.
    """
    wanted = list(dict.fromkeys(keys))
    storage = backend()
    if isinstance(storage, PrivateS3Storage) and len(wanted) > 1:
        try:
            with translated_errors():
                left = storage.delete_many(wanted)
        except StorageUnavailable as error:
            logger.warning("%d objects could not be deleted: %r", len(wanted), error.__cause__ or error)
            return wanted
        except StorageError as error:  # a server that does not know the request, or wants it signed otherwise
            logger.info("This S3 server deletes objects one by one only: %r", error.__cause__ or error)
        else:
            for key, code in left.items():
                logger.warning("Object %s could not be deleted: %s", key, code)
            return list(left)
    return _remove_each(wanted)


def _remove_each(keys: Sequence[str]) -> list[str]:
    left = []
    for number, key in enumerate(keys):
        try:
            with translated_errors():
                default_storage.delete(key)
        except StorageError as error:
            logger.warning("Object %s could not be deleted: %r", key, error.__cause__ or error)
            left.append(key)
            if isinstance(error, StorageUnavailable) and not is_local():  # nor would it take the others
                return [*left, *keys[number + 1 :]]
    return left


def walk(folder: str, *, storage: Storage | None = None) -> Iterator[str]:
    """Every key below a folder; one listing a folder, also on S3."""
    source = storage or backend()
    if isinstance(source, PrivateS3Storage):
        with translated_errors():
            yield from source.keys_below(folder)
        return
    try:
        with translated_errors():
            folders, files = source.listdir(folder)
    except ObjectMissing:  # nothing was ever stored there
        return
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        yield from walk(f"{folder}/{name}", storage=source)


def modified_at(key: str) -> datetime:
    """When the object was stored, with a time zone."""
    with translated_errors():
        return default_storage.get_modified_time(key)


def is_local() -> bool:
    """Whether objects are files of this machine (else they have addresses of their own)."""
    return not isinstance(backend(), PrivateS3Storage)


def link(key: str, *, content_type: str, disposition: str, seconds: int) -> str:
    """An address at which a browser gets the object for a while; only where `is_local` says no.

    Raises:
        ObjectMissing: there is none; the person would else meet the storage's own XML.
        StorageError: the storage cannot be reached.
    """
    storage = backend()
    if not isinstance(storage, PrivateS3Storage):
        raise TypeError("Files of this machine have no address.")
    with translated_errors():
        return storage.link(key, content_type=content_type, disposition=disposition, seconds=seconds)


def abort_stale_uploads(folders: Iterable[str], *, before: datetime) -> int:
    """End multipart uploads that were begun in these folders before then; returns how many.

    Their parts cost money and are seen in no listing of objects.
    """
    storage = backend()
    if not isinstance(storage, PrivateS3Storage):
        return 0
    with translated_errors():
        return sum(storage.abort_stale_uploads(folder, before=before) for folder in folders)
