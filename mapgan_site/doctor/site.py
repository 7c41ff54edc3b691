"""The site's own parts: its settings, its disks, who works, what can be translated with."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import DatabaseError

from jobs.models import Worker
from jobs.selectors import database_now
from mapgan_site.doctor.finding import FAIL, OK, SKIP, WARN, Finding
from mapgan_site.operations.selectors import queue_list, worker_list
from mapgan_site.workforce import BEAT
from storage.errors import StorageError
from storage.objects import blocks

ROOM_BYTES = 500_000_000  # below this, a disk counts as full
LATE_SECONDS = 900  # work that waits so long while workers live
START = "Start it: `make run`, or `python scripts/process.py {}` where it belongs."
UNKNOWN = "Not known without the database."


def configuration() -> Iterator[Finding]:
    """What settings allow that a public site should not."""
    if not settings.PRODUCTION:
        words = "MAPGAN_ENV is local: for a laptop, without HTTPS."
        yield Finding("settings", OK, words)
        return
    if settings.DEBUG:
        yield Finding("settings", FAIL, "Error pages show the source code.", "Set MAPGAN_DEBUG=false.")
    if "*" in settings.ALLOWED_HOSTS:
        advice = "Name the site's hosts in MAPGAN_ALLOWED_HOSTS."
        yield Finding("settings", WARN, "The site answers under any name.", advice)
    if "@localhost" in settings.DEFAULT_FROM_EMAIL:
        yield Finding("settings", WARN, "Mail comes from nobody's address.", "Set MAPGAN_EMAIL_FROM.")
    if not settings.HTTPS:
        yield Finding("settings", WARN, "Passwords travel without HTTPS.", "Set MAPGAN_HTTPS=true.")
    elif not settings.TRUSTED_PROXIES:
        advice = "Set MAPGAN_TRUSTED_PROXIES to the number of proxies of yours in front."
        yield Finding(
            "settings", WARN, "No proxy is trusted, so every request looks like plain HTTP.", advice
        )
    named = [
        each for each in checks.run_checks(include_deployment_checks=True) if each.id and _counts(each.id)
    ]
    for each in named:
        yield Finding("settings", WARN, str(each.msg), str(each.hint or "See `manage.py check --deploy`."))
    if not named and not settings.DEBUG:
        yield Finding("settings", OK, "`check --deploy` has no complaint.")


def _counts(number: str) -> bool:
    """Services are looked at by the doctor itself."""
    return number.startswith(("security.", "mapgan.E")) and number != "security.W018"  # DEBUG: said above


def disks() -> Iterator[Finding]:
    """There is room, and it can be written to."""
    folders = {"MAPGAN_VAR_DIR": Path(settings.VAR_DIR), "MAPGAN_WORK_DIR": Path(settings.TRAINING_WORK_DIR)}
    for setting, folder in folders.items():
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            advice = f"Look at the owner and the rights of {setting}."
            yield Finding("disk", FAIL, f"The folder of {setting} cannot be written to.", advice)
            continue
        status = os.statvfs(existing)
        free = status.f_bavail * status.f_frsize
        words = f"{free / 1e9:.1f} GB are free in {setting}."
        wanted = settings.DATASET_MAX_BYTES if setting == "MAPGAN_WORK_DIR" else ROOM_BYTES
        if free < ROOM_BYTES:
            yield Finding("disk", FAIL, words, f"Make room, or set {setting} to a larger disk.")
        elif free < wanted:
            advice = (
                f"The largest dataset (MAPGAN_MAX_DATASET_MB) would not fit: set {setting} to a larger disk."
            )
            yield Finding("disk", WARN, words, advice)
        else:
            yield Finding("disk", OK, words)


def workers(*, with_database: bool) -> Iterator[Finding]:
    """For every queue somebody takes from it, and the clock ticks."""
    if not with_database:
        yield Finding("workers", SKIP, UNKNOWN)
        return
    try:
        yield from _workers()
    except DatabaseError:
        yield Finding("workers", SKIP, "Not known before `manage.py migrate`.")


def _workers() -> Iterator[Finding]:
    database_now()
    alive = [each.row for each in worker_list() if each.is_alive]
    for queue in queue_list(ask_broker=False):
        part = f"worker {queue.name}"
        if not queue.workers:
            waiting = f" {queue.waiting} jobs wait." if queue.waiting else ""
            yield Finding(
                part, FAIL, f"Nobody takes from the queue {queue.name}.{waiting}", _start(queue.name)
            )
        elif queue.pause is not None:
            advice = "Resume it on the page of workers."
            yield Finding(part, WARN, f"The queue {queue.name} is paused; {queue.waiting} jobs wait.", advice)
        elif queue.oldest is not None and queue.oldest.total_seconds() > LATE_SECONDS:
            minutes = queue.oldest.total_seconds() / 60
            advice = "Start more workers of this kind, or look at what they work on."
            yield Finding(
                part, WARN, f"The first of {queue.waiting} jobs waits for {minutes:.0f} minutes.", advice
            )
        else:
            yield Finding(part, OK, f"{queue.workers} at work.")
    yield _process("maintenance", any("maintenance" in row.queues for row in alive))
    yield _process(BEAT, any(row.role == BEAT for row in alive))
    versions = {row.version for row in alive}
    if len(versions) > 1:
        advice = "Bring every process to the same version."
        yield Finding(
            "workers", WARN, f"They run {len(versions)} versions: {', '.join(sorted(versions))}.", advice
        )


def _start(queue: str) -> str:
    takers = Worker.objects.values_list("role", "queues")
    role = next((role.partition(",")[0] for role, queues in takers if queue in queues), queue)
    return START.format({"evaluate": "data"}.get(role, role))


def _process(name: str, is_alive: bool) -> Finding:
    if is_alive:
        return Finding(f"worker {name}" if name != BEAT else BEAT, OK, "At work.")
    why = {
        "maintenance": "Nobody looks after lost jobs and notifications.",
        BEAT: "The clock does not tick: lost jobs are not found again.",
    }[name]
    return Finding(f"worker {name}" if name != BEAT else BEAT, FAIL, why, START.format(name))


def generators(*, with_database: bool) -> Iterator[Finding]:
    """Something is published, and its files are what they were."""
    if not with_database:
        yield Finding("generators", SKIP, UNKNOWN)
        return
    model = apps.get_model("translator", "Generator")
    try:
        published = list(model._default_manager.filter(state="published"))
    except DatabaseError:
        yield Finding("generators", SKIP, "Not known before `manage.py migrate`.")
        return
    if not published:
        advice = "Run `manage.py load_bundled`, or publish a generator."
        yield Finding("generators", FAIL, "None is published: nothing can be translated.", advice)
    for generator in published:
        advice = "Import its file again (`manage.py generator_import`), or restore the storage."
        try:
            digest = hashlib.sha256()
            for block in blocks(generator.file):
                digest.update(block)
        except StorageError as error:
            notes = " ".join(getattr(error, "__notes__", []))
            yield Finding("generators", FAIL, f"{generator}: {error}", notes or advice)
            continue
        if digest.hexdigest() != generator.sha256:
            yield Finding("generators", FAIL, f"{generator}: its file is damaged.", advice)
        else:
            yield Finding("generators", OK, f"{generator}: readable.")
