"""A version's pictures on the worker's disk, as one file, from wherever they are."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.conf import settings

from jobs.errors import JobFailed, LeaseLost, WorkerStopping
from jobs.models import ACTIVE_STATES
from jobs.runner import Attempt
from storage.objects import BLOCK, join_objects
from training_jobs.models import DatasetSource, DatasetVersion
from training_jobs.services import DatasetRefused, allowed_folder, allowed_s3
from training_jobs.worker.packing import Member, MemberChanged, Packing
from training_jobs.worker.s3 import pack_prefix
from translator.storage import ObjectMissing, StorageUnavailable

IMPORTS: Final = "imports"
GONE: Final = "The uploaded file was removed. Please upload it again."


@contextlib.contextmanager
def brought(job: DatasetVersion, folder: Path, attempt: Attempt, share: float) -> Iterator[Path]:
    """The pictures as a local file, while the context lasts.

    Args:
        folder: of this attempt.
        share: of the attempt's bar that bringing them takes.

    Raises:
        JobFailed: they cannot be had; the message says why.
        StorageUnavailable: worth another attempt.
    """
    if job.source == DatasetSource.S3:
        with _import_folder(job) as kept:
            yield _pack_s3(job, kept, attempt, share)
    elif job.source == DatasetSource.FOLDER:
        yield _pack_folder(job, folder, attempt, share)
    elif job.source == DatasetSource.VERSION:
        yield _again(job, folder, attempt, share)
    else:
        yield _join_upload(job, folder, attempt, share)


def _join_upload(job: DatasetVersion, folder: Path, attempt: Attempt, share: float) -> Path:
    if job.upload is None:
        raise JobFailed("upload_gone", GONE)
    path = folder / f"pictures{_suffix(job.location)}"
    size = job.upload.size
    keys = list(job.upload.chunks.values_list("key", flat=True))
    try:
        written, _ = join_objects(keys, path, lambda done: attempt.report(share * done / max(size, 1)))
    except ObjectMissing as error:
        raise JobFailed("upload_gone", "A part of the upload is missing. Please upload it again.") from error
    if written != size:
        raise JobFailed("upload_damaged", "The upload is not whole. Please upload it again.")
    return path


def _again(job: DatasetVersion, folder: Path, attempt: Attempt, share: float) -> Path:
    """Another version's pictures, byte for byte."""
    other = job.taken_from
    if other is None or not other.archive:
        raise JobFailed("version_gone", "The version whose pictures were wanted was deleted.")
    path = folder / f"pictures{''.join(Path(other.archive).suffixes)}"
    size = other.archive_bytes or 0
    try:
        _, digest = join_objects(
            [other.archive], path, lambda done: attempt.report(share * done / max(size, 1))
        )
    except ObjectMissing as error:
        raise JobFailed("version_gone", f"The pictures of {other} are no longer stored.") from error
    if digest != other.archive_sha256:
        raise JobFailed("dataset_damaged", f"The stored pictures of {other} are damaged.")
    return path


def _pack_folder(job: DatasetVersion, folder: Path, attempt: Attempt, share: float) -> Path:
    """A server folder as a tar: what was examined will be trained on, whatever happens to the folder."""
    try:
        root = allowed_folder(job.location)  # asked again: this machine is not the web's
    except DatasetRefused as error:
        raise JobFailed("no_folder", "The worker does not find this folder.", details=str(error)) from error
    files = sorted(each for each in root.rglob("*") if each.is_file() and not each.is_symlink())
    members = [Member(str(each.relative_to(root)), each.stat().st_size) for each in files]
    total = sum(member.size for member in members)
    if total > settings.DATASET_MAX_BYTES:
        limit = settings.DATASET_MAX_BYTES / 1e9
        message = f"The folder has {total / 1e9:.2f} GB; at most {limit:g} GB are accepted."
        raise JobFailed("too_large", message)
    done = 0
    with Packing(folder) as packing:
        for path, member in zip(files, members, strict=True):
            try:
                packing.add(member, _blocks(path))
            except (MemberChanged, FileNotFoundError) as error:
                message = f"{member.name} changed while it was copied. Import the folder again."
                raise JobFailed("folder_changed", message) from error
            except PermissionError as error:
                message = f"The worker may not read {member.name}."
                raise JobFailed("no_folder", message, details=repr(error)) from error
            done += member.size
            attempt.report(share * done / max(total, 1))
        return packing.finish()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _pack_s3(job: DatasetVersion, folder: Path, attempt: Attempt, share: float) -> Path:
    try:
        place = allowed_s3(job.location)  # asked again: settings change
    except DatasetRefused as error:
        message = "This prefix is not among those that the worker may import from."
        raise JobFailed("s3_refused", message, details=str(error)) from error
    with Packing(folder) as packing:
        pack_prefix(place, packing, attempt, share)
        return packing.finish()


@contextlib.contextmanager
def _import_folder(job: DatasetVersion) -> Iterator[Path]:
    """A folder of this version's own, which outlives an attempt that another one follows."""
    imports: Path = settings.TRAINING_WORK_DIR / IMPORTS
    folder = imports / job.pk.hex
    _forget_others(imports, keep=folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except (WorkerStopping, LeaseLost, StorageUnavailable):
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)


def _forget_others(imports: Path, *, keep: Path) -> None:
    """Remove what belongs to no version that is still to be examined."""
    waiting = DatasetVersion.objects.filter(state__in=ACTIVE_STATES).values_list("pk", flat=True)
    names = {pk.hex for pk in waiting}
    for folder in imports.iterdir() if imports.is_dir() else ():
        if folder != keep and folder.name not in names:
            shutil.rmtree(folder, ignore_errors=True)


def _suffix(name: str) -> str:
    """The suffix that says how an archive is packed, for the library to look at."""
    return "".join(Path(name).suffixes[-2:]) if ".tar" in name.lower() else Path(name).suffix
