"""The app's configuration."""

from django.apps import AppConfig


class TrainingJobsConfig(AppConfig):
    """training_jobs, with a label short enough for the names of its jobs' indexes (30 characters)."""

    name = "training_jobs"
    label = "training"
