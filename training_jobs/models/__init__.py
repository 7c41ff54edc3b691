"""Rows of training: uploads, datasets and their versions."""

from training_jobs.models.datasets import Dataset, DatasetSource, DatasetVersion, Side
from training_jobs.models.uploads import Upload, UploadChunk

__all__ = ["Dataset", "DatasetSource", "DatasetVersion", "Side", "Upload", "UploadChunk"]
