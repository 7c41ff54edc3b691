"""Writes on uploads: begin, append, discard, sweep."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from training_jobs.models import DatasetVersion, Upload, UploadChunk
from training_jobs.objects import chunk_key
from training_jobs.selectors import upload_is_awaited, uploads_in_use
from translator.services import objects_release
from translator.services.uploads import display_name
from translator.storage import Stash

SUFFIXES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
CHUNK_LIMIT: Final = 16 * 2**20  # bytes of one chunk: it is held in memory
CHUNKS_LIMIT: Final = 10_000  # of one upload
AWAITED: Final = "A dataset is being made of this upload. Stop its examination first."
OPEN_LIMIT: Final = 10  # unfinished uploads of one person
KEPT: Final = timedelta(days=2)  # how long an upload that nobody finishes or uses is kept


def chunk_bytes() -> int:
    """Bytes of a chunk that is neither slow to lose nor slow to send; what our own pages send."""
    return min(CHUNK_LIMIT // 2, settings.REQUEST_MAX_BYTES)


def chunk_limit() -> int:
    """Bytes of the largest chunk that every part on the way lets through."""
    return min(CHUNK_LIMIT, settings.REQUEST_MAX_BYTES)


class UploadRefused(Exception):  # noqa: N818 - it names an outcome
    """The upload or its chunk cannot be taken; the message is for the person who sends it.

    Attributes:
        code: a stable word for programs.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UploadConflict(UploadRefused):
    """A chunk that is not the next one.

    Attributes:
        received: where the next one has to begin.
    """

    def __init__(self, received: int) -> None:
        super().__init__("conflict", f"The next chunk has to begin at byte {received}.")
        self.received = received


def upload_begin(*, owner: User, filename: str, size: int) -> Upload:
    """Announce a file.

    Args:
        size: bytes of the whole file.

    Raises:
        UploadRefused: too large, empty, no archive by its name, or too many unfinished ones.
    """
    name = display_name(filename)
    limit: int = settings.DATASET_MAX_BYTES
    if not name.lower().endswith(SUFFIXES):
        raise UploadRefused("wrong_kind", "Choose a zip or tar archive of pictures.")
    if size <= 0:
        raise UploadRefused("empty", "This file is empty.")
    if size > limit:
        raise UploadRefused(
            "too_large", f"The file has {size / 1e9:.2f} GB; at most {limit / 1e9:g} GB are accepted."
        )
    if Upload.objects.filter(owner=owner, received__lt=F("size")).count() >= OPEN_LIMIT:
        raise UploadRefused("too_many", "Finish or cancel one of your other uploads first.")
    return Upload.objects.create(owner=owner, filename=name, size=size)


def upload_append(*, upload: Upload, offset: int, data: bytes) -> int:
    """Take the next chunk; returns the bytes received so far. ``upload`` is refreshed.

    A chunk that is there already changes nothing: its sender did not hear that it had arrived. Of two equal
    chunks at the same time one is stored: whose UPDATE finds the old count wins.

    Raises:
        UploadConflict: it does not begin where the last one ended.
        UploadRefused: it is empty, too large, or goes beyond the announced size.
        StorageError: the storage cannot take it now; send it again.
    """
    if len(data) > CHUNK_LIMIT:
        raise UploadRefused("chunk_size", f"A chunk has at most {CHUNK_LIMIT} bytes.")
    if offset >= 0 and offset + len(data) <= upload.received:
        return upload.received
    if offset != upload.received:
        raise UploadConflict(upload.received)
    if offset + len(data) > upload.size:
        raise UploadRefused("too_long", "More bytes came than were announced.")
    if upload.chunks.count() >= CHUNKS_LIMIT:
        raise UploadRefused("too_many_chunks", "The chunks are too small. Begin again with larger ones.")
    chunk = UploadChunk(upload=upload, offset=offset, size=len(data))
    with Stash() as stash:
        chunk.key = stash.save(chunk_key(chunk.pk), data)
        with transaction.atomic():
            moved = Upload.objects.filter(pk=upload.pk, received=offset).update(
                received=F("received") + len(data), touched_at=timezone.now()
            )
            if not moved:
                upload.refresh_from_db()
                raise UploadConflict(upload.received)
            chunk.save(force_insert=True)
            transaction.on_commit(stash.keep)
    upload.refresh_from_db()
    return upload.received


def upload_discard(*, upload: Upload) -> bool:
    """Delete it with its chunks. False while a version that has to read it is queued or at work."""
    with transaction.atomic():
        # Versions before uploads, as whoever deletes a dataset locks them. One that is made of the upload in
        # this moment holds the upload's row, so both are looked at when the locks are there.
        list(DatasetVersion.objects.select_for_update().filter(upload=upload))
        row = Upload.objects.select_for_update().filter(pk=upload.pk).first()
        if row is None:
            return True
        if upload_is_awaited(row):
            return False
        keys = list(row.chunks.values_list("key", flat=True))
        row.delete()
        objects_release(keys=keys)
    return True


def uploads_sweep(*, older_than: timedelta = KEPT) -> int:
    """Discard what nobody touched for so long and no version waits for; returns how many."""
    forgotten = Upload.objects.filter(touched_at__lt=timezone.now() - older_than)
    return sum(upload_discard(upload=upload) for upload in forgotten.exclude(pk__in=uploads_in_use()))
