"""The app's configuration."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import pre_migrate


class MapganSiteConfig(AppConfig):
    """mapgan_site"""

    name = "mapgan_site"

    def ready(self) -> None:
        """Register the system checks and the signals of Celery processes."""
        from mapgan_site import checks, presence, startup, workforce  # noqa: F401

        pre_migrate.connect(_no_time_limit, dispatch_uid="mapgan_site.no_time_limit")


def _no_time_limit(using: str, **_: Any) -> None:
    """A migration may take as long as it takes: for this connection the server's limits are off."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
