"""Examining a version: the real command in a child process, real archives, real files."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from PIL import Image
from pytest_django import Settings

from accounts.models import User
from jobs.models import JobState
from tests.mapgan.pairs import write_maps
from tests.pages.helpers import text_of
from tests.training.conftest import Clients, brought, zipped
from training_jobs import tasks
from training_jobs.models import Dataset, DatasetVersion, Upload
from training_jobs.services import About, Source, dataset_create, version_cancel, version_retry
from translator.storage import read, walk

pytestmark = pytest.mark.django_db(transaction=True)


def examined(version: DatasetVersion) -> DatasetVersion:
    """Run one attempt, as a worker does."""
    tasks.examine(str(version.pk))
    version.refresh_from_db()
    return version


def test_an_archive_becomes_a_version(carol: User, clients: Clients, archive: bytes, work_dir: Path) -> None:
    version = examined(brought(carol, archive))
    assert (version.state, version.error_details) == (JobState.SUCCEEDED, "")
    assert version.summary["pairs"] == {"train": 12}
    assert version.archive_sha256 == hashlib.sha256(archive).hexdigest()
    assert read(version.archive) == archive
    assert json.loads(read(version.report))["pairs"] == {"train": 12}
    for key in (version.sheet_a, version.sheet_b):
        with Image.open(io.BytesIO(read(key))) as sheet:
            assert sheet.format == "WEBP"
            assert sheet.width > sheet.height
    assert not Upload.objects.exists()  # its chunks are copies now
    assert set(walk("uploads")) == set()
    assert list(work_dir.iterdir()) == []
    page = clients["carol"].get(version.get_absolute_url())
    assert "12 usable pairs" in text_of(page)
    for kind in ("a", "b"):
        answer = clients["carol"].get(f"/training/versions/{version.pk}/sheets/{kind}/")
        assert (answer.status_code, answer["Content-Type"]) == (200, "image/webp")
        for stranger in ("alice", "nobody"):
            address = f"/training/versions/{version.pk}/sheets/{kind}/"
            assert clients[stranger].get(address).status_code == 404


def test_findings_are_shown_with_their_tiles(carol: User, clients: Clients, tmp_path: Path) -> None:
    folder = write_maps(tmp_path / "pairs" / "train", 12)
    (folder / "3.png").write_bytes(b"no picture")
    version = examined(brought(carol, zipped(tmp_path / "pairs")))
    assert version.state == JobState.SUCCEEDED
    assert version.summary["findings"]["error"] == 1
    assert version.pairs == 11
    text = text_of(clients["carol"].get(version.get_absolute_url()))
    assert "Unreadable files" in text
    assert "3.png" in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04 and then nothing", "zip"),
        (b"x" * 5000, "zip"),
        (zipped(Path("/nonexistent")), "empty"),
    ],
)
def test_what_is_no_archive_of_pictures_is_said(
    carol: User, clients: Clients, data: bytes, words: str, work_dir: Path
) -> None:
    version = examined(brought(carol, data))
    assert (version.state, version.error_code) == (JobState.FAILED, "unusable")
    assert words in version.error_message
    assert str(work_dir) not in version.error_message
    assert set(walk("datasets")) == set()
    assert not Upload.objects.exists()  # another look would find the same
    assert version.error_message in text_of(clients["carol"].get(version.get_absolute_url()))


def test_a_path_that_leaves_the_archive_is_refused(carol: User, tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("../../evil.png")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))
    version = examined(brought(carol, out.getvalue(), filename="maps.tar"))
    assert (version.state, version.error_code) == (JobState.FAILED, "unusable")
    assert "evil.png" in version.error_message
    assert not list(tmp_path.rglob("evil.png"))


def test_a_folder_of_the_server_is_packed(carol: User, settings: Settings, tmp_path: Path) -> None:
    folder = write_maps(tmp_path / "root" / "pairs" / "train", 9).parent
    settings.DATASET_ROOTS = [str(tmp_path / "root")]
    version = dataset_create(by=carol, about=About(name="A"), source=Source(folder=str(folder)))
    examined(version)
    assert (version.state, version.error_details) == (JobState.SUCCEEDED, "")
    with default_storage.open(version.archive) as stored, tarfile.open(fileobj=stored) as tar:
        names = sorted(tar.getnames())
    assert names[0] == "train/1.png"


def test_cancelled_while_it_is_examined(
    carol: User, archive: bytes, work_dir: Path, settings: Settings
) -> None:
    settings.JOB_PROGRESS_SECONDS = 0.05
    version = brought(carol, archive)

    def cancel() -> None:
        version_cancel(version=DatasetVersion.objects.get(pk=version.pk), by=carol)

    threading.Timer(0.3, cancel).start()
    examined(version)
    assert version.state == JobState.CANCELLED
    assert list(work_dir.iterdir()) == []
    assert version_retry(version=version, by=carol)
    assert examined(version).state == JobState.SUCCEEDED


def test_a_dataset_deleted_meanwhile_leaves_nothing(carol: User, archive: bytes, settings: Settings) -> None:
    settings.JOB_PROGRESS_SECONDS = 0.05
    version = brought(carol, archive)
    threading.Timer(0.3, lambda: Dataset.objects.all().delete()).start()
    tasks.examine(str(version.pk))
    assert not DatasetVersion.objects.exists()
    assert set(walk("datasets")) == set()
