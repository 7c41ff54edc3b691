"""Chunked uploads: in order, once, resumable, and nobody else's business."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from jobs.models import JobState
from tests.pages.helpers import text_of
from tests.training.conftest import Clients, brought, uploaded
from training_jobs.models import DatasetVersion, Upload, UploadChunk
from training_jobs.services import (
    UploadConflict,
    UploadRefused,
    upload_append,
    upload_begin,
    upload_discard,
    uploads_sweep,
)
from training_jobs.services.uploads import CHUNK_LIMIT, OPEN_LIMIT

pytestmark = pytest.mark.database

OCTETS = "application/offset+octet-stream"


def begin(client: Client, size: int, name: str = "maps.zip") -> Any:
    """What FilePond sends first."""
    return client.post("/training/uploads/", headers={"Upload-Name": name, "Upload-Length": str(size)})


def send(client: Client, upload_id: str, offset: int, data: bytes) -> Any:
    """One chunk."""
    headers = {"Upload-Offset": str(offset)}
    return client.patch(f"/training/uploads/{upload_id}/", data, content_type=OCTETS, headers=headers)


def content(upload: Upload) -> bytes:
    """What the storage has of it."""
    parts = []
    for chunk in upload.chunks.all():
        with default_storage.open(chunk.key) as stored:
            parts.append(stored.read())
    return b"".join(parts)


def test_a_file_arrives_in_chunks(carol_client: Client) -> None:
    started = begin(carol_client, 10, "my%20maps.tar.gz")
    assert started.status_code == 201
    upload_id = started.content.decode()
    assert started["Location"] == f"/training/uploads/{upload_id}/"
    for offset, data in ((0, b"abcd"), (4, b"efgh"), (8, b"ij")):
        answer = send(carol_client, upload_id, offset, data)
        assert (answer.status_code, answer["Upload-Offset"]) == (204, str(offset + len(data)))
    upload = Upload.objects.get(pk=upload_id)
    assert upload.is_complete
    assert (content(upload), upload.filename) == (b"abcdefghij", "my maps.tar.gz")


def test_after_an_interruption_the_server_says_where_to_go_on(carol_client: Client) -> None:
    upload_id = begin(carol_client, 10).content.decode()
    send(carol_client, upload_id, 0, b"abcd")
    asked = carol_client.head(f"/training/uploads/{upload_id}/")
    assert (asked.status_code, asked["Upload-Offset"], asked["Upload-Length"]) == (200, "4", "10")
    assert carol_client.head(f"/training/uploads/{upload_id}")["Upload-Offset"] == "4"  # as FilePond asks


def test_a_chunk_whose_answer_was_lost_may_come_again(carol_client: Client) -> None:
    upload_id = begin(carol_client, 10).content.decode()
    for _ in range(2):
        assert send(carol_client, upload_id, 0, b"abcd").status_code == 204
    assert UploadChunk.objects.count() == 1


def test_a_gap_is_refused_with_the_right_place(carol_client: Client) -> None:
    upload_id = begin(carol_client, 10).content.decode()
    send(carol_client, upload_id, 0, b"abcd")
    for offset in (5, 2):  # beyond the end, and across it
        answer = send(carol_client, upload_id, offset, b"efgh")
        assert (answer.status_code, answer["Upload-Offset"]) == (409, "4")
        assert "byte 4" in answer.content.decode()
    assert content(Upload.objects.get(pk=upload_id)) == b"abcd"


def test_more_than_was_announced_is_refused(carol: User) -> None:
    upload = upload_begin(owner=carol, filename="a.zip", size=3)
    with pytest.raises(UploadRefused, match="More bytes"):
        upload_append(upload=upload, offset=0, data=b"abcd")
    with pytest.raises(UploadRefused, match="at most"):
        upload_append(upload=upload, offset=0, data=b"x" * (CHUNK_LIMIT + 1))
    assert not UploadChunk.objects.exists()


def test_of_two_senders_of_one_chunk_one_wins(carol: User) -> None:
    """The second read the row before the first wrote it."""
    first = upload_begin(owner=carol, filename="a.zip", size=8)
    second = Upload.objects.get(pk=first.pk)
    upload_append(upload=first, offset=0, data=b"abcd")
    with pytest.raises(UploadConflict) as conflict:
        upload_append(upload=second, offset=0, data=b"ABCD")
    assert conflict.value.received == 4
    assert content(first) == b"abcd"


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [
        ("maps.zip", 0, "empty"),
        ("maps.zip", 6_000_000_000, "at most 5 GB"),
        ("maps.exe", 10, "zip or tar"),
        ("", 10, "zip or tar"),
    ],
)
def test_what_cannot_be_is_refused_at_once(carol_client: Client, name: str, size: int, words: str) -> None:
    answer = begin(carol_client, size, name)
    assert answer.status_code == 422
    assert words in answer.content.decode()


@pytest.mark.parametrize("length", ["", "ten", "-5", "1e3", "9" * 30])
def test_lengths_that_are_none(carol_client: Client, length: str) -> None:
    headers = {"Upload-Name": "a.zip", "Upload-Length": length}
    assert carol_client.post("/training/uploads/", headers=headers).status_code == 422


def test_unfinished_uploads_are_few(carol: User) -> None:
    for _ in range(OPEN_LIMIT):
        upload_begin(owner=carol, filename="a.zip", size=3)
    with pytest.raises(UploadRefused, match="Finish or cancel"):
        upload_begin(owner=carol, filename="a.zip", size=3)


def test_giving_up_leaves_nothing(
    carol_client: Client, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    upload_id = begin(carol_client, 10).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        send(carol_client, upload_id, 0, b"abcd")
    key = UploadChunk.objects.get().key
    with django_capture_on_commit_callbacks(execute=True):
        assert carol_client.delete(f"/training/uploads/{upload_id}/").status_code == 204
    assert not Upload.objects.exists()
    assert not default_storage.exists(key)


def test_the_sweep_takes_what_is_forgotten_and_unused(carol: User, archive: bytes) -> None:
    fresh, old = (uploaded(carol, b"1234") for _ in range(2))
    waiting = brought(carol, archive).upload
    assert waiting is not None
    long_ago = timezone.now() - timedelta(days=3)
    Upload.objects.filter(pk__in=[old.pk, waiting.pk]).update(touched_at=long_ago)
    assert uploads_sweep() == 1
    assert set(Upload.objects.values_list("pk", flat=True)) == {fresh.pk, waiting.pk}


def test_what_a_dataset_is_made_of_is_not_given_up(clients: Clients, carol: User, archive: bytes) -> None:
    version = brought(carol, archive)
    address, client = f"/training/uploads/{version.upload_id}/", clients["carol"]
    for state in (JobState.QUEUED, JobState.RUNNING):
        DatasetVersion.objects.update(state=state)
        answer = client.delete(address)
        assert answer.status_code == 409
        assert "Stop its examination first" in answer.content.decode()
        page = client.post(f"{address}discard/", {"next": "/training/datasets/"}, follow=True)
        assert "Stop its examination first" in text_of(page)
        api = client.delete(f"/api/v1/uploads/{version.upload_id}/")
        assert (api.status_code, api.json()["code"]) == (409, "conflict")
        act = {"action": "delete_selected", "_selected_action": str(version.upload_id), "post": "yes"}
        for path, fields in (("", act), (f"{version.upload_id}/delete/", {"post": "yes"})):
            page = client.post(f"/admin/training/upload/{path}", fields, follow=True)
            assert "Stop its examination first" in page.content.decode()
        assert UploadChunk.objects.count() == 2
    DatasetVersion.objects.update(state=JobState.CANCELLED)
    assert client.delete(address).status_code == 204
    assert not UploadChunk.objects.exists()


def test_only_staff_uploads_and_only_its_own(clients: Clients, carol: User, alice: User) -> None:
    for name in ("alice", "bob", "nobody"):
        assert begin(clients[name], 10).status_code == 404
    own, others = (upload_begin(owner=owner, filename="a.zip", size=3) for owner in (carol, alice))
    for upload, allowed in ((own, {"carol"}), (others, set())):
        for name, client in clients.items():
            address = f"/training/uploads/{upload.pk}/"
            expected = 200 if name in allowed else 404
            assert client.head(address).status_code == expected, name
            if not allowed:
                assert client.delete(address).status_code == 404
                assert send(client, str(upload.pk), 0, b"abc").status_code == 404
    assert clients["carol"].head(f"/training/uploads/{uuid.uuid4()}/").status_code == 404


def test_a_discarded_upload_takes_no_more(carol: User) -> None:
    upload = upload_begin(owner=carol, filename="a.zip", size=3)
    upload_discard(upload=upload)
    with pytest.raises((UploadConflict, Upload.DoesNotExist)):
        upload_append(upload=upload, offset=0, data=b"abc")


def test_a_storage_that_is_full_is_said(carol_client: Client, settings: Settings) -> None:
    upload_id = begin(carol_client, 10).content.decode()
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": "/dev/full/x"},
        },
    }
    answer = send(carol_client, upload_id, 0, b"abcd")
    assert answer.status_code == 503
    assert "storage" in answer.content.decode()
    assert Upload.objects.get().received == 0
