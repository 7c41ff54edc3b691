"""The Celery application: it carries ids of jobs, the database keeps the jobs."""

import os

from celery import Celery

from mapgan_site import logs  # noqa: F401 - before Celery would set up its own

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mapgan_site.settings")

app = Celery("mapgan")
# celery.current_app is local to the importing thread; gunicorn's request threads need this one too
app.set_default()
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
