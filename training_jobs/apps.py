"""The app's configuration."""

from django.apps import AppConfig


class TrainingJobsConfig(AppConfig):
    """training_jobs, with a label short enough for the names of its jobs' indexes (30 characters)."""

    name = "training_jobs"
    label = "training"

    def ready(self) -> None:
        """Have the hourly sweep look after our stored objects, and notifications tell of our runs."""
        from training_jobs import news
        from training_jobs.models import Checkpoint, DatasetVersion, TrainingRun, UploadChunk
        from training_jobs.objects import CHECKPOINTS, DATASETS, RUNS, UPLOADS
        from translator.services import orphans_watch

        news.register()
        orphans_watch(UPLOADS, UploadChunk, ("key",))
        orphans_watch(DATASETS, DatasetVersion, DatasetVersion.KEY_COLUMNS)
        orphans_watch(CHECKPOINTS, Checkpoint, ("files",))
        # a run's samples and time-lapses are named by rows of their own
        drawn = ("checkpoints__sheets", "checkpoints__thumbnails", "timelapses__file")
        orphans_watch(RUNS, TrainingRun, ("files", *drawn))
