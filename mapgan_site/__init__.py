"""Settings, URLs, the Celery app, storages, system checks, health."""

from mapgan_site.celery import app as celery_app

__all__ = ["celery_app"]
