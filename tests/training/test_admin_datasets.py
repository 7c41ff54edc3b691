"""The administration of datasets: staff look, help and delete by the services; nobody edits a version."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from jobs.models import JobState
from mapgan.presets import preset
from tests.training.conftest import brought, uploaded
from training_jobs.models import Dataset, DatasetVersion, TrainingRun, Upload, UploadChunk
from training_jobs.services import version_create
from training_jobs.services.datasets import Source

ADMIN = "/admin/training/"
MODELS = ("dataset", "datasetversion", "upload", "uploadchunk")


@pytest.fixture
def version(carol: User, archive: bytes) -> DatasetVersion:
    """One that waits; its upload is there."""
    return brought(carol, archive)


@pytest.mark.parametrize("model", MODELS)
def test_who_gets_in(
    client_of: Callable[[User | None], Client], alice: User, bob: User, carol: User, model: str
) -> None:
    for user in (alice, bob, None):
        assert client_of(user).get(f"{ADMIN}{model}/").status_code in (302, 403)
    assert client_of(carol).get(f"{ADMIN}{model}/").status_code == 200


def test_lists_search_and_pages(carol_client: Client, version: DatasetVersion) -> None:
    chunk = UploadChunk.objects.first()
    assert chunk is not None
    for address, words in (
        ("dataset/?q=Maps", "Maps"),
        (f"dataset/{version.dataset_id}/change/", "maps.zip"),
        (f"datasetversion/?q={version.pk}&state__exact=queued", "maps.zip"),
        (f"datasetversion/{version.pk}/change/", "maps.zip"),
        ("upload/?complete=yes&q=carol", "maps.zip"),
        (f"upload/{version.upload_id}/change/", "maps.zip"),
        (f"uploadchunk/?q={chunk.key}", chunk.key),
    ):
        answer = carol_client.get(f"{ADMIN}{address}")
        assert answer.status_code == 200, address
        assert words in answer.content.decode(), address
    assert "maps.zip" not in carol_client.get(f"{ADMIN}upload/?complete=no").content.decode()


def test_rows_come_and_change_by_services_alone(carol_client: Client, version: DatasetVersion) -> None:
    for model in MODELS:
        assert carol_client.get(f"{ADMIN}{model}/add/").status_code == 403
    for address in (f"datasetversion/{version.pk}", f"upload/{version.upload_id}"):
        assert carol_client.post(f"{ADMIN}{address}/change/", {"number": "9"}).status_code == 403
    fields = {"name": "Town", "licence": "CC0", "versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0"}
    assert carol_client.post(f"{ADMIN}dataset/{version.dataset_id}/change/", fields).status_code == 302
    dataset = Dataset.objects.get()
    assert (dataset.name, dataset.licence) == ("Town", "CC0")
    bad = carol_client.post(f"{ADMIN}dataset/{dataset.pk}/change/", {**fields, "name": ""})
    assert bad.status_code == 200
    assert "This field is required" in bad.content.decode()


def act(client: Client, model: str, action: str, row: object) -> str:
    """Run an action on a row; the page that follows."""
    fields = {"action": action, "_selected_action": str(row), "post": "yes"}
    answer = client.post(f"{ADMIN}{model}/", fields, follow=True)
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_examinations_are_stopped_and_tried_again(carol_client: Client, version: DatasetVersion) -> None:
    assert "Stopped: 1." in act(carol_client, "datasetversion", "cancel", version.pk)
    version.refresh_from_db()
    assert version.state == JobState.CANCELLED
    assert "Queued again: 1." in act(carol_client, "datasetversion", "retry", version.pk)


def test_what_is_deleted_goes_with_its_files(
    carol_client: Client,
    carol: User,
    archive: bytes,
    version: DatasetVersion,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        second = version_create(
            dataset=version.dataset, by=carol, source=Source(upload=uploaded(carol, archive))
        )
        alone = uploaded(carol, b"1234")
    keys = list(UploadChunk.objects.values_list("key", flat=True))
    assert len(keys) == 6
    with django_capture_on_commit_callbacks(execute=True):
        act(carol_client, "datasetversion", "delete_selected", second.pk)
        assert "only version" in act(carol_client, "datasetversion", "delete_selected", version.pk)
        carol_client.post(f"{ADMIN}upload/{alone.pk}/delete/", {"post": "yes"})
    assert DatasetVersion.objects.get() == version
    assert Upload.objects.get() == version.upload
    with django_capture_on_commit_callbacks(execute=True):
        carol_client.post(f"{ADMIN}dataset/{version.dataset_id}/delete/", {"post": "yes"})
    assert not Dataset.objects.exists()
    assert not Upload.objects.exists()
    assert not any(default_storage.exists(key) for key in keys)


def test_what_is_in_use_stays(carol_client: Client, carol: User, version: DatasetVersion) -> None:
    TrainingRun.objects.create(name="R", dataset_version=version, config=preset("draft").to_dict())
    act(carol_client, "dataset", "delete_selected", version.dataset_id)
    carol_client.post(f"{ADMIN}dataset/{version.dataset_id}/delete/", {"post": "yes"})
    carol_client.post(f"{ADMIN}datasetversion/{version.pk}/delete/", {"post": "yes"})
    assert DatasetVersion.objects.get() == version
