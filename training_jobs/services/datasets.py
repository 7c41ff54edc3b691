"""Writes on datasets and their versions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Max

from accounts.models import User
from jobs.services import job_cancel, job_enqueue, job_retry
from training_jobs.models import Dataset, DatasetSource, DatasetVersion, Side, Upload
from translator.storage import remove


class DatasetRefused(Exception):  # noqa: N818 - it names an outcome
    """It cannot be made or changed like this.

    Attributes:
        field: the form or API field at fault; empty when it is not one of them.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a version's pictures come from: a complete upload, or a folder inside the configured roots."""

    upload: Upload | None = None
    folder: str = ""
    a_side: str = Side.LEFT


@dataclass(frozen=True, kw_only=True)
class About:
    """What a person says of a dataset; see `training_jobs.models.Dataset`."""

    name: str
    description: str = ""
    attribution: str = ""
    licence: str = ""
    ground_resolution: float | None = None


def dataset_create(*, by: User, about: About, source: Source) -> DatasetVersion:
    """A new dataset with its first version, which a worker will examine.

    Raises:
        DatasetRefused: the name is taken, or the source cannot be used.
    """
    try:
        with transaction.atomic():
            dataset = Dataset.objects.create(created_by=by, **vars(about))
            return version_create(dataset=dataset, by=by, source=source)
    except IntegrityError as error:
        if not Dataset.objects.filter(name=about.name).exists():
            raise
        raise DatasetRefused("There is a dataset of this name. Choose another one.", field="name") from error


def dataset_update(*, dataset: Dataset, about: About) -> None:
    """Change what is said of it; its pictures stay.

    Raises:
        DatasetRefused: the name is taken.
    """
    try:
        with transaction.atomic():
            Dataset.objects.filter(pk=dataset.pk).update(**vars(about))
    except IntegrityError as error:
        raise DatasetRefused("There is a dataset of this name. Choose another one.", field="name") from error
    dataset.refresh_from_db()


def dataset_delete(*, dataset: Dataset) -> None:
    """Delete it with all versions and their files. A worker that examines one notices at its heartbeat."""
    with transaction.atomic():
        versions = list(DatasetVersion.objects.select_for_update().filter(dataset=dataset))
        uploads = Upload.objects.filter(pk__in=[version.upload_id for version in versions])
        keys = [key for version in versions for key in version.storage_keys]
        keys += [key for upload in uploads for key in upload.chunks.values_list("key", flat=True)]
        uploads.delete()
        dataset.delete()
        transaction.on_commit(partial(remove, keys))


def version_create(*, dataset: Dataset, by: User, source: Source) -> DatasetVersion:
    """The next version of a dataset, queued to be examined.

    Raises:
        DatasetRefused: the upload is not complete or not this person's, or no such folder is allowed.
    """
    row = DatasetVersion(dataset=dataset, created_by=by, a_side=source.a_side)
    if source.a_side not in Side.values:
        raise DatasetRefused("Choose the left or the right half.", field="a_side")
    if source.upload is not None:
        _check_upload(source.upload, by)
        row.source, row.upload, row.location = DatasetSource.UPLOAD, source.upload, source.upload.filename
    else:
        row.source, row.location = DatasetSource.FOLDER, str(allowed_folder(source.folder))
    with transaction.atomic():
        Dataset.objects.select_for_update().get(pk=dataset.pk)  # two versions at once need two numbers
        last = dataset.versions.aggregate(last=Max("number"))["last"]
        row.number = (last or 0) + 1
        row.save(force_insert=True)
        job_enqueue(job=row)
    return row


def version_cancel(*, version: DatasetVersion) -> bool:
    """Stop its examination. False when it had finished already."""
    return job_cancel(job=version)


def version_retry(*, version: DatasetVersion) -> bool:
    """Examine a failed or cancelled one again. False in any other state."""
    return job_retry(job=version)


def allowed_folder(text: str) -> Path:
    """The folder a person named, if it lies inside one of the configured roots.

    Raises:
        DatasetRefused: it does not, whether or not it exists: what else is there is nobody's business.
    """
    roots = [Path(root).resolve() for root in settings.DATASET_ROOTS]
    if not roots:
        raise DatasetRefused("This site takes no folders of the server; upload an archive.", field="folder")
    try:
        folder = Path(text.strip()).resolve()
    except (OSError, ValueError):  # a NUL, a loop of links
        folder = Path("/")
    inside = any(folder == root or root in folder.parents for root in roots)
    if not text.strip() or not inside or not folder.is_dir():
        names = ", ".join(map(str, roots))
        raise DatasetRefused(f"There is no such folder below {names}.", field="folder")
    return folder


def _check_upload(upload: Upload, by: User) -> None:
    if upload.owner_id != by.pk:
        raise DatasetRefused("This upload is not yours.", field="upload")
    if not upload.is_complete:
        raise DatasetRefused("The upload is not complete yet.", field="upload")
    if DatasetVersion.objects.filter(upload=upload).exists():
        raise DatasetRefused("This upload is a dataset already.", field="upload")
