"""Bad input: each fault names its part and the setting to look at, and is over when it is over."""

from __future__ import annotations

import datetime as clock
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.files.storage import storages
from pytest_django import Settings

from mapgan_site import diagnosis
from storage.errors import ObjectMissing, StorageRefused, StorageUnavailable, explain
from storage.objects import link, read, save
from storage.s3 import PrivateS3Storage
from storage.trial import trials
from tests.support.broker import Broker
from tests.support.live import ROOT, clean_environment
from tests.support.outage import Proxy
from tests.support.postgres import Postgres
from tests.support.s3 import S3Server

OPTIONS = {"content_type": "image/png", "disposition": "inline", "seconds": 60}


def words(error: BaseException) -> str:
    return " ".join(error.__notes__)


class Clock:
    """Moves the clock of this process's signatures."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off = clock.timedelta(0)
        import botocore.auth
        import botocore.compat

        import storage.errors

        owner = self

        class Skewed(clock.datetime):
            @classmethod
            def now(cls, tz: Any = None) -> Any:
                return clock.datetime.now(tz) + owner.off

        def current(remove_tzinfo: bool = True) -> clock.datetime:
            now = clock.datetime.now(clock.UTC) + owner.off
            return now.replace(tzinfo=None) if remove_tzinfo else now

        monkeypatch.setattr(botocore.auth, "get_current_datetime", current)
        monkeypatch.setattr(storage.errors, "datetime", Skewed)


@pytest.fixture
def our_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_a_wrong_secret(change_s3: Callable[..., None]) -> None:
    change_s3(secret_key="wrong")
    for use in (lambda: save("runs/x", b"x"), lambda: read("runs/x"), lambda: link("runs/x", **OPTIONS)):
        with pytest.raises(StorageRefused) as refused:
            use()
        assert "MAPGAN_S3_" in words(refused.value)
        assert "wrong" not in words(refused.value)
    with pytest.raises(StorageRefused) as refused:
        read("runs/x")
    assert "MAPGAN_S3_SECRET_ACCESS_KEY does not belong" in words(refused.value)


def test_an_unknown_key(change_s3: Callable[..., None]) -> None:
    change_s3(access_key="nobody")
    with pytest.raises(StorageRefused) as refused:
        save("runs/x", b"x")
    assert "MAPGAN_S3_ACCESS_KEY_ID" in words(refused.value)


def test_a_missing_bucket_makes_no_object_missing(change_s3: Callable[..., None]) -> None:
    with pytest.raises(ObjectMissing):
        read("runs/never-stored")
    change_s3(bucket_name="no-such-bucket")
    for use in (lambda: read("runs/x"), lambda: link("runs/x", **OPTIONS)):
        with pytest.raises(StorageRefused) as refused:
            use()
        assert "MAPGAN_S3_BUCKET" in words(refused.value)


def test_nobody_answers(proxy: Proxy) -> None:
    save("runs/x", b"x")
    with proxy.away(), pytest.raises(StorageUnavailable) as silent:
        read("runs/x")
    assert "MAPGAN_S3_ENDPOINT_URL" in words(silent.value)
    assert proxy.url not in words(silent.value) + str(silent.value)
    assert read("runs/x") == b"x"


@pytest.mark.parametrize(("hours", "way"), [(1, "60 minutes ahead of"), (-1, "60 minutes behind")])
def test_a_clock_off_by_an_hour(s3_bucket: str, our_clock: Clock, hours: int, way: str) -> None:
    save("runs/x", b"x")
    our_clock.off = clock.timedelta(hours=hours)
    for use in (lambda: save("runs/y", b"y"), lambda: read("runs/x"), lambda: link("runs/x", **OPTIONS)):
        with pytest.raises(StorageRefused) as refused:
            use()
        assert way in words(refused.value)
        assert "NTP" in words(refused.value)
    our_clock.off = clock.timedelta(0)
    assert read("runs/x") == b"x"


@pytest.mark.parametrize("minutes", [-5, 5])
def test_links_of_a_clock_off_by_minutes_work(s3_bucket: str, our_clock: Clock, minutes: int) -> None:
    """A link of a minute, dated five minutes ago, would be over before it began."""
    save("runs/x", b"x")
    our_clock.off = clock.timedelta(minutes=minutes)
    with urllib.request.urlopen(link("runs/x", **OPTIONS), timeout=10) as answer:  # noqa: S310
        assert answer.read() == b"x"
        assert answer.headers["Cache-Control"] == "private, no-store"


def test_the_trial_finds_a_sound_storage_sound(s3_bucket: str) -> None:
    done = list(trials(storages["default"]))
    assert done[0] == "written"
    assert "fetched through a link" in done
    assert list(storages["default"].keys_below("doctor")) == []


def test_the_trial_follows_a_link_as_browsers_do(change_s3: Callable[..., None]) -> None:
    change_s3(public_endpoint_url="http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable) as failed:
        list(trials(storages["default"]))
    assert "MAPGAN_S3_PUBLIC_ENDPOINT_URL" in words(failed.value)


def test_a_prefix_keeps_apart(change_s3: Callable[..., None], s3_bucket: str, s3_server: S3Server) -> None:
    change_s3(location="sites/maps")
    save("runs/x", b"x")
    assert s3_server.client().get_object(Bucket=s3_bucket, Key="sites/maps/runs/x")["Body"].read() == b"x"
    assert list(storages["default"].keys_below("runs")) == ["runs/x"]
    assert read("runs/x") == b"x"


def test_encryption_is_asked_for_with_every_object() -> None:
    made = PrivateS3Storage(
        bucket_name="b", access_key="k", secret_key="s", encryption="aws:kms", kms_key="alias/maps"
    )
    wanted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/maps"}
    assert made.object_parameters == wanted
    assert wanted.items() <= made._get_write_parameters("x").items()
    assert made._uploads()._parameters == wanted
    assert made._uploads()._is_of("no-md5", "md5"), "parts under KMS are known by their place and size"


def test_without_keys_boto3_looks_where_it_always_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    made = PrivateS3Storage(bucket_name="b", access_key="", secret_key="", security_token=None)
    found = made._create_session().get_credentials()
    assert found is not None
    assert found.access_key == "from-the-environment"


# --- The other parts -------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Any) -> Iterator[Broker]:
    broker = Broker(tmp_path / "redis.sock")
    broker.start()
    yield broker
    broker.close()


def test_the_broker(server: Broker, settings: Settings) -> None:
    settings.REDIS_URL = f"unix://{server.socket}"
    assert diagnosis.broker_problems() == []
    with server.client as client:
        client.config_set("appendonly", "no")
        client.config_set("maxmemory-policy", "allkeys-lru")
    found = " ".join(diagnosis.broker_problems())
    assert "noeviction, not allkeys-lru" in found
    assert "appendonly to yes" in found
    with server.client as client:
        client.config_set("requirepass", "secret")
    assert diagnosis.broker_problems() == [diagnosis.BROKER_REFUSES]
    server.stop()
    assert diagnosis.broker_problems() == [diagnosis.BROKER_SILENT]
    assert "REDIS_URL" in diagnosis.BROKER_SILENT


SAY = "from mapgan_site.diagnosis import database_problems\nprint(database_problems())"


def said_of(url: str, **variables: str) -> str:
    """What a process with this DATABASE_URL says of its database."""
    result = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", SAY],
        env=clean_environment(DATABASE_URL=url, MAPGAN_SECRET_KEY="x" * 50, **variables),
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_database(postgres: Postgres, tmp_path: Any) -> None:
    own = {"MAPGAN_VAR_DIR": str(tmp_path), "MAPGAN_DATABASE_POOL": "0"}
    said = said_of("postgresql://u:s3cret@127.0.0.1:9/x", **own)
    assert "does not answer: look at DATABASE_URL" in said
    assert "s3cret" not in said
    assert "no such database" in said_of(postgres.url("nowhere"), **own)
    assert "TLS" in said_of(f"{postgres.url()}?sslmode=require", **own)
    assert "lacks" in said_of(postgres.url(), **own)
    pooled = said_of(postgres.url(), **{**own, "MAPGAN_DATABASE_POOL": "2"})
    assert "lacks" in pooled, "the same through a pool"


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ('FATAL: password authentication failed for user "x"', "refuses the password"),
        ("FATAL: remaining connection slots are reserved", "no connection left"),
        ("couldn't get a connection after 10.00 sec", "MAPGAN_DATABASE_POOL"),
        ("canceling statement due to statement timeout", "MAPGAN_DATABASE_TIMEOUT_SECONDS"),
        ("ERROR: unsupported startup parameter: options", "MAPGAN_DATABASE_TIMEOUT_SECONDS=0"),
    ],
)
def test_what_the_database_says_in_our_words(message: str, part: str) -> None:
    assert part in diagnosis.explain_database(RuntimeError(message))


def test_a_full_disk_names_its_folder() -> None:
    assert "MAPGAN_VAR_DIR" in explain(OSError(28, "No space left on device"))
