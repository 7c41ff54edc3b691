"""The form of a dataset without script: the file comes with it, and nothing that was sent is lost."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.pages.helpers import text_of
from tests.training.conftest import Clients, uploaded
from training_jobs.models import DatasetVersion, Upload
from training_jobs.services import upload_append, upload_begin
from training_jobs.services.uploads import chunk_bytes

FIELDS = {"name": "Town", "a_side": "left"}
NEW = "/training/datasets/new/"


def sent(archive: bytes) -> SimpleUploadedFile:
    """The file as a browser sends it."""
    return SimpleUploadedFile("maps.zip", archive, content_type="application/zip")


def test_staff_may_send_what_others_may_not(clients: Clients, archive: bytes, settings: Settings) -> None:
    """The limit of ordinary requests does not hold for staff here; strangers' bytes are not even read."""
    settings.REQUEST_MAX_BYTES = 10_000
    for name, client in clients.items():
        answer = client.post(NEW, {**FIELDS, "archive": sent(archive)})
        assert answer.status_code == (302 if name == "carol" else 413), name
    assert DatasetVersion.objects.get().upload is not None
    settings.DATASET_MAX_BYTES = 10_000
    settings.REQUEST_MAX_BYTES = 20_000
    for address in (NEW, "/", "/nowhere/"):
        assert (
            clients["carol"].post(address, {**FIELDS, "archive": sent(bytes(2_000_000))}).status_code == 413
        )


def test_a_forged_form_with_a_file(carol: User, archive: bytes) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(carol, backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(NEW, {**FIELDS, "archive": sent(archive)}).status_code == 403
    assert not Upload.objects.exists()


def test_a_file_is_sent_once(clients: Clients, archive: bytes) -> None:
    """A form that is refused for another reason keeps what came with it."""
    answer = clients["carol"].post(NEW, {"a_side": "left", "archive": sent(archive)})
    assert answer.status_code == 422
    assert "maps.zip is here already" in text_of(answer)
    found = re.search(r'name="archive" value="([^"]+)"', answer.content.decode())
    assert found is not None
    assert clients["carol"].post(NEW, {**FIELDS, "archive": found[1]}).status_code == 302
    assert DatasetVersion.objects.get().upload == Upload.objects.get()


def test_what_was_not_finished_is_told_and_can_be_removed(
    clients: Clients, carol: User, alice: User, archive: bytes
) -> None:
    half = upload_begin(owner=carol, filename="half.zip", size=2_000_000)
    upload_append(upload=half, offset=0, data=bytes(1_000_000))
    whole, others = uploaded(carol, archive, filename="whole.zip"), uploaded(alice, archive, filename="x.zip")
    text = text_of(clients["carol"].get(NEW))
    assert "half.zip 1 MB of 2 MB" in text
    assert "whole.zip" in text
    assert "x.zip" not in text
    for name in ("alice", "bob", "nobody"):
        assert clients[name].post(f"/training/uploads/{half.pk}/discard/").status_code == 404
    assert clients["carol"].post(f"/training/uploads/{others.pk}/discard/").status_code == 404
    gone = clients["carol"].post(f"/training/uploads/{half.pk}/discard/", {"next": NEW})
    assert (gone.status_code, gone["Location"]) == (302, NEW)
    away = clients["carol"].post(f"/training/uploads/{whole.pk}/discard/", {"next": "https://example.org/"})
    assert away["Location"] == NEW
    assert Upload.objects.get() == others


def test_an_upload_that_a_dataset_has_is_told(clients: Clients, carol: User, archive: bytes) -> None:
    upload = uploaded(carol, archive)
    address = f"/training/uploads/{upload.pk}/"
    assert "Upload-Taken" not in clients["carol"].head(address)
    clients["carol"].post(NEW, {**FIELDS, "archive": str(upload.pk)})
    assert clients["carol"].head(address)["Upload-Taken"] == "true"


@pytest.mark.parametrize(
    ("request_limit", "expected", "largest"),
    [(21_000_000, 8 * 2**20, 16 * 2**20), (2_000_000, 2_000_000, 2_000_000)],
)
def test_a_chunk_fits_into_a_request(
    clients: Clients, settings: Settings, request_limit: int, expected: int, largest: int
) -> None:
    settings.REQUEST_MAX_BYTES = request_limit
    assert chunk_bytes() == expected
    assert f'data-chunk-bytes="{expected}"' in clients["carol"].get(NEW).content.decode()
    file = {"filename": "a.zip", "size": 10**8}
    announced = clients["carol"].post("/api/v1/uploads/", file, "application/json")
    assert announced.json()["chunk_limit"] == largest
