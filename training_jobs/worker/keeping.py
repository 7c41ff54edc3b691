"""What a run writes to its folder, on its way to the storage; and back, for the attempt that goes on."""

from __future__ import annotations

import contextlib
import io
import json
import math
import shutil
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from jobs.errors import JobFailed
from training_jobs.models import Checkpoint, TrainingRun
from training_jobs.objects import Check, FileStash, checkpoint_key, join_objects, run_key, sha256_of
from training_jobs.services import recording
from translator.storage import ObjectMissing, Stash, remove

CHECKPOINT_FILES: Final = ("arrays.npz", "manifest.json")
LOG_FILES: Final = ("log.txt", "log.jsonl")
RUN_FILES: Final = ("split.json", "baselines.json", *LOG_FILES)
SHEET_COLUMNS: Final = 4
SHEET_CELL: Final = 256  # pixels
SHEET_QUALITY: Final = 88
THUMBNAIL_TILES: Final = 3
THUMBNAIL_CELL: Final = 96  # pixels


class RunKeeper:
    """Stores what one attempt of a run writes; every object's key and row carry the attempt.

    Args:
        folder: of the run on the local disk.
        check: asked while large files go out; what it raises ends the storing.
    """

    def __init__(self, run: TrainingRun, attempt: int, folder: Path, check: Check) -> None:
        self._run, self._attempt, self._folder, self._check = run, attempt, folder, check
        self._files: dict[str, str] = dict(run.files)
        self._passed_over = False

    def keep_checkpoint(self, step: int, path: str) -> None:
        """Store the checkpoint's files, then its row; then the run's own files as they are at this step.

        One that the run has retired by now is passed over: a newer one follows.
        """
        held = self._held(Path(path))
        if held is None:
            self._tell_passed_over(step)
            return
        checkpoint_id = uuid.uuid4()
        with FileStash() as stash:
            files = {}
            for name in CHECKPOINT_FILES:
                kind, _, extension = name.partition(".")
                key = checkpoint_key(checkpoint_id, kind, extension, attempt=self._attempt)
                files[name] = {
                    "key": stash.save(key, held / name, self._check),
                    "bytes": (held / name).stat().st_size,
                    "sha256": sha256_of(held / name),
                }
            manifest = json.loads((held / "manifest.json").read_bytes())
            recording.checkpoint_record(
                run=self._run,
                attempt=self._attempt,
                checkpoint_id=checkpoint_id,
                step=step,
                files=files,
                weights_sha256=str(manifest["weights_sha256"]),
            )
        shutil.rmtree(held, ignore_errors=True)
        self.keep_run_files()

    def _tell_passed_over(self, step: int) -> None:
        """Once an attempt: on a slow line it may be most of them."""
        if not self._passed_over:
            message = (
                f"The checkpoint of step {step:,} is not stored: the storage takes longer than the training "
                "keeps one. Newer ones follow, as fast as they go."
            )
            recording.run_note(
                run=self._run, attempt=self._attempt, kind="warning", message=message, step=step
            )
        self._passed_over = True

    def _held(self, folder: Path) -> Path | None:
        """Links that keep a checkpoint's bytes while they are on their way out, whatever the run retires
        meanwhile; None when it did so already.
        """
        held = self._folder.parent / "outgoing"
        shutil.rmtree(held, ignore_errors=True)
        held.mkdir()
        try:
            for name in CHECKPOINT_FILES:
                (held / name).hardlink_to(folder / name)
        except FileNotFoundError:
            return None
        return held

    def keep_samples(self, step: int, path: str, stems: dict[str, list[str]]) -> None:
        """Store what it drew, one sheet a direction; with the first one what went in and what was wanted."""
        self._keep_fixed(stems)
        with Stash() as stash:
            sheets: dict[str, str] = {}
            thumbnails: dict[str, str] = {}
            for direction, names in stems.items():
                folder = Path(path) / direction
                for kind, found, drawn in (
                    ("samples", sheets, _sheet(folder, names)),
                    ("thumbnail", thumbnails, _strip(folder, names[:THUMBNAIL_TILES])),
                ):
                    key = run_key(self._run.pk, f"{kind}-{step}-{direction}", "webp", attempt=self._attempt)
                    found[direction] = stash.save(key, drawn, self._check)
            known = recording.checkpoint_drawn(
                run=self._run, attempt=self._attempt, step=step, sheets=sheets, thumbnails=thumbnails
            )
            if not known:
                stash.discard()

    def keep_run_files(self) -> None:
        """Store the split, the log and TensorBoard's files as they are now; older copies go."""
        self._keep({name: self._folder / name for name in RUN_FILES} | self._events(), self._check)

    def keep_log(self, check: Check) -> None:
        """Store the log and TensorBoard's files once more: between two checkpoints, and at the end."""
        self._keep({name: self._folder / name for name in LOG_FILES} | self._events(), check)

    def _events(self) -> dict[str, Path]:
        board = self._folder / "tensorboard"
        found = sorted(board.iterdir()) if board.is_dir() else []
        return {f"tensorboard/{path.name}": path for path in found}

    def _keep(self, found: dict[str, Path], check: Check) -> None:
        with FileStash() as stash:
            new: dict[str, str] = {}
            for name, path in found.items():
                if path.is_file():
                    kind, extension = path.stem.replace(".", "-"), path.suffix.lstrip(".") or "bin"
                    key = run_key(self._run.pk, kind[:60], extension, attempt=self._attempt)
                    new[name] = stash.save(key, path, check)
            self._write(new)

    def _keep_fixed(self, stems: dict[str, list[str]]) -> None:
        wanted = {
            f"{kind}-{direction}": (self._folder / "samples" / kind / direction, names)
            for kind in ("input", "target")
            for direction, names in stems.items()
        }
        missing = {
            name: each for name, each in wanted.items() if name not in self._files and each[0].is_dir()
        }
        if missing:
            with Stash() as stash:
                new = {}
                for name, (folder, names) in missing.items():
                    key = run_key(self._run.pk, name, "webp", attempt=self._attempt)
                    new[name] = stash.save(key, _sheet(folder, names), self._check)
                    kind, _, direction = name.partition("-")
                    if kind == "input":  # a published generator shows what it makes of this one
                        key = run_key(self._run.pk, f"first-{direction}", "png", attempt=self._attempt)
                        first = (folder / f"{names[0]}.png").read_bytes()
                        new[f"first-{direction}"] = stash.save(key, first, self._check)
                self._write(new)

    def _write(self, new: dict[str, str]) -> None:
        """Name the new objects in the run's row, then let the old ones go."""
        old = [self._files[name] for name in new if name in self._files]
        files = self._files | new
        recording.run_record(run=self._run, attempt=self._attempt, files=files)
        self._files = files
        remove(old)


def bring_back(run: TrainingRun, folder: Path, on_share: Callable[[float], None]) -> int | None:
    """Put the newest stored checkpoint and the run's own files into ``folder``; returns its step, or None.

    Raises:
        JobFailed: a stored file is gone or not what it was.
        StorageError: the storage cannot be reached.
    """
    for name in LOG_FILES:  # the story of an attempt that came to no checkpoint is told, too
        with contextlib.suppress(ObjectMissing):
            if name in run.files:
                join_objects([run.files[name]], folder / name)
    checkpoint = run.checkpoints.order_by("-step").first()
    if checkpoint is None:
        return None
    for name, key in run.files.items():
        if name in LOG_FILES:
            continue
        if name in RUN_FILES or name.startswith("tensorboard/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _fetch(key, folder / name)
    bring_checkpoint(checkpoint, folder / "checkpoints" / f"step-{checkpoint.step:08d}", on_share)
    return checkpoint.step


def bring_checkpoint(checkpoint: Checkpoint, target: Path, on_share: Callable[[float], None]) -> Path:
    """Put a stored checkpoint into the folder ``target``, which is made; returns it.

    Raises:
        JobFailed: a stored file is gone or not what it was.
        StorageError: the storage cannot be reached.
    """
    target.mkdir(parents=True)
    done = 0
    for name, file in checkpoint.files.items():
        start = done
        digest = _fetch(
            file["key"],
            target / name,
            lambda size, start=start: on_share((start + size) / checkpoint.size_bytes),  # type: ignore[misc]
        )
        if digest != file["sha256"]:
            raise _unusable(checkpoint, "is damaged", file["key"])
        done += int(file["bytes"])
    if checkpoint.measures:
        measures = {"step": checkpoint.step, **checkpoint.measures}
        (target / "metrics.json").write_text(json.dumps(measures), encoding="utf-8")
    return target


def _fetch(key: str, path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> str:
    try:
        return join_objects([key], path, on_bytes)[1]
    except ObjectMissing as error:
        message = "A file of this run is no longer stored. Start it anew, or restore the storage."
        raise JobFailed("run_file_missing", message, details=key) from error


def _unusable(checkpoint: Checkpoint, how: str, details: str) -> JobFailed:
    message = (
        f"The stored checkpoint of step {checkpoint.step:,} {how}. "
        "Delete it, and the run goes on from the one before it."
    )
    return JobFailed("checkpoint_damaged", message, details=details)


def _sheet(folder: Path, stems: Sequence[str]) -> bytes:
    """The pictures of a folder in rows of four, as WebP."""
    return _grid(folder, stems, columns=SHEET_COLUMNS, cell=SHEET_CELL)


def _strip(folder: Path, stems: Sequence[str]) -> bytes:
    """The same, small, in one row: for a table."""
    return _grid(folder, stems, columns=THUMBNAIL_TILES, cell=THUMBNAIL_CELL)


def _grid(folder: Path, stems: Sequence[str], *, columns: int, cell: int) -> bytes:
    columns = min(columns, max(len(stems), 1))
    rows = math.ceil(max(len(stems), 1) / columns)
    sheet = Image.new("RGB", (columns * cell, rows * cell))
    for place, stem in enumerate(stems):
        row, column = divmod(place, columns)
        with Image.open(folder / f"{stem}.png", formats=["PNG"]) as picture:
            drawn = picture.convert("RGB").resize((cell, cell), Image.Resampling.BICUBIC)
        sheet.paste(drawn, (column * cell, row * cell))
    out = io.BytesIO()
    sheet.save(out, "WEBP", quality=SHEET_QUALITY)
    return out.getvalue()
