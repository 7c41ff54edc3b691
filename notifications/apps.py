"""The app's configuration."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """notifications"""

    name = "notifications"
