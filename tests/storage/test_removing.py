"""Objects that go: many in one request, whatever the server knows, and what is left is said."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from storage import s3
from storage.objects import backend, remove, save, walk
from storage.s3 import PrivateS3Storage
from tests.support.outage import Proxy
from translator.services import leftovers_remove, objects_release


def requests_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that grows by the name of every request to the S3 server from now on."""
    storage = backend()
    assert isinstance(storage, PrivateS3Storage)
    made: list[str] = []

    def note(model: Any, **_: Any) -> None:
        made.append(model.name)

    storage._client().meta.events.register("before-call.s3", note)
    return made


def stored(count: int) -> list[str]:
    """Keys of new objects."""
    keys = [f"runs/{number:04}-odd name & <ü>.bin" for number in range(count)]
    for key in keys:
        save(key, b"x")
    return keys


def test_many_go_in_few_requests(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "DELETE_LIMIT", 10)
    keys = stored(25)
    save("runs/kept.bin", b"x")
    made = requests_of(monkeypatch)
    assert remove([*keys, *keys, "runs/never-there.bin"]) == []
    assert made == ["DeleteObjects"] * 3
    assert list(walk("runs")) == ["runs/kept.bin"]


def test_a_server_that_deletes_one_by_one_only(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = stored(3)

    def refuse(*_: Any) -> None:
        answer: Any = {
            "Error": {"Code": "NotImplemented"}, "ResponseMetadata": {"HTTPStatusCode": 400},
        }  # fmt: skip
        raise ClientError(answer, "DeleteObjects")

    monkeypatch.setattr(PrivateS3Storage, "delete_many", refuse)
    assert remove(keys) == []
    assert list(walk("runs")) == []


def test_a_server_that_is_away_is_asked_once(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys = stored(5)
    made = requests_of(monkeypatch)
    with proxy.away():
        assert remove(keys) == keys
    assert len(made) == 1
    assert "5 objects could not be deleted" in caplog.text
    assert remove(keys) == []
    assert list(walk("runs")) == []


@pytest.mark.django_db(transaction=True)
def test_what_a_storage_that_is_away_did_not_delete_goes_later(proxy: Proxy) -> None:
    keys = stored(3)
    with proxy.away():
        objects_release(keys=keys)
        assert leftovers_remove() == 0
    assert list(walk("runs")) == sorted(keys)
    assert leftovers_remove() == 3
    assert list(walk("runs")) == []
