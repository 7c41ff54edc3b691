"""Writes on datasets, their versions and uploads."""

from training_jobs.services.datasets import (
    About,
    DatasetRefused,
    Source,
    allowed_folder,
    dataset_create,
    dataset_delete,
    dataset_update,
    version_cancel,
    version_create,
    version_retry,
)
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
    "DatasetRefused",
    "Source",
    "UploadConflict",
    "UploadRefused",
    "allowed_folder",
    "dataset_create",
    "dataset_delete",
    "dataset_update",
    "upload_append",
    "upload_begin",
    "upload_discard",
    "uploads_sweep",
    "version_cancel",
    "version_create",
    "version_retry",
]
