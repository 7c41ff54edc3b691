"""The sample maps that come with the platform, for those who have no map at hand."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings


def sample_maps() -> dict[str, Path]:
    """Name (``old-town``) to file, in order. They are static files too: ``samples/<name>.png``."""
    folder = Path(settings.SAMPLES_DIR)
    return {path.stem: path for path in sorted(folder.glob("*.png"))}
