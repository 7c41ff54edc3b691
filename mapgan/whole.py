"""Small files that are whole or not there: for whoever reads beside us, and after a power cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO


def hidden(path: Path) -> Path:
    """What a file is called until it is whole: as its name may be as long as one can be, by its hash."""
    return path.with_name(f".{sha256(os.fsencode(path.name)).hexdigest()[:32]}.part")


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A new file under a hidden name, to be filled in the block; then it is on the disk and called ``path``.

    Raises:
        OSError: it cannot be written. What had the name before stays, as after any error in the block.
    """
    part = hidden(path)
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
