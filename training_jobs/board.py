"""What TensorBoard shows: the event files of the runs that somebody opened lately, in a folder it watches.

They come from the storage, where any worker puts them at every checkpoint and once a minute, and are brought
again while the run goes on. A run's folder is named after it; ``.source.json`` beside the events says which
objects they were.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from training_jobs.models import TrainingRun
from training_jobs.objects import join_objects
from translator.storage import ObjectMissing

EVENTS: Final = "tensorboard/"
SOURCE: Final = ".source.json"
KEPT_RUNS: Final = 8
BRING_SECONDS: Final = 15.0  # between two looks for new events of the open runs

_looked_at = 0.0


def event_files(run: TrainingRun) -> dict[str, str]:
    """Names and storage keys of a run's event files, in the order they were written in."""
    found = {Path(name).name: key for name, key in run.files.items() if name.startswith(EVENTS)}
    return dict(sorted(found.items()))


def board_open(run: TrainingRun) -> str:
    """Put a run's event files where TensorBoard sees them; returns the name it shows the run under.

    Raises:
        StorageError: the storage cannot be reached.
    """
    root: Path = settings.TENSORBOARD_DIR
    root.mkdir(parents=True, exist_ok=True)
    name = _name(run)
    with _locked(root):
        _bring(run, root / name)
        os.utime(root / name / SOURCE)
        for old in _folders(root)[KEPT_RUNS:]:
            shutil.rmtree(old, ignore_errors=True)
    return name


def board_refresh() -> None:
    """Bring what runs that are open have written since; does nothing when that was looked for just now.

    Raises:
        StorageError: the storage cannot be reached.
    """
    global _looked_at  # noqa: PLW0603 - of this process; another one that looks as well does no harm
    root: Path = settings.TENSORBOARD_DIR
    if time.monotonic() - _looked_at < BRING_SECONDS or not root.is_dir():
        return
    _looked_at = time.monotonic()
    with _locked(root):
        for folder in _folders(root):
            run = _run_of(folder)
            if run is None:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                _bring(run, folder)


def _bring(run: TrainingRun, folder: Path) -> None:
    """Fetch what is new. A longer file takes the place of a shorter one: readers go on where they were."""
    folder.mkdir(exist_ok=True)
    wanted, have = event_files(run), _source(folder).get("files", {})
    if wanted == have and _source(folder).get("run") == str(run.pk):
        return
    for name, key in wanted.items():
        if have.get(name) != key:
            part = folder / f".{name}.part"
            try:
                join_objects([key], part)
            except ObjectMissing:  # a newer copy took its place at this moment: the next look finds it
                part.unlink(missing_ok=True)
                return
            part.replace(folder / name)
    for name in have.keys() - wanted.keys():
        (folder / name).unlink(missing_ok=True)
    _note(folder, {"run": str(run.pk), "files": wanted})


def _note(folder: Path, source: dict[str, Any]) -> None:
    """Whole or not at all; its time says when a person opened it last."""
    path, part = folder / SOURCE, folder / f"{SOURCE}.part"
    part.write_text(json.dumps(source), encoding="utf-8")
    if path.exists():
        was = path.stat()
        os.utime(part, (was.st_atime, was.st_mtime))
    part.replace(path)


def _run_of(folder: Path) -> TrainingRun | None:
    """The run that a folder shows; None when it is gone, or the folder does not say which."""
    with contextlib.suppress(ValueError):
        return TrainingRun.objects.filter(pk=uuid.UUID(str(_source(folder).get("run")))).first()
    return None


def _source(folder: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((folder / SOURCE).read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def _folders(root: Path) -> list[Path]:
    """The runs' folders, the one that was opened last first."""
    found = [path.parent for path in root.glob(f"*/{SOURCE}")]
    return sorted(found, key=lambda folder: (folder / SOURCE).stat().st_mtime, reverse=True)


def _name(run: TrainingRun) -> str:
    """A folder's name that people recognise: ``forty-streets-3fa2b1c0``."""
    words = re.sub(r"[^a-z0-9]+", "-", run.name.lower()).strip("-")[:40]
    return f"{words or 'run'}-{run.pk.hex[:8]}"


@contextlib.contextmanager
def _locked(root: Path) -> Iterator[None]:
    """One of our threads and processes at a time."""
    with (root / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
