"""Writes on datasets and their versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Max, ProtectedError

from accounts.models import User
from jobs.models import JobState
from jobs.services import job_cancel, job_enqueue, job_retry
from training_jobs.models import Dataset, DatasetSource, DatasetVersion, Side, SplitKind, Upload
from training_jobs.selectors import Users, upload_is_taken, versions_users
from training_jobs.services.audit import log_changed, log_deleted, log_made, size_in_words
from training_jobs.services.sources import DatasetRefused, allowed_folder, allowed_s3
from translator.services import objects_release

NAMED_USERS: Final = 5
LARGEST_SEED: Final = 2**31 - 1
LOCATION_LIMIT: Final = 300  # characters


class DatasetInUse(DatasetRefused):
    """It cannot be deleted, because something needs it.

    Attributes:
        users: what needs it, as `training_jobs.selectors.versions_users` finds it.
    """

    def __init__(self, what: str, users: Users) -> None:
        super().__init__(f"This {what} is in use by {_named(users)}. Delete what uses it first.")
        self.users = users


@dataclass(frozen=True, kw_only=True)
class SplitChoice:
    """How the pictures are divided; see `SplitKind`. Shares and seed are of the doctor's own split."""

    kind: str = SplitKind.KEPT
    share: float = 0.1
    test_share: float = 0.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a version's pictures come from, one of four, and how they are taken.

    Attributes:
        upload: a complete one.
        folder: inside the configured roots.
        s3: ``s3://bucket/prefix`` inside the configured ones.
        version: another version of the same dataset, whose pictures are examined anew.
    """

    upload: Upload | None = None
    folder: str = ""
    s3: str = ""
    version: DatasetVersion | None = None
    a_side: str = Side.LEFT
    split: SplitChoice = SplitChoice()


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
            log_made(dataset, by, "Brought.")
            return version_create(dataset=dataset, by=by, source=source)
    except IntegrityError as error:
        if not Dataset.objects.filter(name=about.name).exists():
            raise
        raise DatasetRefused("There is a dataset of this name. Choose another one.", field="name") from error


def dataset_update(*, dataset: Dataset, by: User, about: About) -> None:
    """Change what is said of it; its pictures stay.

    Raises:
        DatasetRefused: the name is taken.
    """
    try:
        with transaction.atomic():
            before = Dataset.objects.filter(pk=dataset.pk).values(*vars(about)).first() or {}
            Dataset.objects.filter(pk=dataset.pk).update(**vars(about))
            changed = [name for name, value in vars(about).items() if before.get(name) != value]
            if changed:
                log_changed(dataset, by, f"Changed: {', '.join(changed).replace('_', ' ')}.")
    except IntegrityError as error:
        raise DatasetRefused("There is a dataset of this name. Choose another one.", field="name") from error
    dataset.refresh_from_db()


def dataset_delete(*, dataset: Dataset, by: User) -> None:
    """Delete it with all versions and their files. A worker that examines one notices at its heartbeat.

    Raises:
        DatasetInUse: runs or publications need it.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().filter(pk=dataset.pk).first()
        versions = list(DatasetVersion.objects.select_for_update().filter(dataset=dataset))
        _delete("dataset", versions, dataset, by)


def version_delete(*, version: DatasetVersion, by: User) -> None:
    """Delete one version with its files; its number is not given again.

    Raises:
        DatasetInUse: runs or publications need it.
        DatasetRefused: it is the only one.
    """
    with transaction.atomic():
        Dataset.objects.select_for_update().filter(pk=version.dataset_id).first()
        if not DatasetVersion.objects.filter(dataset=version.dataset_id).exclude(pk=version.pk).exists():
            raise DatasetRefused("This is the only version. Delete the dataset instead.")
        locked = list(DatasetVersion.objects.select_for_update().filter(pk=version.pk))
        _delete("version", locked, version, by)


def _delete(what: str, versions: list[DatasetVersion], row: Dataset | DatasetVersion, by: User) -> None:
    """Delete a row with these versions' uploads and files, once the transaction holds."""
    users = versions_users(versions)
    if users:
        raise DatasetInUse(what, users)
    uploads = Upload.objects.filter(pk__in=[version.upload_id for version in versions])
    keys = [key for version in versions for key in version.storage_keys]
    keys += [key for upload in uploads for key in upload.chunks.values_list("key", flat=True)]
    uploads.delete()
    size = size_in_words(sum(version.archive_bytes or 0 for version in versions))
    log_deleted(row, by, f"{len(versions):,} version{'' if len(versions) == 1 else 's'} of {size}.")
    try:
        row.delete()
    except ProtectedError as error:  # a run that was started in this moment
        rows = sorted(error.protected_objects, key=str)
        raise DatasetInUse(what, Users(rows, len(rows))) from error
    objects_release(keys=keys)


def _named(users: Users) -> str:
    """The first few of them, in words."""
    shown = ", ".join(f"{user._meta.verbose_name} {user}" for user in users.rows[:NAMED_USERS])
    more = users.count - NAMED_USERS
    return f"{shown} and {more:,} more" if more > 0 else shown


def version_create(*, dataset: Dataset, by: User, source: Source) -> DatasetVersion:
    """The next version of a dataset, queued to be examined.

    Raises:
        DatasetRefused: the upload is not complete or not this person's, no such folder or prefix is
            allowed, or the split's figures make no sense.
    """
    row = DatasetVersion(dataset=dataset, created_by=by, a_side=source.a_side)
    if source.a_side not in Side.values:
        raise DatasetRefused("Choose the left or the right half.", field="a_side")
    _set_split(row, source.split)
    with transaction.atomic():
        # two versions at once need two numbers, and one that was deleted is not given again
        locked = Dataset.objects.select_for_update().get(pk=dataset.pk)
        _set_source(row, source, by)
        newest = dataset.versions.aggregate(last=Max("number"))["last"] or 0
        row.number = locked.last_number = max(newest, locked.last_number) + 1
        locked.save(update_fields=["last_number"])
        row.save(force_insert=True)
        log_made(row, by, f"{row.get_source_display()}: {row.location}.")
        job_enqueue(job=row)
    return row


def version_cancel(*, version: DatasetVersion, by: User) -> bool:
    """Stop its examination. False when it had finished already."""
    changed = job_cancel(job=version)
    if changed:
        log_changed(version, by, "Stopped its examination.")
    return changed


def version_retry(*, version: DatasetVersion, by: User) -> bool:
    """Examine a failed or cancelled one again. False in any other state, or when its upload is gone."""
    changed = version.has_source and job_retry(job=version)
    if changed:
        log_changed(version, by, "Asked to examine it again.")
    return changed


def _set_source(row: DatasetVersion, source: Source, by: User) -> None:
    """Which pictures the row is about. Its dataset is locked: nobody deletes another version meanwhile."""
    if source.upload is not None:
        upload = _checked_upload(source.upload, by)
        row.source, row.upload, row.location = DatasetSource.UPLOAD, upload, upload.filename
    elif source.version is not None:
        ready = DatasetVersion.objects.filter(dataset=row.dataset, state=JobState.SUCCEEDED)
        if not ready.filter(pk=source.version.pk).exists():
            raise DatasetRefused("Choose a version of this dataset that is ready.", field="version")
        row.source, row.taken_from = DatasetSource.VERSION, source.version
        row.location = source.version.location
    elif source.s3:
        row.source, row.location = DatasetSource.S3, str(allowed_s3(source.s3))
    else:
        row.source, row.location = DatasetSource.FOLDER, str(allowed_folder(source.folder))
    if len(row.location) > LOCATION_LIMIT:
        raise DatasetRefused("This name is too long.", field=row.source)


def _set_split(row: DatasetVersion, split: SplitChoice) -> None:
    """How its pictures are divided."""
    if split.kind not in SplitKind.values:
        raise DatasetRefused("Choose one of the ways to divide the pictures.", field="split_kind")
    if not 0 < split.share < 1:
        raise DatasetRefused("The share must lie between 0 and 1.", field="split_share")
    if not 0 <= split.test_share < 1 - split.share:
        message = "Validation and test must leave some of the pictures to learn from."
        raise DatasetRefused(message, field="split_test_share")
    if not 0 <= split.seed <= LARGEST_SEED:
        raise DatasetRefused(f"The seed must lie between 0 and {LARGEST_SEED:,}.", field="split_seed")
    row.split_kind, row.split_share = split.kind, split.share
    row.split_test_share, row.split_seed = split.test_share, split.seed


def _checked_upload(named: Upload, by: User) -> Upload:
    """The upload as it is now, and locked: it becomes one version, and nobody gives it up meanwhile."""
    if named.owner_id != by.pk:
        raise DatasetRefused("This upload is not yours.", field="upload")
    upload = Upload.objects.select_for_update().filter(pk=named.pk).first()
    if upload is None:
        message = "This upload is not there any more. Please choose the file again."
        raise DatasetRefused(message, field="upload")
    if not upload.is_complete:
        raise DatasetRefused("The upload is not complete yet.", field="upload")
    if upload_is_taken(upload):
        raise DatasetRefused("This upload is a dataset already.", field="upload")
    return upload
