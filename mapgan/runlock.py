"""One writer at a time in a run's folder, from the first look at its data to its last checkpoint."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

LOCK_FILE: Final = ".lock"


class InUseError(RuntimeError):
    """Another process is training in the folder; the message is for the person who started this one."""


@contextmanager
def held(run: Path) -> Iterator[None]:
    """Hold the run's folder; the kernel frees it when the process dies.

    Args:
        run: the folder; made where it is missing, and gone again when an error leaves nothing in it.

    Raises:
        InUseError: somebody else holds it.
    """
    made = not run.exists()
    run.mkdir(parents=True, exist_ok=True)
    try:
        with (run / LOCK_FILE).open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InUseError(f"another process is training in {run}") from None
            yield
    except BaseException:
        if made:
            with suppress(OSError):
                _remove_empty(run)
        raise


def _remove_empty(run: Path) -> None:
    """Remove a folder that has nothing but the lock."""
    if [path.name for path in run.iterdir()] == [LOCK_FILE]:
        (run / LOCK_FILE).unlink()
        run.rmdir()
