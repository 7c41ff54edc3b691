"""Writes on datasets, their versions and uploads."""

from training_jobs.services.datasets import (
    About,
    DatasetInUse,
    Source,
    SplitChoice,
    dataset_create,
    dataset_delete,
    dataset_update,
    version_cancel,
    version_create,
    version_delete,
    version_retry,
)
from training_jobs.services.sources import DatasetRefused, allowed_folder, allowed_s3, s3_places
from training_jobs.services.uploads import (
    UploadConflict,
    UploadRefused,
    upload_append,
    upload_begin,
    upload_discard,
    uploads_sweep,
)

__all__ = [
    "About",
    "DatasetInUse",
    "DatasetRefused",
    "Source",
    "SplitChoice",
    "UploadConflict",
    "UploadRefused",
    "allowed_folder",
    "allowed_s3",
    "dataset_create",
    "dataset_delete",
    "dataset_update",
    "s3_places",
    "upload_append",
    "upload_begin",
    "upload_discard",
    "uploads_sweep",
    "version_cancel",
    "version_create",
    "version_delete",
    "version_retry",
]
