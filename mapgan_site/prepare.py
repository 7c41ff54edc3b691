"""Everything between an installed clone and a site that can start. Safe to run at every start."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection, transaction

from mapgan_site.doctor.services import DATABASE_FULL, DATABASE_SILENT, database_words
from storage.errors import StorageUnavailable

ADMIN = "admin"
AGAIN_SECONDS = 2.0

Say = Callable[[str], None]


def prepare(say: Say) -> str | None:
    """Make folders, tables, static files, the admin and the bundled generators.

    A database or storage that is away is waited for, for MAPGAN_PREPARE_WAIT_SECONDS.

    Returns:
        The admin's password when the admin was made just now, else None. It is kept nowhere.
    """
    until = time.monotonic() + settings.PREPARE_WAIT_SECONDS
    _make_folders()
    say("Bringing the database up to date")
    _patiently(lambda: call_command("migrate", interactive=False, verbosity=0), say, until=until)
    if not settings.STATIC_COLLECTED and _static_files_changed():
        say("Collecting static files")
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        _static_stamp().write_text(_static_digest())
    password = _make_admin()
    say("Loading the bundled generators")
    _patiently(lambda: call_command("load_bundled", verbosity=0), say, until=until)
    return password


def _patiently(step: Callable[[], object], say: Say, *, until: float) -> None:
    """Do it again while a server that it needs is away."""
    said = ""
    while True:
        try:
            step()
        except (OperationalError, CommandError) as error:
            words = _away(error)
            if not words or time.monotonic() > until:
                raise
            if words != said:
                say(f"{words} Waiting for it")
                said = words
            connection.close()
            time.sleep(AGAIN_SECONDS)
        else:
            return


def _away(error: Exception) -> str:
    """What does not answer; empty for what is wrong in another way, which waiting does not mend."""
    if isinstance(error, OperationalError):
        words, _ = database_words(error)
        return words if words in (DATABASE_SILENT, DATABASE_FULL) else ""
    return str(error.__cause__) if isinstance(error.__cause__, StorageUnavailable) else ""


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
