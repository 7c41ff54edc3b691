"""Stored objects: their keys, and a door to Django's default storage with three clear errors.

Keys are opaque. One looks like ``translations/3f/3f2a…-a2-result-9c4e….png``: two hexadecimal digits that
spread a local folder, the row's id, the attempt that wrote it (only results), what it is, and a random end,
so that nobody who knows a row's id knows an address.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import secrets
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as EndpointError
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

logger = logging.getLogger(__name__)

TRANSLATIONS, GENERATORS = "translations", "generators"

FORBIDDEN_ERRNOS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
SERVER_BUSY = frozenset({"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "Throttling"})


class StorageError(Exception):
    """The storage did not do what was asked. `str()` of it is safe to show: it names no path and no host."""


class StorageUnavailable(StorageError):  # noqa: N818 - it names a condition
    """It may work a little later: a full disk, an endpoint that cannot be reached, a server's error."""

    def __init__(self) -> None:
        super().__init__("The storage cannot be used right now. Please try again in a little while.")


class StorageRefused(StorageError):  # noqa: N818 - it names a condition
    """It will not work until an operator changes something: permissions, credentials, a missing bucket."""

    def __init__(self) -> None:
        super().__init__("The storage does not let us in. The operator of this site has to look at it.")


class ObjectMissing(StorageError):  # noqa: N818 - it names a condition
    """There is no object of this key."""

    def __init__(self) -> None:
        super().__init__("This file no longer exists.")


def translation_key(
    translation_id: uuid.UUID, kind: str, extension: str, *, attempt: int | None = None
) -> str:
    """A fresh key for one object of a translation; a result's names the attempt that makes it."""
    name = translation_id.hex
    fence = "" if attempt is None else f"a{attempt}-"
    return f"{TRANSLATIONS}/{name[:2]}/{name}-{fence}{kind}-{secrets.token_hex(8)}.{extension}"


def generator_key(generator_id: uuid.UUID, kind: str, extension: str) -> str:
    """A fresh key for one object of a generator."""
    return f"{GENERATORS}/{generator_id.hex}-{kind}-{secrets.token_hex(8)}.{extension}"


def row_id(key: str) -> uuid.UUID | None:
    """The id of the row that a key was made for; None when the key is not one of ours."""
    try:
        return uuid.UUID(hex=key.rsplit("/", 1)[-1].split("-", 1)[0])
    except ValueError:
        return None


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what file systems and S3 raise into the errors above; anything else passes."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing from error
    except (EndpointError, HTTPClientError) as error:  # before OSError: some of these are both
        raise StorageUnavailable from error
    except OSError as error:
        raise (StorageRefused if error.errno in FORBIDDEN_ERRNOS else StorageUnavailable) from error
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        busy = status >= 500 or error.response.get("Error", {}).get("Code") in SERVER_BUSY
        raise (StorageUnavailable if busy else StorageRefused) from error
    except BotoCoreError as error:  # no credentials, an endpoint that is no URL
        raise StorageRefused from error


def save(key: str, data: bytes) -> None:
    """Store ``data`` under exactly this key. After an error nothing is left of it."""
    try:
        with translated_errors():
            stored = default_storage.save(key, ContentFile(data))
    except StorageError:
        remove([key])  # a full disk leaves the first half of a file
        raise
    if stored != key:  # the random end makes this next to impossible; a row must never name another's object
        remove([stored])
        raise StorageUnavailable


def read(key: str) -> bytes:
    """The whole object."""
    with translated_errors(), default_storage.open(key) as stored:
        data: bytes = stored.read()
    return data


def open_object(key: str) -> File[Any]:
    """The object, open for reading; the caller closes it."""
    with translated_errors():
        return default_storage.open(key)


def remove(keys: Iterable[str]) -> None:
    """Delete objects; what cannot be deleted now is logged and left to the hourly sweep."""
    for key in keys:
        try:
            with translated_errors():
                default_storage.delete(key)
        except StorageError as error:
            logger.warning("Object %s could not be deleted: %r", key, error.__cause__ or error)


def walk(folder: str) -> Iterator[str]:
    """Every key below a folder; one listing a folder, also on S3."""
    try:
        with translated_errors():
            folders, files = default_storage.listdir(folder)
    except ObjectMissing:  # nothing was ever stored there
        return
    for name in files:
        yield f"{folder}/{name}"
    for name in folders:
        yield from walk(f"{folder}/{name}")


def remove_attempts_before(translation_id: uuid.UUID, attempt: int) -> None:
    """Delete what earlier attempts of a translation left when their worker was killed."""
    name = translation_id.hex
    fence = re.compile(rf"{name}-a(\d+)-")
    folder = f"{TRANSLATIONS}/{name[:2]}"
    found = ((key, fence.match(key.removeprefix(f"{folder}/"))) for key in walk(folder))
    remove([key for key, earlier in found if earlier and int(earlier[1]) < attempt])


def modified_at(key: str) -> datetime:
    """When the object was stored, with a time zone."""
    with translated_errors():
        return default_storage.get_modified_time(key)


def is_local() -> bool:
    """Whether objects are files of this machine (else they have addresses of their own)."""
    try:
        default_storage.path("")
    except NotImplementedError:
        return False
    return True


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

    def save(self, key: str, data: bytes) -> str:
        """Store one and remember it; returns the key."""
        save(key, data)
        self.keys.append(key)
        return key

    def keep(self) -> None:
        """The row that refers to them is there: from now on nothing is removed."""
        self.keys = []

    def discard(self) -> None:
        """Remove everything stored so far."""
        remove(self.keys)
        self.keys = []
