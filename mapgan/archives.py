"""Archives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ArchiveError(ValueError):
    """An archive that is not accepted."""


@contextmanager
def opened(source: Path, *, work: Path | None = None) -> Iterator[Path]:
    """The folder itself."""
    yield source
