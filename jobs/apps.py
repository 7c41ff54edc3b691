"""The app's configuration."""

from django.apps import AppConfig


class JobsConfig(AppConfig):
    """jobs"""

    name = "jobs"
