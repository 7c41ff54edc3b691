"""The WSGI entry point for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mapgan_site.settings")

application = get_wsgi_application()

from mapgan_site.startup import announce  # noqa: E402 - it needs the settings

announce()
