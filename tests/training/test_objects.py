"""Large files in and out of the storage, local and S3."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

import pytest
from django.core.files.storage import default_storage

from jobs.errors import JobCancelled
from training_jobs.objects import (
    FileStash,
    checkpoint_key,
    chunk_key,
    join_objects,
    run_key,
    save_file,
    version_key,
)
from translator.storage import ObjectMissing, row_id, walk

CONTENT = bytes(range(256)) * 40_000  # ten megabytes: several parts on S3


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest) -> str:
    """Either storage."""
    if request.param == "s3":
        request.getfixturevalue("s3_bucket")
    return str(request.param)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of ten megabytes."""
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    return path


def test_a_file_goes_out_and_comes_back(storage: str, file: Path, tmp_path: Path) -> None:
    key = run_key(uuid.uuid4(), "log", "jsonl", attempt=2)
    save_file(key, file)
    heard: list[int] = []
    size, digest = join_objects([key, key], tmp_path / "back.bin", heard.append)
    assert (size, heard[-1]) == (2 * len(CONTENT), 2 * len(CONTENT))
    assert digest == hashlib.sha256(CONTENT * 2).hexdigest()
    assert (tmp_path / "back.bin").read_bytes() == CONTENT * 2


def test_storing_ends_when_it_is_told_to_and_leaves_nothing(storage: str, file: Path) -> None:
    key = run_key(uuid.uuid4(), "log", "jsonl", attempt=1)
    asked = 0

    def check() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:  # S3 takes eight megabytes at a time
            raise JobCancelled

    with pytest.raises(JobCancelled):
        save_file(key, file, check)
    assert not default_storage.exists(key)


def test_reading_ends_when_it_is_told_to(storage: str, file: Path, tmp_path: Path) -> None:
    key = run_key(uuid.uuid4(), "log", "jsonl", attempt=1)
    save_file(key, file)

    def stop(_: int) -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        join_objects([key], tmp_path / "back.bin", stop)


def test_what_is_gone_is_said(storage: str, tmp_path: Path) -> None:
    with pytest.raises(ObjectMissing):
        join_objects([run_key(uuid.uuid4(), "log", "jsonl", attempt=1)], tmp_path / "back.bin")


def test_all_or_none(storage: str, file: Path) -> None:
    def fail_after_two() -> None:
        with FileStash() as stash:
            for kind in ("a", "b"):
                stash.save(run_key(uuid.uuid4(), kind, "bin", attempt=1), file)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_after_two()
    assert list(walk("runs")) == []


def test_the_sweep_reads_the_row_from_every_key() -> None:
    row = uuid.uuid4()
    keys = [
        chunk_key(row),
        version_key(row, "sheet-a", "webp", attempt=3),
        run_key(row, "samples-100-map2sat", "webp", attempt=3),
        checkpoint_key(row, "arrays", "npz", attempt=1),
    ]
    assert {row_id(key) for key in keys} == {row}
    assert len({key.rsplit("-", 1)[1] for key in keys}) == 4
