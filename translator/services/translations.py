"""Writes on translations.

Existing rows are changed column by column, by UPDATE: `save` would overwrite a worker's fenced writes.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import IO, Any

from django.core.exceptions import PermissionDenied
from django.core.files.base import File
from django.db import IntegrityError, OperationalError, transaction

from accounts.models import User
from jobs.services import job_cancel, job_enqueue, job_retry
from translator.models import Generator, Translation, Visibility
from translator.selectors import generators_offered
from translator.services.leftovers import objects_release
from translator.services.uploads import Picture, UploadRejected, display_name, read_capped, read_picture
from translator.storage import Stash, StorageUnavailable, translation_key

SEEDS = 2**31  # what a 32-bit signed column holds


@dataclass(frozen=True)
class _Request:
    """What a repetition of the same request is known by.

    Attributes:
        key: the client's; empty when it sent none.
        digest: of what was asked under it.
    """

    owner: User
    key: str
    digest: str

    def earlier(self) -> Translation | None:
        """What it was answered with before.

        Raises:
            UploadRejected: the key was used for another request.
        """
        if not self.key:
            return None
        rows = Translation.objects.select_related("generator")
        row = rows.filter(owner=self.owner, idempotency_key=self.key).first()
        # Rows older than the digest have none.
        if row is not None and row.idempotency_digest not in {"", self.digest}:
            raise UploadRejected(
                "idempotency_key_reused",
                "This key belongs to another request. Use a new one for each.",
                field="Idempotency-Key",
            )
        return row


def translation_submit(
    *,
    owner: User,
    generator: Generator,
    data: bytes | IO[bytes] | File[Any],
    filename: str = "",
    visibility: str = Visibility.PRIVATE,
    seed: int | None = None,
    idempotency_key: str = "",
) -> Translation:
    """Accept a picture and queue its translation.

    Either the row and its two objects exist afterwards, or none of them. A broker that is down changes
    nothing: the row waits and is published when the broker is back.

    Args:
        data: the upload; an open file is read only as far as the limit.
        seed: of the generator's noise; drawn when None.
        idempotency_key: the same request of one owner under the same key returns the first's row.

    Raises:
        UploadRejected: the picture, generator or visibility is not acceptable, or the key was another's.
        StorageError: the storage or the database cannot take it.
    """
    if visibility not in Visibility.values:
        raise UploadRejected("invalid_choice", "Choose private or public.", field="visibility")
    content = read_capped(data)
    request = _Request(owner, idempotency_key, _digest(generator, visibility, seed, content))
    earlier = request.earlier()  # before anything that may have changed since, such as what is on offer
    if earlier is not None:
        return earlier
    if not generators_offered(owner).filter(pk=generator.pk).exists():
        raise UploadRejected("does_not_exist", "There is no such generator on offer.", field="generator")
    picture = read_picture(content)
    row = Translation(
        owner=owner,
        generator=generator,
        visibility=visibility,
        filename=display_name(filename),
        seed=secrets.randbelow(SEEDS) if seed is None else seed,
        idempotency_key=request.key,
        idempotency_digest=request.digest if request.key else "",
        **picture.facts,
    )
    return _unless_submitted(row, picture, request)


def _unless_submitted(row: Translation, picture: Picture, request: _Request) -> Translation:
    """The row, stored; or the one that the same request made at the same time."""
    try:
        _store_and_insert(row, picture)
    except IntegrityError:  # the same key, submitted twice at the same time
        earlier = request.earlier()
        if earlier is None:
            raise
        return earlier
    except OperationalError as error:  # SQLite says so when the disk is full
        raise StorageUnavailable from error
    return row


def _digest(generator: Generator, visibility: str, seed: int | None, content: bytes) -> str:
    asked = f"{generator.pk}\n{visibility}\n{'' if seed is None else seed}\n"
    return hashlib.sha256(asked.encode() + content).hexdigest()


def _store_and_insert(row: Translation, picture: Picture) -> None:
    with Stash() as stash:
        row.original = stash.save(translation_key(row.pk, "original", "png"), picture.png)
        row.original_thumbnail = stash.save(translation_key(row.pk, "thumbnail", "webp"), picture.thumbnail)
        with transaction.atomic():
            row.save(force_insert=True)
            # First of the callbacks: once committed, an error in a later one must not remove the objects.
            transaction.on_commit(stash.keep)
            job_enqueue(job=row)


def translation_cancel(*, translation: Translation) -> bool:
    """Stop it. False when it had finished already."""
    return job_cancel(job=translation)


def translation_retry(*, translation: Translation) -> bool:
    """Queue a failed or cancelled one again, with the same seed. False when it is in any other state."""
    return job_retry(job=translation)


def translation_set_visibility(*, translation: Translation, visibility: str, by: User) -> None:
    """Share it or hide it. Staff may hide what is not theirs, but never publish it.

    Raises:
        UploadRejected: no such visibility.
        PermissionDenied: another's picture cannot be published.
    """
    if visibility not in Visibility.values:
        raise UploadRejected("invalid_choice", "Choose private or public.", field="visibility")
    if visibility == Visibility.PUBLIC and translation.owner_id != by.pk:
        raise PermissionDenied("Only its owner can publish it.")
    Translation.objects.filter(pk=translation.pk).update(visibility=visibility)
    translation.visibility = visibility


def translation_delete(*, translation: Translation) -> None:
    """Delete it in any state, with its files.

    A running one needs no waiting: with the row goes the lease, so the worker stops at its next heartbeat,
    and what it stored meanwhile it removes itself because its final UPDATE finds no row.
    """
    with transaction.atomic():
        # Locked, so that a result that is written this very moment is either seen here or refused there.
        row = Translation.objects.select_for_update().filter(pk=translation.pk).first()
        if row is None:
            return
        row.delete()
        objects_release(keys=row.storage_keys)
