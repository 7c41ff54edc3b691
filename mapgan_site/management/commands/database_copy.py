"""``manage.py database_copy --from var/db.sqlite3``: all of a SQLite file into the settings' database."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.core.management.color import no_style
from django.db import DatabaseError, connection, connections, models, transaction
from django.db.migrations.recorder import MigrationRecorder

from mapgan_site.addresses import sqlite_database

SOURCE = "source"
CHUNK = 500


class Command(BaseCommand):
    """Rows go over as they are, with their ids and times; all of them, or none when one is refused.

    The source is locked meanwhile: nobody writes what would not arrive.
    """

    help = "Copies every row of a SQLite file into the database that DATABASE_URL names, all or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """From where, and whether what is there may go."""
        parser.add_argument("--from", dest="file", type=Path, required=True, help="the file, var/db.sqlite3")
        words = "delete what the target holds; without it a database with users is refused"
        parser.add_argument("--replace", action="store_true", help=words)

    def handle(self, *args: Any, **options: Any) -> None:
        """Look at both sides, then copy in one transaction."""
        _open_source(options["file"])
        try:
            self._compare(replace=options["replace"])
            copied = self._copy()
        finally:
            connections[SOURCE].close()
        self.stdout.write(f"{copied:,} rows are in the database that DATABASE_URL names.")

    def _compare(self, *, replace: bool) -> None:
        if connection.vendor == "sqlite":
            raise CommandError("DATABASE_URL must name the PostgreSQL database to copy to.")
        applied = [set(MigrationRecorder(each).applied_migrations()) for each in _sides()]
        if applied[0] != applied[1]:
            raise CommandError(
                "The two databases have not the same migrations: run `manage.py migrate` on both first."
            )
        users = get_user_model()._default_manager.count()
        if users and not replace:
            raise CommandError(
                f"The target holds {users} users already. With --replace all that it holds is deleted."
            )

    def _copy(self) -> int:
        tables = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
        tables = [model for model in tables if not model._meta.proxy]
        copied = 0
        with transaction.atomic(using=SOURCE), transaction.atomic():
            names = [model._meta.db_table for model in tables]
            _execute(connection.ops.sql_flush(no_style(), names, allow_cascade=True))
            for model in tables:
                number = _copy_table(model)
                if number:
                    self.stdout.write(f"{number:9,} {model._meta.verbose_name_plural}")
                copied += number
            _execute(connection.ops.sequence_reset_sql(no_style(), tables))
        return copied


def _open_source(file: Path) -> None:
    if not file.is_file():
        raise CommandError(f"There is no file {file}.")
    described = sqlite_database(file.absolute())
    connections.settings[SOURCE] = connections.configure_settings({"default": described})["default"]


def _sides() -> tuple[Any, Any]:
    return connections[SOURCE], connection


def _execute(statements: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def _copy_table(model: type[models.Model]) -> int:
    """Every row as it is: no default, no time of now. Foreign keys are looked at when all is there."""
    rows = model._base_manager.using(SOURCE).order_by("pk")
    number = 0
    for row in rows.iterator(CHUNK):
        try:
            # what loaddata does, too
            models.Model.save_base(row, using=connection.alias, raw=True, force_insert=True)
        except (DatabaseError, ValueError) as error:
            what = f"{model._meta.verbose_name} {row.pk}"
            raise CommandError(f"Nothing was copied: the database does not take {what}: {error}") from error
        number += 1
    there = model._base_manager.count()
    if there != number:
        raise CommandError(f"Nothing was copied: {number} {model._meta.label} became {there}.")
    return number
