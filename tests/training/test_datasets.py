"""Datasets and their versions: made from an upload or a folder, changed, deleted, staff only."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from jobs.models import JobState
from tests.mapgan.pairs import write_maps
from tests.pages.helpers import text_of
from tests.training.conftest import Clients, brought, uploaded
from training_jobs.models import Dataset, DatasetSource, DatasetVersion, Upload
from training_jobs.services import (
    About,
    DatasetRefused,
    Source,
    dataset_create,
    dataset_delete,
    dataset_update,
    upload_begin,
    version_create,
)

pytestmark = pytest.mark.database

FIELDS = {"name": "New York", "a_side": "left", "attribution": "The city", "ground_resolution": "2.4"}


def test_a_new_dataset_waits_to_be_examined(carol: User, archive: bytes) -> None:
    version = brought(carol, archive)
    assert (version.number, version.state, version.source) == (1, JobState.QUEUED, DatasetSource.UPLOAD)
    assert version.location == "maps.zip"
    assert version.upload is not None


def test_versions_are_counted(carol: User, archive: bytes) -> None:
    first = brought(carol, archive)
    second = version_create(
        dataset=first.dataset, by=carol, source=Source(upload=uploaded(carol, archive), a_side="right")
    )
    assert (second.number, second.a_side) == (2, "right")


def test_names_are_unique(carol: User, archive: bytes) -> None:
    brought(carol, archive, name="One")
    other = brought(carol, archive, name="Two").dataset
    with pytest.raises(DatasetRefused, match="of this name"):
        dataset_create(by=carol, about=About(name="One"), source=Source(upload=uploaded(carol, archive)))
    with pytest.raises(DatasetRefused, match="of this name"):
        dataset_update(dataset=other, by=carol, about=About(name="One"))
    assert Dataset.objects.count() == 2
    assert DatasetVersion.objects.count() == 2  # no half of one is left


def test_an_upload_must_be_whole_own_and_new(carol: User, alice: User, archive: bytes) -> None:
    used = brought(carol, archive).upload
    unfinished = upload_begin(owner=carol, filename="a.zip", size=10)
    for upload, words in (
        (unfinished, "not complete"),
        (uploaded(alice, archive), "not yours"),
        (used, "already"),
    ):
        with pytest.raises(DatasetRefused, match=words):
            dataset_create(by=carol, about=About(name="X"), source=Source(upload=upload))
    assert not Dataset.objects.filter(name="X").exists()


def test_folders_only_inside_the_roots(carol: User, settings: Settings, tmp_path: Path) -> None:
    inside, outside = (write_maps(tmp_path / name / "pairs", 2) for name in ("root", "other"))
    (tmp_path / "root" / "link").symlink_to(outside)
    settings.DATASET_ROOTS = [str(tmp_path / "root")]
    version = dataset_create(by=carol, about=About(name="A"), source=Source(folder=str(inside)))
    assert (version.source, version.location) == (DatasetSource.FOLDER, str(inside))
    for folder in (
        outside,
        tmp_path / "root" / "link",
        tmp_path / "root" / ".." / "other" / "pairs",
        tmp_path / "root" / "nothing",
        "",
        "/",
        "\0",
    ):
        with pytest.raises(DatasetRefused, match="no such folder"):
            dataset_create(by=carol, about=About(name="B"), source=Source(folder=str(folder)))
    settings.DATASET_ROOTS = []
    with pytest.raises(DatasetRefused, match="takes no folders"):
        dataset_create(by=carol, about=About(name="B"), source=Source(folder=str(inside)))


def test_deleting_leaves_nothing(
    carol: User, archive: bytes, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        version = brought(carol, archive)
    assert version.upload is not None
    keys = list(version.upload.chunks.values_list("key", flat=True))
    with django_capture_on_commit_callbacks(execute=True):
        dataset_delete(dataset=version.dataset, by=carol)
    assert not Dataset.objects.exists()
    assert not Upload.objects.exists()
    assert not any(default_storage.exists(key) for key in keys)


def test_staff_brings_a_dataset_in_the_form(clients: Clients, carol: User, archive: bytes) -> None:
    upload = uploaded(carol, archive)
    answer = clients["carol"].post("/training/datasets/new/", {**FIELDS, "archive": str(upload.pk)})
    version = DatasetVersion.objects.get()
    assert answer.status_code == 302
    assert answer["Location"] == f"/training/datasets/{version.dataset_id}/versions/1/"
    assert version.dataset.ground_resolution == 2.4
    page = clients["carol"].get(answer["Location"])
    assert page.status_code == 200
    assert "Next in the queue" in text_of(page)
    assert "New York" in text_of(clients["carol"].get("/training/datasets/"))


def test_without_script_the_file_comes_with_the_form(clients: Clients, archive: bytes) -> None:
    sent = SimpleUploadedFile("maps.zip", archive, content_type="application/zip")
    answer = clients["carol"].post("/training/datasets/new/", {**FIELDS, "archive": sent})
    assert answer.status_code == 302
    upload = DatasetVersion.objects.get().upload
    assert upload is not None
    assert (upload.is_complete, upload.size) == (True, len(archive))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"archive": ""}, "Choose an archive."),
        ({"archive": "no-id"}, "not there any more"),
        ({"archive": str(uuid.uuid4())}, "not there any more"),
        ({"name": ""}, "This field is required."),
        ({"a_side": "top"}, "Select a valid choice"),
        ({"ground_resolution": "-1"}, "greater than or equal"),
        ({"ground_resolution": "nan"}, "Enter a number."),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(
    clients: Clients, carol: User, archive: bytes, change: dict[str, str], words: str
) -> None:
    fields = {**FIELDS, "archive": str(uploaded(carol, archive).pk), **change}
    answer = clients["carol"].post("/training/datasets/new/", fields)
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert not Dataset.objects.exists()


def test_what_is_said_of_it_can_be_changed(clients: Clients, carol: User, archive: bytes) -> None:
    dataset = brought(carol, archive).dataset
    address = f"/training/datasets/{dataset.pk}/edit/"
    assert clients["carol"].get(address).status_code == 200
    assert clients["carol"].post(address, {**FIELDS, "licence": "CC BY"}).status_code == 302
    dataset.refresh_from_db()
    assert (dataset.name, dataset.licence) == ("New York", "CC BY")
    assert clients["carol"].post(address, {"name": ""}).status_code == 422


def test_an_examination_is_stopped_and_tried_again(clients: Clients, carol: User, archive: bytes) -> None:
    version = brought(carol, archive)
    page = f"/training/datasets/{version.dataset_id}/versions/1/"
    assert clients["carol"].post(f"/training/versions/{version.pk}/cancel/")["Location"] == page
    version.refresh_from_db()
    assert version.state == JobState.CANCELLED
    assert "Cancelled" in text_of(clients["carol"].get(page))
    clients["carol"].post(f"/training/versions/{version.pk}/retry/")
    version.refresh_from_db()
    assert version.state == JobState.QUEUED


def test_every_address_meets_all_four_people(clients: Clients, carol: User, archive: bytes) -> None:
    version = brought(carol, archive)
    dataset = f"/training/datasets/{version.dataset_id}/"
    pages = [
        "/training/datasets/",
        "/training/datasets/new/",
        dataset,
        f"{dataset}edit/",
        f"{dataset}delete/",
        f"{dataset}versions/1/",
        f"{dataset}versions/new/",
        f"/training/versions/{version.pk}/status/",
    ]
    for page in pages:
        for name, client in clients.items():
            expected = 200 if name == "carol" else 404
            assert client.get(page).status_code == expected, (page, name)
    actions = [
        f"{dataset}delete/",
        f"{dataset}edit/",
        f"{dataset}versions/new/",
        "/training/datasets/new/",
        f"/training/versions/{version.pk}/cancel/",
        f"/training/versions/{version.pk}/retry/",
    ]
    for action in actions:
        for name in ("alice", "bob", "nobody"):
            assert clients[name].post(action, FIELDS).status_code == 404, (action, name)
    assert Dataset.objects.get().name == "Maps"
    for name, client in clients.items():
        menu = client.get("/").content.decode()
        assert ("/training/datasets/" in menu) == (name == "carol")


def test_what_does_not_exist(clients: Clients, carol: User, archive: bytes) -> None:
    version = brought(carol, archive)
    for address in (
        f"/training/datasets/{uuid.uuid4()}/",
        f"/training/datasets/{version.dataset_id}/versions/2/",
        f"/training/versions/{uuid.uuid4()}/status/",
        f"/training/versions/{version.pk}/sheets/a/",
        f"/training/versions/{version.pk}/sheets/report/",
    ):
        assert clients["carol"].get(address).status_code == 404


def test_an_empty_list_says_what_to_do(clients: Clients) -> None:
    assert "No dataset yet" in text_of(clients["carol"].get("/training/datasets/"))
