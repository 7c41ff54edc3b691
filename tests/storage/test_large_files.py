"""Large files to a real S3 server: what was sent stays sent, whoever dies; chunks are joined there."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from jobs.errors import JobCancelled
from storage import multipart, patience
from storage.errors import StorageUnavailable
from storage.objects import (
    Stash,
    abort_stale_uploads,
    backend,
    blocks,
    join_objects,
    read,
    save,
    save_file,
    walk,
)
from storage.s3 import PrivateS3Storage
from tests.support.live import ROOT
from tests.support.outage import Proxy
from tests.support.s3 import S3Server
from tests.support.waiting import wait_until
from translator.services import orphans_sweep

MB = 2**20
PART, SIZE = 5 * MB, 43 * MB  # nine parts
SENDER = """
import json, sys, time
from pathlib import Path
import django
from django.conf import settings
options, path, part = json.loads(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
django.setup()
settings.STORAGES = {"default": options}
from storage import multipart, objects, s3
multipart.PART, multipart.SENDERS = part, 1
s3.PrivateS3Storage.large = part
slow = lambda **_: time.sleep(0.3)
objects.backend()._client().meta.events.register("before-send.s3.UploadPart", slow)
objects.save_file("checkpoints/00/sender.npz", path)
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is large here: a tenth of what it is for users, with the smallest parts that S3 takes."""
    monkeypatch.setattr(multipart, "PART", PART)
    monkeypatch.setattr(PrivateS3Storage, "large", PART)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "arrays.npz"
    path.write_bytes(random.Random(1).randbytes(SIZE))  # noqa: S311 - bytes that nothing compresses
    return path


def s3() -> PrivateS3Storage:
    storage = backend()
    assert isinstance(storage, PrivateS3Storage)
    return storage


def parts_sent() -> list[int]:
    """A list that grows by the number of every part that goes out from now on."""
    sent: list[int] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        sent.append(int(params["query_string"]["partNumber"]))

    s3()._client().meta.events.register("before-call.s3.UploadPart", note)
    return sent


def unfinished(bucket: str, server: S3Server) -> list[Any]:
    return server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])


def parts_there(bucket: str, server: S3Server) -> int:
    return sum(
        len(
            server.client()
            .list_parts(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
            .get("Parts", [])
        )
        for upload in unfinished(bucket, server)
    )


def assert_arrived(key: str, file: Path, bucket: str, server: S3Server) -> None:
    assert hashlib.sha256(read(key)).digest() == hashlib.sha256(file.read_bytes()).digest()
    assert unfinished(bucket, server) == []
    assert list(walk("incoming")) == []


def test_a_killed_upload_goes_on_under_another_key(
    s3_bucket: str, s3_server: S3Server, settings: Settings, file: Path
) -> None:
    """SIGKILL in the middle; the next attempt, whose key is another one, sends only what is missing."""
    arguments = [json.dumps(settings.STORAGES["default"]), str(file), str(PART)]
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", SENDER, *arguments], env=environment, cwd=ROOT)
    try:
        wait_until(lambda: parts_there(s3_bucket, s3_server) >= 3, seconds=60, what="some parts")
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    there = parts_there(s3_bucket, s3_server)
    assert 3 <= there < 9
    sent = parts_sent()
    save_file("checkpoints/11/another.npz", file)
    assert len(sent) == len(set(sent)) == 9 - there
    assert_arrived("checkpoints/11/another.npz", file, s3_bucket, s3_server)
    assert list(walk("checkpoints")) == ["checkpoints/11/another.npz"]


def test_a_part_that_is_not_ours_is_sent_again(s3_bucket: str, s3_server: S3Server, file: Path) -> None:
    storage = s3()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    staged = {"Bucket": s3_bucket, "Key": f"incoming/{digest}-{SIZE}"}
    client = s3_server.client()
    upload = client.create_multipart_upload(**staged)["UploadId"]
    client.upload_part(**staged, UploadId=upload, PartNumber=1, Body=file.read_bytes()[:PART])
    client.upload_part(**staged, UploadId=upload, PartNumber=2, Body=bytes(PART))
    sent = parts_sent()
    storage.put_large("checkpoints/22/whole.npz", file)
    assert sorted(sent) == [2, 3, 4, 5, 6, 7, 8, 9]
    assert_arrived("checkpoints/22/whole.npz", file, s3_bucket, s3_server)


def test_whole_but_not_yet_in_its_place(s3_bucket: str, s3_server: S3Server, file: Path) -> None:
    """Killed between the last part and the copy."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    s3_server.client().upload_file(str(file), s3_bucket, f"incoming/{digest}-{SIZE}")
    sent = parts_sent()
    save_file("checkpoints/33/whole.npz", file)
    assert sent == []
    assert_arrived("checkpoints/33/whole.npz", file, s3_bucket, s3_server)


def test_two_at_once_take_nothing_from_each_other(s3_bucket: str, s3_server: S3Server, file: Path) -> None:
    keys = [f"checkpoints/44/twin-{number}.npz" for number in range(4)]
    failures: list[BaseException] = []

    def store(key: str) -> None:
        try:
            save_file(key, file)
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=store, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(str(each), each.__notes__, each.__cause__) for each in failures] == []
    for key in keys:
        assert read(key) == file.read_bytes()


def test_a_wish_to_stop_keeps_what_was_sent(
    s3_bucket: str, s3_server: S3Server, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "SENDERS", 1)
    monkeypatch.setattr(multipart, "LOOK", 0.05)

    def check() -> None:
        if parts_there(s3_bucket, s3_server) >= 2:
            raise JobCancelled

    with pytest.raises(JobCancelled):
        save_file("checkpoints/55/stopped.npz", file, check)
    assert not s3().exists("checkpoints/55/stopped.npz")
    there = parts_there(s3_bucket, s3_server)
    sent = parts_sent()
    save_file("checkpoints/55/again.npz", file)
    assert len(sent) in (9 - there, 8 - there)  # one was under way


def test_who_cancels_does_not_wait_for_the_line(
    s3_bucket: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that hang in the middle of their way hold up nobody."""
    arrive, on_their_way = threading.Event(), threading.Event()

    def hang(**_: Any) -> None:
        on_their_way.set()
        arrive.wait(60)

    def check() -> None:
        if on_their_way.is_set():
            raise JobCancelled

    monkeypatch.setattr(multipart, "LOOK", 0.05)
    s3()._client().meta.events.register("before-send.s3.UploadPart", hang)
    try:
        with pytest.raises(JobCancelled):
            save_file("checkpoints/56/slow.npz", file, check)
        assert not arrive.is_set()
        assert any(thread.name.startswith("s3_") for thread in threading.enumerate())
    finally:
        arrive.set()
    save_file("checkpoints/56/again.npz", file)
    assert read("checkpoints/56/again.npz") == file.read_bytes()


def test_the_sweep_ends_what_nobody_goes_on_with(
    db: None, s3_bucket: str, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = s3_server.client()
    for key in ("incoming/abc-1", "datasets/abc.zip", "another/site.bin"):
        client.create_multipart_upload(Bucket=s3_bucket, Key=key)
    assert orphans_sweep() == 0
    assert len(unfinished(s3_bucket, s3_server)) == 3, "an attempt may go on with them"
    monkeypatch.setattr("translator.services.orphans.DAY", timedelta(seconds=-5))
    save("incoming/whole-1", b"x")
    assert orphans_sweep() == 1
    assert [upload["Key"] for upload in unfinished(s3_bucket, s3_server)] == ["another/site.bin"]
    assert list(walk("incoming")) == []
    assert abort_stale_uploads(["another"], before=datetime.now(UTC) + timedelta(seconds=5)) == 1


# --- Joined in the server --------------------------------------------------------------------------------


def test_chunks_are_joined_without_leaving_the_server(s3_bucket: str, tmp_path: Path) -> None:
    contents = {
        "uploads/aa/1": os.urandom(6 * MB),
        "uploads/aa/2": os.urandom(5 * MB),
        "uploads/aa/3": b"end",
    }
    for key, content in contents.items():
        save(key, content)
    size, digest = join_objects(contents, tmp_path / "archive.zip")
    sent = parts_sent()
    with Stash() as stash:
        sizes = {key: len(content) for key, content in contents.items()}
        key = stash.save_joined("datasets/joined.zip", sizes, tmp_path / "archive.zip")
    joined = read(key)
    assert (len(joined), hashlib.sha256(joined).hexdigest()) == (size, digest)
    assert sent == []


def test_small_chunks_are_sent_again(s3_bucket: str, tmp_path: Path) -> None:
    contents = {"uploads/aa/1": b"much too small", "uploads/aa/2": b"for a part"}
    for key, content in contents.items():
        save(key, content)
    join_objects(contents, tmp_path / "archive.zip")
    with Stash() as stash:
        sizes = {key: len(content) for key, content in contents.items()}
        stash.save_joined("datasets/joined.zip", sizes, tmp_path / "archive.zip")
    assert read("datasets/joined.zip") == b"much too smallfor a part"


# --- A storage that goes away meanwhile ------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again at once."""
    monkeypatch.setattr(patience, "FIRST", 0.05)
    monkeypatch.setattr(patience, "CAP", 0.2)


def test_an_outage_in_the_middle_of_an_upload(
    proxy: Proxy,
    s3_bucket: str,
    s3_server: S3Server,
    file: Path,
    impatient: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(multipart, "SENDERS", 1)
    sent = parts_sent()
    cut = threading.Event()

    def cut_once() -> None:
        if len(sent) >= 4 and not cut.is_set():
            cut.set()
            proxy.refuse()
            threading.Timer(2.0, proxy.allow).start()

    monkeypatch.setattr(multipart, "LOOK", 0.02)
    save_file("checkpoints/66/outage.npz", file, cut_once)
    assert cut.is_set()
    assert len(set(sent)) == 9
    assert sent.count(1) == sent.count(2) == 1, "what had arrived was not sent again"
    assert_arrived("checkpoints/66/outage.npz", file, s3_bucket, s3_server)


def test_an_outage_in_the_middle_of_a_download(
    proxy: Proxy, file: Path, tmp_path: Path, impatient: None
) -> None:
    save_file("checkpoints/77/back.npz", file)
    cut = threading.Event()

    def cut_once(done: int) -> None:
        if done > SIZE // 3 and not cut.is_set():
            cut.set()
            proxy.refuse()
            threading.Timer(1.0, proxy.allow).start()

    size, digest = join_objects(["checkpoints/77/back.npz"], tmp_path / "back.npz", cut_once)
    assert cut.is_set()
    assert (size, digest) == (SIZE, hashlib.sha256(file.read_bytes()).hexdigest())


def test_patience_ends(proxy: Proxy, file: Path, settings: Settings, impatient: None) -> None:
    settings.STORAGE_PATIENCE_SECONDS = 0.5
    asked: list[float] = []
    with proxy.away(), pytest.raises(StorageUnavailable) as failed:
        save_file("checkpoints/88/away.npz", file, lambda: asked.append(time.monotonic()))
    assert "MAPGAN_S3_ENDPOINT_URL" in failed.value.__notes__[0]
    assert asked


def test_who_waits_can_be_stopped(proxy: Proxy) -> None:
    def cancelled() -> None:
        raise JobCancelled

    with proxy.away(), pytest.raises(JobCancelled):
        save("runs/x.webp", b"x", cancelled)


def test_reading_from_a_place(s3_bucket: str) -> None:
    save("runs/ten.bin", b"0123456789")
    assert b"".join(blocks("runs/ten.bin", start=4)) == b"456789"
    assert list(blocks("runs/ten.bin", start=10)) == []
