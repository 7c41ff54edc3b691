"""Fixtures of the tests of training: archives of made-up pairs, and the four people's browsers."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.mapgan.pairs import write_maps
from training_jobs.models import DatasetVersion, Upload
from training_jobs.services import About, Source, dataset_create, upload_append, upload_begin

Clients = dict[str, Client]


@pytest.fixture
def clients(
    alice_client: Client, bob_client: Client, carol_client: Client, anonymous_client: Client
) -> Clients:
    """Carol is staff; Alice and Bob have accounts, and nobody is signed in."""
    return {"alice": alice_client, "bob": bob_client, "carol": carol_client, "nobody": anonymous_client}


@pytest.fixture(autouse=True)
def work_dir(settings: Settings, tmp_path: Path) -> Path:
    """A worker's scratch space of its own."""
    folder = tmp_path / "work"
    settings.TRAINING_WORK_DIR = folder
    return folder


def zipped(folder: Path) -> bytes:
    """The folder's files as a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return out.getvalue()


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """Twelve pairs, side by side, as a zip."""
    write_maps(tmp_path / "pairs" / "train", 12)
    return zipped(tmp_path / "pairs")


def uploaded(owner: User, data: bytes, *, filename: str = "maps.zip") -> Upload:
    """A complete upload, in two chunks."""
    upload = upload_begin(owner=owner, filename=filename, size=len(data))
    half = len(data) // 2
    for part in (data[:half], data[half:]):
        upload_append(upload=upload, offset=upload.received, data=part)
    return upload


def brought(owner: User, data: bytes, *, name: str = "Maps", filename: str = "maps.zip") -> DatasetVersion:
    """A new dataset whose first version waits to be examined."""
    source = Source(upload=uploaded(owner, data, filename=filename))
    return dataset_create(by=owner, about=About(name=name), source=source)
