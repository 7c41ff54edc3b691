"""The app's configuration."""

from django.apps import AppConfig


class MapganSiteConfig(AppConfig):
    """mapgan_site"""

    name = "mapgan_site"

    def ready(self) -> None:
        """Register the system checks and the signals of Celery processes."""
        from mapgan_site import checks, presence, startup, workforce  # noqa: F401
