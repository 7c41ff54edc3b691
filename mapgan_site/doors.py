"""The command line, with words instead of tracebacks for what an operator got wrong."""

from __future__ import annotations

import json
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def run(arguments: list[str]) -> None:
    """Run a management command. Exit status 2: a setting is wrong; 1: the database cannot be used."""
    try:
        execute_from_command_line(arguments)
    except ImproperlyConfigured as error:
        _refuse(
            arguments, "settings", str(error), "Correct it where it is set; .env.example describes all.", 2
        )
    except Exception as error:
        # these exist once the settings are known, not before
        from django.db import OperationalError
        from django.db.utils import InterfaceError

        if not isinstance(error, OperationalError | InterfaceError):
            raise
        from mapgan_site.doctor.services import database_words

        _refuse(arguments, "database", *database_words(error), 1)


def _refuse(arguments: list[str], part: str, message: str, advice: str, status: int) -> None:
    if arguments[1:2] == ["doctor"] and "--json" in arguments:
        finding = {"part": part, "status": "failure", "message": message, "advice": advice}
        sys.stdout.write(json.dumps({"ok": False, "findings": [finding]}, indent=2) + "\n")
    else:
        sys.stderr.write(f"FAILURE  {part}: {message}\n           -> {advice}\n")
    sys.exit(status)
