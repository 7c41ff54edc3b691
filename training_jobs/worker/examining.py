"""Examining a dataset's version: its pictures are brought, the doctor looks at them, both are kept."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from jobs.errors import JobFailed
from jobs.runner import Attempt, Done
from training_jobs.models import DatasetSource, DatasetVersion
from training_jobs.objects import FileStash, join_objects, sha256_of, version_key
from training_jobs.services import DatasetRefused, allowed_folder, upload_discard
from training_jobs.worker.library import run_library
from training_jobs.worker.scratch import scratch
from translator.storage import ObjectMissing, remove, walk

# How the bar moves: until the archive is here, until it is examined, until the sheets are drawn.
BROUGHT, EXAMINED, DRAWN = 0.25, 0.75, 0.9
SHEET_CELL, SHEET_COUNT = 160, 48  # pixels, tiles
LOG_NAME: Final = "log.txt"


def examine(job: DatasetVersion, attempt: Attempt) -> Done:
    """Bring a version's pictures here, have the doctor look at them, and keep both.

    Raises:
        JobFailed: the archive or folder cannot be used; the message says why.
        StorageUnavailable: worth another attempt.
    """
    _remove_earlier(job, attempt)
    with scratch(job, attempt) as folder:
        attempt.report(0.0, "Fetching the pictures")
        archive = _bring(job, folder, attempt)
        attempt.report(BROUGHT, "Examining the pictures")
        report, found = _ask_doctor(job, archive, folder, attempt)
        attempt.report(EXAMINED, "Drawing an overview")
        sheets = _draw_sheets(job, archive, folder, found, attempt)
        attempt.report(DRAWN, "Storing the dataset")
        done = _store(job, attempt, archive, {"report": report, **sheets})
        done.fields["summary"] = {"pairs": found["pairs"], "findings": found["summary"]}
        return done


def _bring(job: DatasetVersion, folder: Path, attempt: Attempt) -> Path:
    """The pictures as one local file."""
    if job.source == DatasetSource.FOLDER:
        return _pack(job, folder / "pictures.tar", attempt)
    if job.upload is None:
        if not job.archive:
            raise JobFailed("upload_gone", "The uploaded file was removed. Please upload it again.")
        keys, size = [job.archive], job.archive_bytes or 0
    else:
        keys, size = list(job.upload.chunks.values_list("key", flat=True)), job.upload.size
    path = folder / f"pictures{_suffix(job.location)}"
    try:
        written, _ = join_objects(keys, path, lambda done: attempt.report(BROUGHT * done / max(size, 1)))
    except ObjectMissing as error:
        raise JobFailed("upload_gone", "A part of the upload is missing. Please upload it again.") from error
    if written != size:
        raise JobFailed("upload_damaged", "The upload is not whole. Please upload it again.")
    return path


def _pack(job: DatasetVersion, path: Path, attempt: Attempt) -> Path:
    """A server folder as a tar: what was examined will be trained on, whatever happens to the folder."""
    try:
        folder = allowed_folder(job.location)  # asked again: this machine is not the web's
    except DatasetRefused as error:
        raise JobFailed("no_folder", "The worker does not find this folder.", details=str(error)) from error
    files = sorted(each for each in folder.rglob("*") if each.is_file() and not each.is_symlink())
    total = sum(each.stat().st_size for each in files)
    if total > settings.DATASET_MAX_BYTES:
        limit = settings.DATASET_MAX_BYTES / 1e9
        message = f"The folder has {total / 1e9:.2f} GB; at most {limit:g} GB are accepted."
        raise JobFailed("too_large", message)
    done = 0
    with tarfile.open(path, "w") as tar:
        for each in files:
            tar.add(each, arcname=str(each.relative_to(folder)), recursive=False)
            done += each.stat().st_size
            attempt.report(BROUGHT * done / max(total, 1))
    return path


def _suffix(name: str) -> str:
    """The suffix that says how an archive is packed, for the library to look at."""
    return "".join(Path(name).suffixes[-2:]) if ".tar" in name.lower() else Path(name).suffix


def _ask_doctor(
    job: DatasetVersion, archive: Path, folder: Path, attempt: Attempt
) -> tuple[Path, dict[str, Any]]:
    """The doctor's report, as a file and read."""
    path = folder / "report.json"
    arguments = ["doctor", str(archive), "--a-side", job.a_side, "--json", str(path), "--events"]
    end, reason = run_library(arguments, folder / LOG_NAME, attempt, first=BROUGHT, last=EXAMINED)
    if not path.is_file():
        reason = reason.replace(str(archive), job.location)  # the worker's own path is nobody's business
        raise JobFailed("unusable", reason or "These pictures cannot be examined.", details=end.tail)
    return path, json.loads(path.read_text(encoding="utf-8"))


def _draw_sheets(
    job: DatasetVersion, archive: Path, folder: Path, report: dict[str, Any], attempt: Attempt
) -> dict[str, Path]:
    """Grids of small pictures, by the column that keeps their key."""
    out = folder / "sheets"
    named = dict.fromkeys(tile for finding in report["findings"] for tile in finding["tiles"])
    problems = folder / "problems.txt"
    problems.write_text("\n".join(list(named)[:SHEET_COUNT]) + "\n", encoding="utf-8")
    arguments = ["sheet", str(archive), "--a-side", job.a_side, "--out", str(out), "--events"]
    arguments += ["--count", str(SHEET_COUNT), "--cell", str(SHEET_CELL), "--tiles", str(problems)]
    end, reason = run_library(arguments, folder / LOG_NAME, attempt, first=EXAMINED, last=DRAWN)
    if end.code:
        raise JobFailed("unusable", reason or "These pictures cannot be drawn.", details=end.tail)
    files = {"sheet_a": out / "a.webp", "sheet_b": out / "b.webp", "sheet_problems": out / "tiles.webp"}
    return {column: path for column, path in files.items() if path.is_file()}


def _store(job: DatasetVersion, attempt: Attempt, archive: Path, files: dict[str, Path]) -> Done:
    """Store everything under keys of this attempt.

    Args:
        files: by the column that keeps its key.
    """
    with FileStash() as stash:
        fields: dict[str, Any] = {}
        for column, path in {"archive": archive, **files}.items():
            extension = "".join(path.suffixes).lstrip(".")
            kind = column.replace("_", "-")
            key = version_key(job.pk, kind, extension, attempt=attempt.number)
            fields[column] = stash.save(key, path)
            attempt.check()
    fields["archive_bytes"] = archive.stat().st_size
    fields["archive_sha256"] = sha256_of(archive)
    return Done(fields, stash.discard)


def tidy(job_id: str) -> None:
    """After a version is examined: its upload's chunks are copies now."""
    version = DatasetVersion.objects.select_related("upload").filter(pk=job_id).first()
    if version is not None and version.upload is not None and version.archive:
        upload_discard(upload=version.upload)


def _remove_earlier(job: DatasetVersion, attempt: Attempt) -> None:
    """Delete what earlier attempts stored when their worker was killed."""
    if attempt.number > 1:
        own = f"datasets/{job.pk.hex}-a"
        remove([key for key in walk("datasets") if key.startswith(own) and key not in job.storage_keys])
