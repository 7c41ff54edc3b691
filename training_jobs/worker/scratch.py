"""A worker's local disk: one folder an attempt, and the datasets it was asked for lately."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings

from jobs.errors import JobFailed
from jobs.models import Job
from jobs.runner import Attempt
from training_jobs.models import DatasetVersion
from training_jobs.objects import join_objects
from translator.storage import ObjectMissing, read

KEPT_DATASETS = 3
PART_SUFFIX = ".part"
STALE = 3600.0  # seconds without a byte, after which nobody brings it any more
DISK_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})


@contextlib.contextmanager
def scratch(job: Job, attempt: Attempt) -> Iterator[Path]:
    """A folder of this attempt's own, removed at the end.

    Raises:
        JobFailed: the disk is full.
    """
    name = f"{job._meta.model_name}-{job.pk.hex}-a"
    folder: Path = settings.TRAINING_WORK_DIR / f"{name}{attempt.number}"
    for left in folder.parent.glob(f"{name}*"):  # by an attempt that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        with disk_errors():
            folder.mkdir(parents=True)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """A disk that does not take what has to be written there is a failure in plain words."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRNOS:
            raise
        raise no_room(repr(error)) from error


def no_room(details: str) -> JobFailed:
    """What a person is told of it, who does not know the machine; ``details`` name the file."""
    message = (
        "The worker's disk is full or cannot be written. Tell the operator of this site "
        "(MAPGAN_WORK_DIR), then try again: what is stored is kept."
    )
    return JobFailed("no_room", message, details=details)


def dataset_file(version: DatasetVersion, on_share: Callable[[float], None]) -> Path:
    """The version's archive on the local disk; kept for the next run on it.

    Raises:
        JobFailed: it is no longer stored, or not what it was.
        StorageError: the storage cannot be reached.
    """
    folder: Path = settings.TRAINING_WORK_DIR / "datasets"
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "".join(Path(version.archive).suffixes)
    path = folder / f"{version.archive_sha256}{suffix}"
    size = version.archive_bytes or 0
    if path.exists() and path.stat().st_size == size:
        os.utime(path)
        return path
    # Containers that share the folder have equal process numbers.
    part = folder / f".{version.archive_sha256}-{uuid.uuid4().hex}{PART_SUFFIX}"
    try:
        _, digest = join_objects([version.archive], part, lambda done: on_share(done / max(size, 1)))
        if digest != version.archive_sha256:
            message = "The stored dataset is damaged. Bring its pictures again as a new version."
            raise JobFailed("dataset_damaged", message, details=version.archive)
        part.replace(path)
    except ObjectMissing as error:
        message = "The dataset's pictures are no longer stored."
        raise JobFailed("dataset_missing", message, details=version.archive) from error
    finally:
        part.unlink(missing_ok=True)
    _forget_old(folder)
    return path


def split_file(version: DatasetVersion, folder: Path) -> Path | None:
    """The version's own split, for ``mapgan train --split``; None where each run makes its own.

    Raises:
        JobFailed: it is no longer stored.
        StorageError: the storage cannot be reached.
    """
    if not version.split:
        return None
    path = folder / "given-split.json"
    try:
        path.write_bytes(read(version.split))
    except ObjectMissing as error:
        message = "The dataset's split is no longer stored."
        raise JobFailed("dataset_missing", message, details=version.split) from error
    return path


def _forget_old(folder: Path) -> None:
    """Remove datasets that nobody asked for lately, and what a killed worker left of one."""
    used: dict[Path, float] = {}
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another worker's, finished at this moment
            used[path] = path.stat().st_mtime
    whole = sorted((path for path in used if path.suffix != PART_SUFFIX), key=used.__getitem__, reverse=True)
    left = [path for path, at in used.items() if path.suffix == PART_SUFFIX and at < time.time() - STALE]
    for path in (*whole[KEPT_DATASETS:], *left):
        path.unlink(missing_ok=True)
