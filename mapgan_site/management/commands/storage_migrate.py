"""``manage.py storage_migrate --from local --to s3``: everything that rows name, to another storage."""

from __future__ import annotations

import hashlib
import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import Storage, storages
from django.core.management.base import BaseCommand, CommandError

from mapgan_site import policies
from storage.errors import StorageError
from storage.moving import Journal, LocalSide, Move, MoveStopped, Report, S3Side, Speed, side_of, state_of
from translator.services import objects_folders, objects_referenced

AGAIN = "Run the same command again: it goes on from here."
SHOWN = 20  # keys of a kind that are printed


class Command(BaseCommand):
    """Copies every object that the database names, and verifies each by its hash. It may be stopped at any
    time, killed even, and started again: it goes on. The site may run meanwhile, on the source.

    1. Run it while the site runs. 2. Stop the site, run it again (seconds), set MAPGAN_STORAGE, start it.
    3. When all is well: once more with --remove-source.
    """

    help = "Copies every stored object to the other storage, verified by hash; it can be stopped and goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """From where to where, and how."""
        kinds = ("local", "s3")
        parser.add_argument("--from", dest="source", choices=kinds, required=True)
        parser.add_argument("--to", dest="target", choices=kinds, required=True)
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument("--workers", type=int, default=4, help="objects at the same time (4)")
        parser.add_argument("--json", action="store_true", help="print the result as JSON, nothing else")
        words = "then delete at the source what has arrived; refused while the site uses the source"
        parser.add_argument("--remove-source", action="store_true", help=words)

    def handle(self, *args: Any, **options: Any) -> None:
        """Copy until nothing new has come meanwhile, and say what was met."""
        if options["source"] == options["target"]:
            raise CommandError("--from and --to are the same storage.")
        if options["remove_source"] and options["source"] == settings.STORAGE:
            raise CommandError(
                f"The site uses the source now (MAPGAN_STORAGE={settings.STORAGE}): switch it to "
                f"{options['target']} first, then remove."
            )
        try:
            self._handle(options)
        except (StorageError, MoveStopped) as error:
            notes = " ".join(getattr(error, "__notes__", ()))
            raise CommandError(
                f"{notes or error} Run the same command again: it goes on from here."
            ) from error
        except KeyboardInterrupt:
            raise CommandError(f"Stopped. {AGAIN}") from None

    def _handle(self, options: dict[str, Any]) -> None:
        source, target = side_of(_storage(options["source"])), side_of(_storage(options["target"]))
        folders = objects_folders()
        if options["dry_run"]:
            self._dry_run(source, target, folders)
            return
        identity = hashlib.sha256(f"{source.identity}\n{target.identity}".encode()).hexdigest()[:12]
        path = settings.VAR_DIR / f"storage-migrate-{options['source']}-{options['target']}-{identity}.jsonl"
        speed = Speed()
        quiet = options["json"]
        with Journal(path) as journal:

            def say(report: Report) -> None:
                if not quiet:
                    self.stdout.write(speed.words(report))

            move = Move(source, target, journal, workers=max(1, options["workers"]), on_progress=say)
            referenced = objects_referenced()
            while True:
                move.run(referenced, folders)
                before, referenced = referenced, objects_referenced()
                if referenced.keys() <= before.keys():
                    break
            move.forget(referenced)
            # what was deleted between the look at its row and the look at its object is not missed
            move.report.missing = [key for key in move.report.missing if key in referenced]
            unreferenced = sorted(source.sizes(folders).keys() - referenced.keys())
            if options["remove_source"] and not move.report.missing:
                self._remove(source, journal, referenced)
            self._say(move.report, unreferenced, quiet=quiet)
        if move.report.missing or move.report.damaged:
            raise CommandError("Some objects are missing or damaged at the source; they are listed above.")

    def _dry_run(self, source: LocalSide | S3Side, target: LocalSide | S3Side, folders: list[str]) -> None:
        referenced, here, there = objects_referenced(), source.sizes(folders), target.sizes(folders)
        waiting = [key for key in referenced if key in here and here[key] != there.get(key)]
        size = sum(here[key] for key in waiting)
        missing = [key for key in referenced if key not in here and key not in there]
        self.stdout.write(f"{len(referenced):,} objects are named by rows.")
        self.stdout.write(f"{len(waiting):,} would be copied ({size / 1e6:,.1f} MB).")
        self._list("missing at the source", missing)
        self._list("not named by any row, and left where they are", sorted(here.keys() - referenced.keys()))

    def _remove(self, source: LocalSide | S3Side, journal: Journal, referenced: dict[str, str]) -> None:
        """Only what arrived, was verified, and is still meant."""
        removed = 0
        for key in source.sizes(objects_folders()):
            if journal.done.get(key) and key in referenced:
                source.remove(key)
                removed += 1
        self.stderr.write(f"{removed:,} objects were removed at the source.")

    def _say(self, report: Report, unreferenced: list[str], *, quiet: bool) -> None:
        if quiet:
            self.stdout.write(json.dumps(state_of(report) | {"unreferenced": unreferenced}))
            return
        self.stdout.write(
            f"{report.total:,} objects: {report.copied:,} copied ({report.copied_bytes / 1e6:,.1f} MB), "
            f"{report.already:,} were there."
        )
        if report.gone:
            self.stdout.write(f"{report.gone:,} were deleted meanwhile, and are so at the target.")
        self._list("missing at the source", sorted(report.missing))
        self._list("not what their rows say (copied as they are)", sorted(report.damaged))
        self._list("not named by any row, and left where they are", unreferenced)

    def _list(self, what: str, keys: list[str]) -> None:
        if keys:
            self.stdout.write(f"{len(keys):,} {what}:")
            for key in keys[:SHOWN]:
                self.stdout.write(f"  {key}")
            if len(keys) > SHOWN:
                self.stdout.write(f"  … and {len(keys) - SHOWN:,} more")


def _storage(kind: str) -> Storage:
    """The storage as the settings describe it, whichever the site uses now."""
    if kind == settings.STORAGE:
        return storages["default"]
    try:
        described = (
            policies.s3_storage(settings.S3, link_seconds=settings.FILE_LINK_SECONDS)
            if kind == "s3"
            else policies.local_storage(settings.MEDIA_ROOT)
        )
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from error
    return storages.create_storage(described)
