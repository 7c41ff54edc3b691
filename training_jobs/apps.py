"""The app's configuration."""

from django.apps import AppConfig


class TrainingJobsConfig(AppConfig):
    """training_jobs, with a label short enough for the names of its jobs' indexes (30 characters)."""

    name = "training_jobs"
    label = "training"

    def ready(self) -> None:
        """Have the hourly sweep look after our stored objects, too."""
        from training_jobs.models import DatasetVersion, UploadChunk
        from training_jobs.objects import DATASETS, UPLOADS
        from translator.services import orphans_watch

        orphans_watch(UPLOADS, UploadChunk, ("key",))
        columns = ("archive", "report", "sheet_a", "sheet_b", "sheet_problems")
        orphans_watch(DATASETS, DatasetVersion, columns)
