"""``manage.py load_bundled``: offer the generators that come with the code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mapgan.card import CardError, read_card
from translator.models import Direction
from translator.services import GeneratorRejected, StorageError, generator_import

FIRST = "pix2pix"  # whose names begin so are loaded first, and so become the defaults where there are none
SAMPLES = {  # folder, and the picture that shows best what a generator makes of it
    Direction.MAP_TO_SATELLITE.value: (".", "harbour.png"),
    Direction.SATELLITE_TO_MAP.value: ("satellite", "canal-quarter.png"),
}


class Command(BaseCommand):
    """Imports and publishes generators/*.onnx. Runs before every start, so it is quick when all is there.

    A file that changed becomes the next version of its name and the older one retires. What staff retired, or
    put on trial, stays so: only what is new is published.
    """

    help = "Imports the generators that come with the code; safe to run again and again."

    def handle(self, *args: Any, **options: Any) -> None:
        """Import what is new."""
        folder = Path(settings.GENERATORS_DIR)
        files = sorted(folder.glob("*.onnx"), key=lambda path: (not path.name.startswith(FIRST), path.name))
        if not files:
            self.stdout.write(f"No generators in {folder.name}/: nothing to load.")
        for path in files:
            try:
                generator = generator_import(
                    source=path, publish=True, publish_known=False, sample_input=_sample(path)
                )
            except (CardError, GeneratorRejected, StorageError) as error:
                raise CommandError(f"{path.name}: {error}") from error
            self.stdout.write(f"{path.name}: {generator}, {generator.get_state_display().lower()}")


def _sample(generator: Path) -> Path | None:
    """A picture of the kind that this generator takes."""
    folder, best = SAMPLES[read_card(generator).direction]
    pictures = (Path(settings.SAMPLES_DIR) / folder).glob("*.png")
    return min(pictures, key=lambda path: (path.name != best, path.name), default=None)
