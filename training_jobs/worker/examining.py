"""Examining a dataset's version: its pictures are brought, the doctor looks at them, both are kept."""

from __future__ import annotations

import json
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

from jobs.errors import JobFailed
from jobs.models import JobState
from jobs.runner import Attempt, Done
from training_jobs.models import DatasetVersion, SplitKind
from training_jobs.objects import FileStash, sha256_of, version_key
from training_jobs.presentation import SHOWN_TILES, TILES_OF_A_FINDING
from training_jobs.services import upload_discard
from training_jobs.worker.bringing import brought
from training_jobs.worker.library import run_library
from training_jobs.worker.scratch import scratch
from translator.storage import remove, walk

# How the bar moves: until the archive is here, until it is examined, until the sheets are drawn.
BROUGHT, EXAMINED, DRAWN = 0.25, 0.75, 0.9
SHEET_CELL, SHEET_COUNT, PROBLEM_COUNT = 160, 48, 240  # pixels, tiles, tiles
LOG_NAME, REPORT_NAME, SPLIT_NAME = "log.txt", "report.json", "split.json"
SOME: Final = 3  # findings in one message
SQUARE: Final = 0.1  # how far from as wide as high, of the height
HOPELESS: Final = frozenset({"unusable", "unpaired"})  # another look would find the same
UNTRAINABLE: Final = frozenset({"unpaired", "name_twice"})
"""Errors of names, which make `mapgan train` refuse the whole set; single broken pictures are left out."""


def examine(job: DatasetVersion, attempt: Attempt) -> Done:
    """Bring a version's pictures here, have the doctor look at them, and keep both.

    Raises:
        JobFailed: the archive or folder cannot be used; the message says why.
        StorageUnavailable: worth another attempt.
    """
    _remove_earlier(job, attempt)
    with scratch(job, attempt) as folder:
        attempt.report(0.0, "Fetching the pictures")
        with brought(job, folder, attempt, BROUGHT) as archive:
            attempt.report(BROUGHT, "Examining the pictures")
            found = _ask_doctor(job, archive, folder, attempt)
            attempt.report(EXAMINED, "Drawing an overview")
            sheets = _draw_sheets(job, archive, folder, found, attempt)
            attempt.report(DRAWN, "Storing the dataset")
            return _store(job, attempt, archive, {**_written(folder, found), **sheets}, _summary(found))


def _ask_doctor(job: DatasetVersion, archive: Path, folder: Path, attempt: Attempt) -> dict[str, Any]:
    """The doctor's report, with the split's lengths in ``split`` where one was asked for.

    Raises:
        JobFailed: the pictures cannot be examined, trained on, or divided.
    """
    path = folder / REPORT_NAME
    arguments = ["doctor", str(archive), "--a-side", job.a_side, "--json", str(path), "--events"]
    grouped = job.split_kind == SplitKind.GROUPED
    if grouped:
        arguments += ["--split", str(folder), "--fraction", str(job.split_share)]
        arguments += ["--test-fraction", str(job.split_test_share), "--seed", str(job.split_seed)]
    end, reason = run_library(arguments, folder / LOG_NAME, attempt, first=BROUGHT, last=EXAMINED)
    if not path.is_file():
        if not reason:
            message = "The pictures could not be examined: the doctor ended with an error."
            raise JobFailed("doctor_failed", message, details=end.tail)
        reason = reason.replace(f"{archive}: ", "").replace(str(archive), job.location)
        raise JobFailed("unusable", _sentence(reason), details=end.tail)
    report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    refuse_untrainable(report)
    if grouped:
        if not (folder / SPLIT_NAME).is_file():
            raise JobFailed("no_split", reason or "These pictures cannot be divided.", details=end.tail)
        split = json.loads((folder / SPLIT_NAME).read_text(encoding="utf-8"))
        report["split"] = {
            side: {domain: len(names) for domain, names in split[side].items()}
            for side in ("train", "val", "test")
        }
    return report


def refuse_untrainable(report: dict[str, Any]) -> None:
    """Refuse pictures that no training would take, in the doctor's own words.

    Raises:
        JobFailed: nothing is usable, or names do not fit together, which skipping broken ones does not mend.
    """
    named = [each["message"] for each in report["findings"] if each["kind"] in UNTRAINABLE]
    if named:
        message = f"The two halves do not fit together: {_some(named)}. Mend it and bring the pictures again."
        raise JobFailed("unpaired", message)
    if not sum(report["pairs"].values()):
        errors = [each["message"] for each in report["findings"] if each["severity"] == "error"]
        raise JobFailed("unusable", f"None of the pictures can be used: {_some(errors)}.")
    _refuse_single_halves(report)
    if not (report["pairs"].get("train") or report["pairs"].get("")):
        raise JobFailed("unusable", "There are no usable pictures in train/ to learn from.")


def _refuse_single_halves(report: dict[str, Any]) -> None:
    """Refuse square pictures that were taken for two halves side by side: nobody means their middle.

    Raises:
        JobFailed: most of the pictures are about as wide as they are high.
    """
    width, height = 2 * report["size"]["width"], report["size"]["height"]
    if report["layout"] != "halves" or abs(width - height) > SQUARE * height:
        return
    message = (
        f"Most of these pictures are {width} x {height} pixels, so they are hardly pairs: a picture of a "
        f"pair has two halves side by side and is about twice as wide as high ({2 * height} x {height}). "
        "Bring such pictures, or single halves in folders A and B under equal names; in trainA and trainB "
        "where there are no pairs."
    )
    raise JobFailed("unusable", message)


def _sentence(reason: str) -> str:
    """The library's reason as a sentence."""
    first = reason.split(maxsplit=1)[0]
    return f"{reason[:1].upper() if first.isalpha() else reason[:1]}{reason[1:].rstrip('.')}."


def _some(messages: list[str]) -> str:
    """The first few, and how many more."""
    more = len(messages) - SOME
    return "; ".join(messages[:SOME]) + (f"; and {more:,} more" if more > 0 else "")


def _summary(report: dict[str, Any]) -> dict[str, Any]:
    """What lists show of a version."""
    summary = {"pairs": report["pairs"], "findings": report["summary"], "paired": report["paired"]}
    return summary | ({"split": report["split"]} if "split" in report else {})


def _written(folder: Path, report: dict[str, Any]) -> dict[str, Path]:
    """The files that the doctor wrote, by the column that keeps their key; the report with what was added."""
    path = folder / REPORT_NAME
    path.write_text(json.dumps(report), encoding="utf-8")
    split = folder / SPLIT_NAME
    return {"report": path} | ({"split": split} if split.is_file() else {})


def _draw_sheets(
    job: DatasetVersion, archive: Path, folder: Path, report: dict[str, Any], attempt: Attempt
) -> dict[str, Path]:
    """Grids of small pictures, by the column that keeps their key."""
    out = folder / "sheets"
    problems = folder / "problems.txt"
    problems.write_text("\n".join(_shown_tiles(report)) + "\n", encoding="utf-8")
    arguments = ["sheet", str(archive), "--a-side", job.a_side, "--out", str(out), "--events"]
    arguments += ["--count", str(SHEET_COUNT), "--cell", str(SHEET_CELL), "--tiles", str(problems)]
    end, reason = run_library(arguments, folder / LOG_NAME, attempt, first=EXAMINED, last=DRAWN)
    if end.code:
        raise JobFailed("unusable", reason or "These pictures cannot be drawn.", details=end.tail)
    report["sheets"] = json.loads((out / "sheets.json").read_text(encoding="utf-8"))
    files = {"sheet_a": out / "a.webp", "sheet_b": out / "b.webp", "sheet_problems": out / "tiles.webp"}
    return {column: path for column, path in files.items() if path.is_file()}


def _shown_tiles(report: dict[str, Any]) -> list[str]:
    """Tiles to draw: of the findings that the page shows, the worst kinds first, each kind in its turn."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for finding in report["findings"]:
        tiles = kinds.setdefault((finding["severity"], finding["kind"]), [])
        tiles += finding["tiles"][:TILES_OF_A_FINDING]
    rows = zip_longest(*(tiles[: TILES_OF_A_FINDING * SHOWN_TILES] for tiles in kinds.values()))
    return list(dict.fromkeys(tile for row in rows for tile in row if tile))[:PROBLEM_COUNT]


def _store(
    job: DatasetVersion, attempt: Attempt, archive: Path, files: dict[str, Path], summary: dict[str, Any]
) -> Done:
    """Store everything under keys of this attempt.

    Args:
        files: by the column that keeps its key.
        summary: for the row.
    """
    with FileStash() as stash:
        fields: dict[str, Any] = {"summary": summary}
        for column, path in {"archive": archive, **files}.items():
            extension = "".join(path.suffixes).lstrip(".")
            kind = column.replace("_", "-")
            key = version_key(job.pk, kind, extension, attempt=attempt.number)
            chunks = _chunks(job, path) if column == "archive" else {}
            if chunks:
                fields[column] = stash.save_joined(key, chunks, path, attempt.check)
            else:
                fields[column] = stash.save(key, path, attempt.check)
    fields["archive_bytes"] = archive.stat().st_size
    fields["archive_sha256"] = sha256_of(archive)
    return Done(fields, stash.discard)


def _chunks(job: DatasetVersion, archive: Path) -> dict[str, int]:
    """Keys and sizes of the stored chunks that the archive was joined from; none when it came otherwise."""
    if job.upload is None:
        return {}
    chunks: dict[str, int] = dict(job.upload.chunks.values_list("key", "size"))
    return chunks if sum(chunks.values()) == archive.stat().st_size else {}


def tidy(job_id: str) -> None:
    """After a version is examined: its upload's chunks are copies now, or of no use to anybody."""
    version = DatasetVersion.objects.select_related("upload").filter(pk=job_id).first()
    if version is None or version.upload is None:
        return
    refused = version.state == JobState.FAILED and version.error_code in HOPELESS
    if version.archive or refused:
        upload_discard(upload=version.upload)


def _remove_earlier(job: DatasetVersion, attempt: Attempt) -> None:
    """Delete what earlier attempts stored when their worker was killed."""
    if attempt.number > 1:
        own = f"datasets/{job.pk.hex}-a"
        remove([key for key in walk("datasets") if key.startswith(own) and key not in job.storage_keys])
