"""A worker's local disk: one folder an attempt, and the datasets it was asked for lately."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
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
        message = (
            "The worker's disk is full or cannot be written. Tell the operator of this site "
            "(MAPGAN_WORK_DIR), then try again: what is stored is kept."
        )
        raise JobFailed("no_room", message, details=repr(error)) from error


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
    part = folder / f".{version.archive_sha256}-{os.getpid()}.part"
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
    files = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[KEPT_DATASETS:]:
        path.unlink(missing_ok=True)
