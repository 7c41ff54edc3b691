"""Keys of the translator's stored objects, and what is needed of the door to all (`storage.objects`)."""

from __future__ import annotations

import re
import secrets
import uuid

from storage.errors import (
    ObjectMissing,
    StorageError,
    StorageRefused,
    StorageUnavailable,
    translated_errors,
)
from storage.objects import (
    Stash,
    open_object,
    read,
    remove,
    row_id,
    save,
    walk,
)

__all__ = [
    "GENERATORS",
    "TRANSLATIONS",
    "ObjectMissing",
    "Stash",
    "StorageError",
    "StorageRefused",
    "StorageUnavailable",
    "generator_key",
    "open_object",
    "read",
    "remove",
    "remove_attempts_before",
    "row_id",
    "save",
    "translated_errors",
    "translation_key",
    "walk",
]

TRANSLATIONS, GENERATORS = "translations", "generators"


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


def remove_attempts_before(translation_id: uuid.UUID, attempt: int) -> None:
    """Delete what earlier attempts of a translation left when their worker was killed."""
    name = translation_id.hex
    fence = re.compile(rf"{name}-a(\d+)-")
    folder = f"{TRANSLATIONS}/{name[:2]}"
    found = ((key, fence.match(key.removeprefix(f"{folder}/"))) for key in walk(folder))
    remove([key for key, earlier in found if earlier and int(earlier[1]) < attempt])
