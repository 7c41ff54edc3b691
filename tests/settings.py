"""Settings of the test run: the product's own, without the developer's environment.

`MAPGAN_TEST_DATABASE_URL` (set by scripts/with_postgres.py) runs the same tests on PostgreSQL.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_database_url = os.environ.pop("MAPGAN_TEST_DATABASE_URL", "")
_ours = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "HOST", "PORT")
for _name in list(os.environ):
    if _name.startswith("MAPGAN_") or _name.removesuffix("_FILE") in _ours:
        del os.environ[_name]
_folder = Path(tempfile.mkdtemp(prefix="mapgan-test-"))
(_folder / "static").mkdir()
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
# Playwright keeps an event loop in the main thread; Django would take its presence for async code.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
os.environ |= {"MAPGAN_ENV_FILE": "", "MAPGAN_VAR_DIR": str(_folder), "MAPGAN_LOG_LEVEL": "WARNING"}
if _database_url:
    os.environ["DATABASE_URL"] = _database_url

from mapgan_site.settings import *  # noqa: E402, F403
from mapgan_site.settings import DATABASES, INSTALLED_APPS, STORAGES  # noqa: E402

INSTALLED_APPS.append("tests.jobs.apps.ChoresConfig")
if not _database_url:
    # A file, not memory: threads of one test then get real connections and real locks.
    DATABASES["default"]["TEST"] = {"NAME": _folder / "test.sqlite3"}
DATABASES["default"]["CONN_MAX_AGE"] = 0
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # strong ones are slow by design
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Nobody listens here: a test that needs a broker asks for the `broker` fixture.
