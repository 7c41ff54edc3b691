"""The app's configuration."""

from django.apps import AppConfig


class TranslatorConfig(AppConfig):
    """translator"""

    name = "translator"
