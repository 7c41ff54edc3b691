"""Everything between an installed clone and a site that can start. Safe to run at every start."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.db import IntegrityError, transaction

ADMIN = "admin"

Say = Callable[[str], None]


def prepare(say: Say) -> str | None:
    """Make folders, tables, static files, the admin and the bundled generators.

    Returns:
        The admin's password when the admin was made just now, else None. It is kept nowhere.
    """
    _make_folders()
    say("Bringing the database up to date")
    call_command("migrate", interactive=False, verbosity=0)
    if not settings.STATIC_COLLECTED and _static_files_changed():
        say("Collecting static files")
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        _static_stamp().write_text(_static_digest())
    password = _make_admin()
    say("Loading the bundled generators")
    call_command("load_bundled", verbosity=0)
    return password


def _make_folders() -> None:
    settings.VAR_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.VAR_DIR.chmod(0o700)  # passwords' hashes and private pictures are in it
    folders = [settings.VAR_DIR / "log"]
    if not settings.STATIC_COLLECTED:
        folders.append(settings.STATIC_ROOT)
    if settings.STORAGE == "local":
        folders.append(settings.MEDIA_ROOT)
    for folder in folders:
        Path(folder).mkdir(parents=True, exist_ok=True)


def _make_admin() -> str | None:
    """One superuser, the first time. Somebody who renamed or deleted it has another: then none is made."""
    users = get_user_model()._default_manager
    if users.filter(is_superuser=True).exists():
        return None
    password = secrets.token_urlsafe(12)
    try:
        with transaction.atomic():
            users.create_superuser(ADMIN, "", password)
    except IntegrityError:  # a person without rights has this name
        return None
    return password


def _static_stamp() -> Path:
    return Path(settings.STATIC_ROOT) / ".source"


def _static_digest() -> str:
    """Changes when any static file of the site or of an installed app does."""
    digest = hashlib.sha256()
    for finder in finders.get_finders():
        for name, storage in finder.list(None):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _static_files_changed() -> bool:
    """Hashing and compressing every file again takes seconds; most starts need not."""
    stamp = _static_stamp()
    return not stamp.exists() or stamp.read_text() != _static_digest()
