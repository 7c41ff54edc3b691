"""``manage.py sweep_orphans``: what beat does every hour, now."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from translator.services import StorageError, orphans_sweep


class Command(BaseCommand):
    """Removes stored objects that no row refers to and that are older than an hour."""

    help = "Removes stored objects that no row refers to and that are older than an hour."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The one safety that can be taken off."""
        words = "also when so many look like orphans that they may be another site's (check first)"
        parser.add_argument("--force", action="store_true", help=words)

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep and say how many."""
        try:
            swept = orphans_sweep(force=options["force"])
        except StorageError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Removed: {swept}")
