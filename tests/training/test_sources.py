"""Pictures from elsewhere: an S3 prefix (a real server), a folder, a version's own pictures once more."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings

from accounts.models import User
from jobs.errors import LeaseLost
from jobs.models import JobState
from jobs.runner import Attempt
from tests.mapgan.pairs import write_maps
from tests.pages.helpers import text_of
from tests.support.s3 import S3Server
from tests.training.conftest import Clients, brought
from tests.training.test_examine import examined
from training_jobs.models import DatasetSource, DatasetVersion
from training_jobs.services import (
    About,
    DatasetRefused,
    Source,
    SplitChoice,
    allowed_s3,
    dataset_create,
    version_create,
)
from training_jobs.services.sources import S3Place
from training_jobs.worker import bringing
from training_jobs.worker.packing import Member, MemberChanged, Packing
from training_jobs.worker.s3 import pack_prefix

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Twelve pairs in a folder."""
    return write_maps(tmp_path / "pairs" / "train", 12).parent


@pytest.fixture
def prefix(s3_server: S3Server, settings: Settings, pairs: Path) -> S3Place:
    """The pairs below a prefix that may be imported from; a secret lies beside it."""
    bucket = "tiles-of-the-town"
    s3_server.make_bucket(bucket)
    client = s3_server.client()
    for path in pairs.rglob("*.png"):
        client.put_object(Bucket=bucket, Key=f"maps/{path.relative_to(pairs)}", Body=path.read_bytes())
    client.put_object(Bucket=bucket, Key="maps/train/", Body=b"")  # how a console marks a folder
    client.put_object(Bucket=bucket, Key="maps-secret/1.png", Body=b"x")
    settings.DATASET_S3_PREFIXES = [(bucket, "maps/")]
    settings.DATASET_S3 = {
        "endpoint_url": s3_server.endpoint_url,
        "region_name": "us-east-1",
        "addressing_style": "path",
        "access_key": s3_server.access_key,
        "secret_key": s3_server.secret_key,
    }
    return S3Place(bucket, "maps/")


def imported(carol: User, place: str, name: str = "S3") -> DatasetVersion:
    """A version of what is there, examined."""
    return examined(dataset_create(by=carol, about=About(name=name), source=Source(s3=place)))


def names_in(version: DatasetVersion) -> list[str]:
    """Members of its stored tar."""
    with default_storage.open(version.archive) as stored, tarfile.open(fileobj=stored) as tar:
        return tar.getnames()


def test_a_prefix_becomes_a_version(carol: User, prefix: S3Place, work_dir: Path) -> None:
    version = imported(carol, str(prefix))
    assert (version.state, version.error_details) == (JobState.SUCCEEDED, "")
    assert (version.source, version.location) == (DatasetSource.S3, "s3://tiles-of-the-town/maps/")
    assert version.summary["pairs"] == {"train": 12}
    assert len(names_in(version)) == 12
    assert names_in(version)[0] == "train/1.png"
    assert list((work_dir / "imports").iterdir()) == []
    again = imported(carol, "s3://tiles-of-the-town/maps", "Again")
    assert again.archive_sha256 == version.archive_sha256  # the same pictures, the same hash


def test_only_what_is_allowed(carol: User, prefix: S3Place, settings: Settings) -> None:
    for place in (
        "s3://tiles-of-the-town/",
        "s3://tiles-of-the-town/maps-secret/",
        "s3://tiles-of-the-town/map",
        "s3://another/maps/",
        "tiles-of-the-town\n/maps",
        "https://example.org/maps/",
        "",
        "/",
    ):
        with pytest.raises(DatasetRefused, match="at or below s3://tiles-of-the-town/maps/"):
            allowed_s3(place)
    assert str(allowed_s3("tiles-of-the-town/maps/train")) == "s3://tiles-of-the-town/maps/train/"
    version = dataset_create(by=carol, about=About(name="S3"), source=Source(s3=str(prefix)))
    settings.DATASET_S3_PREFIXES = [("tiles-of-the-town", "other/")]  # it changed before a worker came
    assert examined(version).error_code == "s3_refused"
    settings.DATASET_S3_PREFIXES = []
    with pytest.raises(DatasetRefused, match="imports nothing from S3"):
        allowed_s3(str(prefix))


def test_what_s3_says_is_said_in_words(
    carol: User, prefix: S3Place, settings: Settings, work_dir: Path
) -> None:
    nothing = imported(carol, f"{prefix}nothing", "Nothing")
    assert (nothing.state, nothing.error_code) == (JobState.FAILED, "nothing_there")
    assert "no objects below s3://tiles-of-the-town/maps/nothing/" in nothing.error_message
    settings.DATASET_MAX_BYTES = 1000
    assert imported(carol, str(prefix), "Large").error_code == "too_large"
    settings.DATASET_MAX_BYTES = 10**9
    settings.DATASET_S3 = {**settings.DATASET_S3, "secret_key": "wrong"}
    refused = imported(carol, str(prefix), "Refused")
    assert (refused.state, refused.error_code) == (JobState.FAILED, "s3_refused")
    assert "does not let us read" in refused.error_message
    assert "wrong" not in refused.error_message + refused.error_details
    settings.DATASET_S3 = {**settings.DATASET_S3, "endpoint_url": "http://127.0.0.1:9"}
    away = imported(carol, str(prefix), "Away")
    assert away.state == JobState.QUEUED  # it comes back
    assert [path.name for path in (work_dir / "imports").iterdir()] == [away.pk.hex]


class Dying(Attempt):
    """An attempt whose worker loses it after some members."""

    def __init__(self, after: int) -> None:
        super().__init__(1)
        self.left = after

    def report(self, progress: float, stage: str | None = None) -> None:
        self.left -= 1
        if not self.left:
            raise LeaseLost


def test_another_attempt_goes_on_where_one_ended(
    prefix: S3Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    from training_jobs.worker import s3

    make = s3._client

    def counted() -> S3Client:
        client = make()
        client.meta.events.register(
            "before-parameter-build.s3.GetObject", lambda params, **_: fetched.append(params["Key"])
        )
        return client

    monkeypatch.setattr(s3, "_client", counted)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    with Packing(whole) as packing:
        pack_prefix(prefix, packing, Attempt(1), 1.0)
        expected = packing.finish().read_bytes()
    fetched.clear()
    with pytest.raises(LeaseLost), Packing(cut) as packing:
        pack_prefix(prefix, packing, Dying(5), 1.0)
    with (cut / "pictures.tar").open("ab") as tar:  # as a kill in the middle of a member leaves it
        tar.write(b"half a member")
    with Packing(cut) as packing:
        pack_prefix(prefix, packing, Attempt(2), 1.0)
        assert packing.finish().read_bytes() == expected
    assert len(fetched) == 12
    assert len(set(fetched)) == 12  # nothing was fetched twice


def test_what_changed_meanwhile_is_fetched_anew(prefix: S3Place, tmp_path: Path, s3_server: S3Server) -> None:
    with pytest.raises(LeaseLost), Packing(tmp_path) as packing:
        pack_prefix(prefix, packing, Dying(5), 1.0)
    first = sorted(json.loads(line)["name"] for line in (tmp_path / "journal.jsonl").open())[0]
    s3_server.client().put_object(Bucket=prefix.bucket, Key=f"maps/{first}", Body=b"other bytes")
    with Packing(tmp_path) as packing:
        pack_prefix(prefix, packing, Attempt(2), 1.0)
        path = packing.finish()
    with tarfile.open(path) as tar:
        member = tar.extractfile(first)
        assert member is not None
        assert member.read() == b"other bytes"
        assert len(tar.getnames()) == 12


def test_a_member_must_be_as_long_as_it_was_said(tmp_path: Path) -> None:
    with Packing(tmp_path) as packing:
        packing.add(Member("a", 3), [b"abc"])
        for blocks in ([b"ab"], [b"ab", b"cd"]):
            with pytest.raises(MemberChanged):
                packing.add(Member("b", 3), blocks)
        packing.add(Member("c", 0), [])
        path = packing.finish()
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["a", "c"]


def test_what_no_version_waits_for_is_removed(carol: User, prefix: S3Place, work_dir: Path) -> None:
    stray = work_dir / "imports" / ("0" * 32)
    stray.mkdir(parents=True)
    imported(carol, str(prefix))
    assert not stray.exists()


def test_a_folder_makes_the_same_bytes_each_time(
    carol: User, pairs: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.DATASET_ROOTS = [str(tmp_path)]
    one = examined(dataset_create(by=carol, about=About(name="A"), source=Source(folder=str(pairs))))
    copy = shutil.copytree(pairs, tmp_path / "copy")
    os.utime(copy / "train" / "1.png", (1, 1))
    two = examined(dataset_create(by=carol, about=About(name="B"), source=Source(folder=str(copy))))
    assert one.archive_sha256 == two.archive_sha256 != ""


def test_the_pictures_of_a_version_again(carol: User, archive: bytes, clients: Clients) -> None:
    """Divided another way: a version of its own, of the same bytes; the first one stays as it is."""
    first = examined(brought(carol, archive))
    split = SplitChoice(kind="grouped", share=0.25, seed=5)
    source = Source(version=first, split=split)
    second = examined(version_create(dataset=first.dataset, by=carol, source=source))
    assert (second.state, second.error_details) == (JobState.SUCCEEDED, "")
    assert (second.source, second.taken_from) == (DatasetSource.VERSION, first)
    assert second.archive_sha256 == first.archive_sha256 == hashlib.sha256(archive).hexdigest()
    assert second.archive != first.archive
    assert second.summary["split"] == {"train": {"pairs": 9}, "val": {"pairs": 3}, "test": {"pairs": 0}}
    text = text_of(clients["carol"].get(second.get_absolute_url()))
    assert "to learn from 9" in text
    assert "for validation 3" in text
    assert "Maps v1" in text  # the same bytes
    first.refresh_from_db()
    assert first.split == ""
    default_storage.delete(first.archive)
    third = examined(version_create(dataset=first.dataset, by=carol, source=Source(version=first)))
    assert third.error_code == "version_gone"


def test_an_import_is_offered_where_it_is_possible(
    clients: Clients, settings: Settings, tmp_path: Path, pairs: Path
) -> None:
    page = text_of(clients["carol"].get("/training/datasets/new/"))
    assert "prefix on S3" not in page
    assert "folder of the server" not in page
    settings.DATASET_S3_PREFIXES = [("tiles", "maps/")]
    settings.DATASET_ROOTS = [str(tmp_path)]
    page = text_of(clients["carol"].get("/training/datasets/new/"))
    assert "At or below s3://tiles/maps/" in page
    fields: dict[str, Any] = {"name": "X", "a_side": "left", "split_kind": "kept"}
    both = {**fields, "folder": str(pairs), "s3": "s3://tiles/maps/"}
    answer = clients["carol"].post("/training/datasets/new/", both)
    assert "only one of them" in text_of(answer)
    answer = clients["carol"].post("/training/datasets/new/", {**fields, "s3": "s3://other/"})
    assert "Name a prefix at or below" in text_of(answer)
    answer = clients["carol"].post("/training/datasets/new/", {**fields, "s3": "s3://tiles/maps/a"})
    assert answer.status_code == 302
    assert DatasetVersion.objects.get().location == "s3://tiles/maps/a/"


def test_suffixes() -> None:
    assert [bringing._suffix(name) for name in ("a.zip", "b.c.tar.gz", "tar.zip", "x.TAR.XZ")] == [
        ".zip",
        ".tar.gz",
        ".zip",
        ".TAR.XZ",
    ]
