"""Jobs that meet a storage that is away, or a disk that is too small: nothing is lost, and they go on."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings

from accounts.models import User
from jobs.models import JobState
from storage.objects import read
from storage.s3 import PrivateS3Storage
from tests.mapgan.pairs import write_maps
from tests.support.outage import Proxy
from tests.training import tiny
from tests.training.conftest import brought, zipped
from tests.training.test_examine import examined
from tests.translator.factories import generator_file, run, submitted
from training_jobs.services import version_retry
from translator import worker
from translator.models import Generator, Translation
from translator.services import generator_import

pytestmark = pytest.mark.django_db(transaction=True)

MB = 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte, which really says that it is full."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("Only root can mount a small file system.")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"No file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def enlarge(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Until nothing fits."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))


@pytest.fixture
def generator(db: None) -> Generator:
    worker.networks.clear()
    return generator_import(source=generator_file(), publish=True)


def test_a_translation_waits_for_the_storage_however_often_it_is_asked(
    proxy: Proxy, alice: User, generator: Generator, settings: Settings
) -> None:
    translation = submitted(alice, generator)
    attempts = settings.JOB_MAX_ATTEMPTS + 3
    with proxy.away():
        for attempt in range(1, attempts + 1):
            Translation.objects.update(not_before=None)
            run(translation)
            assert (translation.state, translation.attempt) == (JobState.QUEUED, attempt)
    assert "MAPGAN_S3_ENDPOINT_URL" in translation.error_details
    Translation.objects.update(not_before=None)
    assert run(translation).state == JobState.SUCCEEDED
    assert translation.error_details == ""
    assert default_storage.exists(translation.result)


def test_no_room_for_a_generator(
    small_disk: Path, alice: User, generator: Generator, settings: Settings
) -> None:
    settings.TRANSLATOR_CACHE_DIR = small_disk / "generators"
    settings.TRANSLATOR_CACHE_DIR.mkdir()
    fill(small_disk)
    translation = submitted(alice, generator)
    run(translation)
    assert (translation.state, translation.attempt) == (JobState.QUEUED, 1)
    assert "The disk of MAPGAN_VAR_DIR is full" in translation.error_details
    enlarge(small_disk)
    Translation.objects.update(not_before=None)
    assert run(translation).state == JobState.SUCCEEDED


def test_no_room_for_a_dataset(small_disk: Path, carol: User, settings: Settings, tmp_path: Path) -> None:
    settings.TRAINING_WORK_DIR = small_disk / "work"
    write_maps(tmp_path / "pairs" / "train", 12)
    (tmp_path / "pairs" / "notes.txt").write_bytes(os.urandom(2 * MB))
    archive = zipped(tmp_path / "pairs")
    version = examined(brought(carol, archive))
    assert (version.state, version.error_code) == (JobState.FAILED, "no_room")
    assert "MAPGAN_WORK_DIR" in version.error_message
    assert "No space left" in version.error_details
    assert list(small_disk.rglob("*.zip")) == [], "half a file takes no room"
    enlarge(small_disk)
    assert version_retry(version=version, by=carol)
    again = examined(version)
    assert (again.state, again.error_details) == (JobState.SUCCEEDED, "")


@pytest.mark.django_db(transaction=True)
def test_no_room_to_unpack_a_dataset_for_a_training(
    small_disk: Path, carol: User, settings: Settings, tmp_path: Path
) -> None:
    """The archive fits, its pictures beside it do not: the child says so, and a person hears what to do."""
    settings.TRAINING_WORK_DIR = small_disk / "work"
    write_maps(tmp_path / "pairs" / "train", 12)
    archive = zipped(tmp_path / "pairs")
    run = tiny.tiny_run(carol, tiny.examined(carol, archive, tmp_path))
    (small_disk / "filler").write_bytes(bytes(MB - len(archive) * 3 // 2))
    tiny.worked_on(run)
    assert (run.state, run.error_code) == (JobState.FAILED, "no_room")
    assert "MAPGAN_WORK_DIR" in run.error_message
    assert str(small_disk) not in run.error_message
    assert "unpack" in run.error_details


def test_an_uploaded_dataset_is_joined_in_the_server(
    carol: User, s3_bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chunks become the archive inside S3: the worker sends none of it again."""
    write_maps(tmp_path / "pairs" / "train", 12)
    (tmp_path / "pairs" / "notes.txt").write_bytes(os.urandom(11 * MB))
    archive = zipped(tmp_path / "pairs")
    version = brought(carol, archive)  # in two chunks
    sent: list[int] = []
    put = PrivateS3Storage._save

    def noted(storage: PrivateS3Storage, name: str, content: Any) -> str:
        sent.append(content.size)
        return str(put(storage, name, content))

    monkeypatch.setattr(PrivateS3Storage, "_save", noted)
    examined(version)
    assert (version.state, version.error_details) == (JobState.SUCCEEDED, "")
    assert read(version.archive) == archive
    assert version.archive_bytes == len(archive)
    assert max(sent) < MB, "the report and the sheets, and no archive"
