"""A program brings a dataset: it sends the archive in chunks, follows the examination, reads the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from mapgan.presets import preset
from tests.api.test_problems import assert_problem
from tests.mapgan.pairs import write_maps
from tests.training.conftest import archive, brought, uploaded, work_dir, zipped
from training_jobs import tasks
from training_jobs.models import Dataset, DatasetVersion, Upload
from training_jobs.services.runs import run_start
from training_jobs.services.uploads import CHUNK_LIMIT

__all__ = ["archive", "work_dir"]

Api = Callable[[User | None], APIClient]

pytestmark = pytest.mark.django_db(transaction=True)

OCTETS = "application/offset+octet-stream"
ABOUT = {"name": "Town", "licence": "CC BY", "ground_resolution": 0.6}


def send(client: APIClient, url: str, offset: Any, data: bytes) -> Any:
    """One chunk."""
    return client.generic("PATCH", url, data, OCTETS, headers={"Upload-Offset": str(offset)})


def test_the_whole_way(api_of: Api, carol: User, archive: bytes) -> None:
    client = api_of(carol)
    made = client.post("/api/v1/uploads/", {"filename": "maps.zip", "size": len(archive)})
    assert made.status_code == 201
    assert made["Location"] == made.json()["url"]
    url, half = made["Location"], len(archive) // 2
    assert send(client, url, 0, archive[:half]).json()["received"] == half
    assert_problem(send(client, url, half + 1, archive[half:]), 409, "conflict")
    assert client.get(url).json()["received"] == half  # where to go on
    assert send(client, url, half, archive[half:]).json()["is_complete"] is True
    upload = made.json()["id"]
    split = {"kind": "grouped", "share": 0.25, "seed": 4}
    answer = client.post("/api/v1/datasets/", {**ABOUT, "upload": upload, "split": split})
    assert answer.status_code == 201, answer.json()
    version = answer.json()
    assert (version["status"], version["queue_position"], version["source"]) == ("queued", 1, "upload")
    tasks.examine(version["id"])
    version = client.get(answer["Location"]).json()
    assert (version["status"], version["pairs"], version["error"]) == ("succeeded", {"train": 12}, None)
    assert version["archive_sha256"] == hashlib.sha256(archive).hexdigest()
    assert version["split"] == {
        **split, "test_share": 0.0,
        "counts": {"train": {"pairs": 9}, "val": {"pairs": 3}, "test": {"pairs": 0}},
    }  # fmt: skip
    report = client.get(version["report_url"])
    assert report["Content-Type"] == "application/json"
    assert json.loads(report.getvalue())["pairs"] == {"train": 12}
    assert set(version["sheet_urls"]) >= {"a", "b"}
    sheet = client.get(version["sheet_urls"]["a"])
    assert (sheet.status_code, sheet["Content-Type"]) == (200, "image/webp")
    listed = client.get("/api/v1/datasets/").json()["results"][0]
    assert (listed["name"], listed["newest_version"]["number"]) == ("Town", 1)
    assert listed["created_by"] == "carol"
    assert not Upload.objects.exists()


@pytest.fixture
def town(carol: User, archive: bytes) -> Dataset:
    """A dataset with a version that waits."""
    return brought(carol, archive, name="Town").dataset


def test_what_is_said_of_it_is_changed(api_of: Api, carol: User, archive: bytes, town: Dataset) -> None:
    client, url = api_of(carol), f"/api/v1/datasets/{town.pk}/"
    changed = client.patch(url, {"licence": "CC0"})
    assert (changed.status_code, changed.json()["licence"], changed.json()["name"]) == (200, "CC0", "Town")
    brought(carol, archive, name="Village")
    body = assert_problem(client.patch(url, {"name": "Village"}), 400, "invalid")
    assert body["errors"] == [
        {
            "field": "name",
            "code": "refused",
            "message": "There is a dataset of this name. Choose another one.",
        }
    ]
    assert_problem(client.patch(url, {"ground_resolution": -1}), 400, "invalid")
    assert_problem(client.put(url, {}), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"upload": None}, "upload"),
        ({"upload": str(uuid4())}, "upload"),
        ({"folder": "/tmp"}, "upload"),
        ({"name": ""}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"a_side": "top"}, "a_side"),
        ({"ground_resolution": "NaN"}, "ground_resolution"),
        ({"ground_resolution": "inf"}, "ground_resolution"),
        ({"split": {"kind": "odd"}}, "split.kind"),
        ({"split": {"share": 0.7, "test_share": 0.4}}, "split.test_share"),
        ({"split": {"seed": 2**40}}, "split.seed"),
        ({"split": []}, "split"),
    ],
)
def test_what_is_wrong_is_named(
    api_of: Api, carol: User, archive: bytes, change: dict[str, Any], field: str
) -> None:
    values = {**ABOUT, "upload": str(uploaded(carol, archive).pk), **change}
    values = {name: value for name, value in values.items() if value is not None}
    body = assert_problem(api_of(carol).post("/api/v1/datasets/", values), 400, "invalid")
    assert field in {error["field"].removesuffix(".non_field_errors") for error in body["errors"]}
    assert not Dataset.objects.exists()


def test_uploads_are_one_s_own(api_of: Api, carol: User, alice: User, archive: bytes) -> None:
    alice.is_staff = True
    alice.save()
    own, other = uploaded(carol, archive), uploaded(alice, archive)
    client = api_of(carol)
    assert [each["id"] for each in client.get("/api/v1/uploads/").json()["results"]] == [str(own.pk)]
    url = f"/api/v1/uploads/{other.pk}/"
    for answer in (client.get(url), send(client, url, 0, b"x"), client.delete(url)):
        assert_problem(answer, 404, "not_found")
    body = assert_problem(
        client.post("/api/v1/datasets/", {**ABOUT, "upload": str(other.pk)}), 400, "invalid"
    )
    assert body["errors"][0]["field"] == "upload"
    assert client.delete(f"/api/v1/uploads/{own.pk}/").status_code == 204
    assert Upload.objects.get() == other


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"filename": "maps.exe", "size": 5}, "zip or tar"),
        ({"filename": "maps.zip", "size": 6_000_000_000}, "at most 5 GB"),
        ({"filename": "maps.zip", "size": 0}, "greater than or equal to 1"),
        ({"filename": "maps.zip", "size": 2**80}, "less than or equal"),
        ({"filename": "maps.zip"}, "required"),
    ],
)
def test_what_cannot_be_sent(api_of: Api, carol: User, values: dict[str, Any], words: str) -> None:
    body = assert_problem(api_of(carol).post("/api/v1/uploads/", values), 400, "invalid")
    assert words in body["errors"][0]["message"]


def test_chunks_that_are_none(api_of: Api, carol: User) -> None:
    client = api_of(carol)
    url = client.post("/api/v1/uploads/", {"filename": "a.zip", "size": 10}).json()["url"]
    for offset in ("", "-1", "x", "1e3", "9" * 30):
        assert_problem(send(client, url, offset, b"abc"), 400, "invalid")
    assert_problem(send(client, url, 0, b"x" * 11), 400, "invalid")
    assert_problem(client.patch(url, {"a": 1}), 400, "invalid")
    assert_problem(client.generic("PATCH", url, b"abc", "text/plain"), 415, "unsupported_media_type")
    assert client.get(url).json()["received"] == 0
    large = client.post("/api/v1/uploads/", {"filename": "a.zip", "size": 10**8}).json()["url"]
    assert "at most" in str(send(client, large, 0, b"x" * (CHUNK_LIMIT + 1)).json())


def test_a_session_must_not_be_forged(carol: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(carol, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post("/api/v1/uploads/", {"filename": "a.zip", "size": 5}, "application/json")
    assert_problem(answer, 403, "permission_denied")


def test_the_storage_is_away(api_of: Api, carol: User, settings: Settings) -> None:
    client = api_of(carol)
    url = client.post("/api/v1/uploads/", {"filename": "a.zip", "size": 10}).json()["url"]
    media = Path(settings.MEDIA_ROOT)
    media.mkdir(exist_ok=True, parents=True)
    media.rename(media.with_name("away"))
    media.write_text("no folder")
    answer = send(client, url, 0, b"abc")
    assert_problem(answer, 503, "storage_unavailable")
    assert answer["Retry-After"]


def test_versions_are_stopped_tried_and_divided_anew(api_of: Api, carol: User, town: Dataset) -> None:
    client, versions = api_of(carol), f"/api/v1/datasets/{town.pk}/versions/"
    one = f"{versions}1/"
    assert client.post(f"{one}cancel/").json()["status"] == "cancelled"
    assert_problem(client.post(f"{one}cancel/"), 409, "conflict")
    assert_problem(client.get(f"{one}report/"), 404, "not_found")
    assert_problem(client.get(f"{one}sheets/a/"), 404, "not_found")
    assert_problem(client.post(versions, {"version": 1}), 400, "invalid")
    assert client.post(f"{one}retry/").json()["status"] == "queued"
    assert_problem(client.post(f"{one}retry/"), 409, "conflict")
    tasks.examine(client.get(one).json()["id"])
    assert_problem(client.post(versions, {"version": 7}), 400, "invalid")
    made = client.post(versions, {"version": 1, "split": {"kind": "grouped"}})
    assert (made.status_code, made.json()["number"], made.json()["source"]) == (201, 2, "version")
    assert [each["number"] for each in client.get(versions).json()["results"]] == [2, 1]
    assert client.delete(f"{versions}2/").status_code == 204
    assert_problem(client.delete(one), 400, "invalid")  # the only one


def test_what_is_in_use_stays(api_of: Api, carol: User, town: Dataset) -> None:
    client = api_of(carol)
    version = DatasetVersion.objects.get()
    tasks.examine(str(version.pk))
    version.refresh_from_db()
    run = run_start(by=carol, name="First", dataset_version=version, config=preset("draft"))
    body = assert_problem(client.delete(f"/api/v1/datasets/{town.pk}/"), 409, "in_use")
    assert body["errors"] == [
        {
            "field": "",
            "code": "training_run",
            "message": f"First http://testserver{run.get_absolute_url()}",
        }
    ]
    run.delete()
    assert client.delete(f"/api/v1/datasets/{town.pk}/").status_code == 204
    assert not any(default_storage.exists(key) for key in version.storage_keys)


def test_a_folder_of_the_server(api_of: Api, carol: User, settings: Settings, tmp_path: Path) -> None:
    client = api_of(carol)
    write_maps(tmp_path / "root" / "train", 2)
    body = assert_problem(client.post("/api/v1/datasets/", {**ABOUT, "folder": "/"}), 400, "invalid")
    assert body["errors"][0]["field"] == "folder"
    body = assert_problem(client.post("/api/v1/datasets/", {**ABOUT, "s3": "s3://a/b"}), 400, "invalid")
    assert body["errors"][0]["field"] == "s3"
    settings.DATASET_ROOTS = [str(tmp_path / "root")]
    settings.DATASET_S3_PREFIXES = [("tiles", "maps/")]
    made = client.post("/api/v1/datasets/", {**ABOUT, "folder": str(tmp_path / "root")})
    assert (made.status_code, made.json()["source"]) == (201, "folder")
    made = client.post("/api/v1/datasets/", {**ABOUT, "name": "S3", "s3": "s3://tiles/maps/a"})
    assert (made.status_code, made.json()["location"]) == (201, "s3://tiles/maps/a/")


def test_why_it_failed(api_of: Api, carol: User) -> None:
    version = brought(carol, zipped(Path("/nonexistent")))
    tasks.examine(str(version.pk))
    found = api_of(carol).get(f"/api/v1/datasets/{version.dataset_id}/versions/1/").json()
    assert (found["status"], found["error"]["code"]) == ("failed", "unusable")
    assert "empty" in found["error"]["message"]
