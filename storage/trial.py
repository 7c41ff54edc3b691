"""A storage tried out: what the site does with objects, done once with one that is removed again."""

from __future__ import annotations

import contextlib
import os
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, Storage

from storage.errors import (
    SKEW_SECONDS,
    StorageError,
    StorageRefused,
    StorageUnavailable,
    clock_ahead,
    clock_words,
    translated_errors,
)
from storage.s3 import PrivateS3Storage

FOLDER = "doctor"
BEFORE_LINKS: Final = "clocks agree"  # what comes after it is for browsers
LEAST_FREE = 500 * 10**6  # bytes
NO_LINK = (
    "Links to files do not work ({status}): look at MAPGAN_S3_PUBLIC_ENDPOINT_URL, at "
    "MAPGAN_S3_ADDRESSING_STYLE and at the proxy before the S3 server, which must not change the host."
)
NO_WAY = (
    "Links to files cannot be followed from here: look at MAPGAN_S3_PUBLIC_ENDPOINT_URL. (When only browsers "
    "know that address, all is well.)"
)
ELSEWHERE = "Links to files lead to something else: look at MAPGAN_S3_PUBLIC_ENDPOINT_URL."
DIFFERENT = "The storage gave back other bytes than it was given: look at its disks."
LITTLE_ROOM = "The disk of MAPGAN_VAR_DIR has only {free:,.0f} MB left."


def trials(storage: Storage, *, link_seconds: int = 60) -> Iterator[str]:
    """Do one thing after the other, and say what worked; the first that fails ends it.

    Raises:
        StorageError: with the words for the operator as its note.
    """
    key = f"{FOLDER}/{secrets.token_hex(8)}.bin"
    try:
        yield from _trials(storage, key, link_seconds)
    except BaseException:  # what is said is why it failed, not that nothing can be removed then
        with contextlib.suppress(StorageError), translated_errors():
            storage.delete(key)
        raise
    with translated_errors():
        storage.delete(key)
    yield "deleted"


def _trials(storage: Storage, key: str, link_seconds: int) -> Iterator[str]:
    content = secrets.token_bytes(1000)
    with translated_errors():
        if storage.save(key, ContentFile(content)) != key:
            raise _failed(DIFFERENT)
    yield "written"
    with translated_errors(), storage.open(key) as stored:
        back = stored.read()
    if back != content:
        raise _failed(DIFFERENT)
    yield "read back"
    if isinstance(storage, PrivateS3Storage):
        yield from _s3_trials(storage, key, content, link_seconds)
    elif isinstance(storage, FileSystemStorage):
        _check_room(Path(storage.location))
        yield "room left"


def _s3_trials(storage: PrivateS3Storage, key: str, content: bytes, seconds: int) -> Iterator[str]:
    with translated_errors():
        if key not in set(storage.keys_below(FOLDER)):
            raise _failed(DIFFERENT)
        yield "listed"
        storage.try_parts(f"{key}.parts")
        yield "large files begun and given up"
        headers = storage.head(key)["ResponseMetadata"]["HTTPHeaders"]
        ahead = clock_ahead(headers)
        if abs(ahead) > SKEW_SECONDS:
            raise _failed(clock_words(ahead))
        yield BEFORE_LINKS
        link = storage.link(
            key, content_type="application/octet-stream", disposition="attachment", seconds=seconds
        )
    try:
        with urllib.request.urlopen(link, timeout=10) as answer:  # noqa: S310 - the address is our own setting
            if answer.read(len(content) + 1) != content:
                raise _failed(ELSEWHERE)
    except urllib.error.HTTPError as error:
        raise _failed(NO_LINK.format(status=error.code)) from error
    except OSError as error:
        raise _failed(NO_WAY, passing=True) from error
    yield "fetched through a link"


def _check_room(folder: Path) -> None:
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if free < LEAST_FREE:
        raise _failed(LITTLE_ROOM.format(free=free / 1e6), passing=True)


def _failed(words: str, *, passing: bool = False) -> StorageRefused | StorageUnavailable:
    error = StorageUnavailable() if passing else StorageRefused()
    error.add_note(words)
    return error
