"""The app's configuration."""

from django.apps import AppConfig


class TrainingJobsConfig(AppConfig):
    """training_jobs"""

    name = "training_jobs"
