"""Removing stored objects that no row refers to: what a crash between storing and writing the row leaves."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import models
from django.utils import timezone

from storage.errors import ObjectMissing
from storage.objects import abort_stale_uploads, modified_at, remove, row_id, walk
from storage.s3 import INCOMING
from translator.models import Generator, Translation
from translator.services.leftovers import leftovers_remove
from translator.storage import GENERATORS, TRANSLATIONS

logger = logging.getLogger(__name__)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BATCH = 500  # ids in one query
HANDFUL = 10  # what crashes leave in a small site, without being suspicious
SHARE = 10  # in a larger one: a tenth of what is in use

TOO_MANY = (
    "%d of %d objects under %s/ belong to no row of this database: nothing was deleted there. They may be "
    "another site's, or this may be the wrong database. If they are what crashes left (a fresh site has "
    "nothing else yet), run `manage.py sweep_orphans --force`."
)

REFERENCES: list[tuple[str, type[models.Model], tuple[str, ...]]] = [
    (TRANSLATIONS, Translation, ("original", "original_thumbnail", "result", "result_thumbnail")),
    (GENERATORS, Generator, ("file", "sample_input", "sample_output")),
]
"""Folder, the model whose rows its objects were made for, and the columns that name them."""


def orphans_watch(folder: str, model: type[models.Model], columns: tuple[str, ...]) -> None:
    """Sweep another app's folder as well; called when that app is ready."""
    if (folder, model, columns) not in REFERENCES:
        REFERENCES.append((folder, model, columns))


def orphans_sweep(*, older_than: timedelta = HOUR, force: bool = False) -> int:
    """Delete every object of ours that no row names and that is older than ``older_than``.

    The age spares what is being stored at this moment and has no row yet. Nothing in use at all, or more
    orphans than crashes explain, means a wrong database, or a bucket that another site shares; then nothing
    is deleted and an error is logged. (So it is too when the very first upload of a fresh site crashed.)

    Args:
        force: delete however many there are.

    Returns:
        how many were deleted.

    Raises:
        StorageError: the storage cannot be listed.
    """
    leftovers_remove()
    limit = timezone.now() - older_than
    swept = 0
    for folder, model, columns in REFERENCES:
        seen = 0
        orphans: list[str] = []
        for keys in _batches(walk(folder)):
            seen += len(keys)
            orphans += _unreferenced(keys, model, columns)
        if _is_suspicious(len(orphans), seen - len(orphans)) and not force:
            if any(_is_older(key, limit) for key in orphans):
                logger.error(TOO_MANY, len(orphans), seen, folder)
            continue
        old = [key for key in orphans if _is_older(key, limit)]
        remove(old)
        swept += len(old)
    swept += _sweep_incoming(timezone.now() - DAY)
    if swept:
        logger.info("Removed %d stored objects that no row refers to.", swept)
    return swept


def _sweep_incoming(limit: datetime) -> int:
    """Large files that began their way to S3 before then and never arrived; returns how many were whole.

    An hour would be too short: the parts of an upload that was cut off wait for the attempt that goes on.
    """
    aborted = abort_stale_uploads([INCOMING, *objects_folders()], before=limit)
    if aborted:
        logger.info("Ended %d multipart uploads that nobody went on with.", aborted)
    whole = [key for key in walk(INCOMING) if _is_older(key, limit)]
    remove(whole)
    return len(whole)


def objects_referenced() -> dict[str, str]:
    """Every key that a row names now, and the SHA-256 that a row knows of it (or an empty text)."""
    found: dict[str, str] = {}
    for folder, model, columns in REFERENCES:
        names = {field.name for field in model._meta.get_fields()}
        digests = [_digest_column(column, names) for column in columns]
        wanted = [*columns, *(digest for digest in digests if digest)]
        for row in model._default_manager.order_by().values(*wanted).iterator(chunk_size=BATCH):
            for column, digest in zip(columns, digests, strict=True):
                known = str(row[digest] or "") if digest else ""
                found |= {
                    key: sha256 or known
                    for key, sha256 in _keys_and_digests(row[column])
                    if key.startswith(f"{folder}/")
                }
    return found


def _digest_column(column: str, names: set[str]) -> str:
    """The column that holds the SHA-256 of the object which that one names; empty when there is none."""
    candidates = [f"{column}_sha256"] + (["sha256"] if column == "file" else [])
    return next((name for name in candidates if name in names), "")


def objects_folders() -> list[str]:
    """The folders that rows name objects in."""
    return [folder for folder, _, _ in REFERENCES]


def _is_suspicious(orphans: int, in_use: int) -> bool:
    return orphans > (max(HANDFUL, in_use // SHARE) if in_use else 0)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(keys)
    while batch := list(islice(iterator, BATCH)):
        yield batch


def _unreferenced(keys: list[str], model: type[models.Model], columns: tuple[str, ...]) -> list[str]:
    """Those keys that the rows they were made for do not name (any more)."""
    ids = {row_id(key) for key in keys} - {None}
    rows = model._default_manager.filter(pk__in=ids).values_list(*columns)
    referenced = {key for row in rows for value in row for key in _keys(value)}
    return [key for key in keys if key not in referenced]


def _keys(value: Any) -> Iterator[str]:
    """The keys in a column: one, or in a JSON column every text, however deep."""
    return (key for key, _ in _keys_and_digests(value))


def _keys_and_digests(value: Any) -> Iterator[tuple[str, str]]:
    """The same with the SHA-256 that stands beside a key."""
    if isinstance(value, str):
        yield value, ""
    elif isinstance(value, dict):
        if isinstance(value.get("key"), str):
            yield value["key"], str(value.get("sha256", ""))
        for name, each in value.items():
            if name != "key":
                yield from _keys_and_digests(each)
    elif isinstance(value, list):
        for each in value:
            yield from _keys_and_digests(each)


def _is_older(key: str, limit: datetime) -> bool:
    try:
        return modified_at(key) <= limit
    except ObjectMissing:  # somebody else removed it meanwhile
        return False
