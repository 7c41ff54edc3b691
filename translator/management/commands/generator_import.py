"""``manage.py generator_import FILE``: bring in a generator made by ``mapgan export``."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from translator.services import GeneratorRejected, StorageError, generator_import


class Command(BaseCommand):
    """Imports one generator file; the same file again changes nothing."""

    help = "Imports a generator file (ONNX with a MapGAN card); without --publish only staff are offered it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The file, and what goes with it."""
        parser.add_argument("file", type=Path)
        parser.add_argument("--publish", action="store_true", help="offer it to everybody")
        parser.add_argument("--description", default="", help="a sentence or two for people who choose")
        parser.add_argument("--sample-input", type=Path, help="a picture to show what it does")
        parser.add_argument(
            "--sample-output", type=Path, help="what it makes of it (a worker draws it when left out)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Import and say what it became."""
        try:
            generator = generator_import(
                source=options["file"],
                publish=options["publish"],
                description=options["description"],
                sample_input=options["sample_input"],
                sample_output=options["sample_output"],
            )
        except (GeneratorRejected, StorageError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{generator}: {generator.get_state_display()}, id {generator.pk}")
