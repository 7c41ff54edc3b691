"""The app's configuration."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """accounts"""

    name = "accounts"
