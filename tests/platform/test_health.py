"""/healthz: what is up and what is down, quickly, to everybody, without a secret."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from mapgan_site import presence, probes
from tests.support.broker import Broker
from tests.support.live import ROOT, LiveStack, clean_environment
from tests.support.s3 import S3Server
from tests.support.waiting import free_ports, wait_until


@pytest.fixture(autouse=True)
def _fresh_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    """An S3 answer of another test is not believed here."""
    monkeypatch.setattr(probes, "storage_watch", probes.StorageWatch())


def test_broker_down_is_said(client: Client, db: None) -> None:
    client.get("/healthz")  # the first request of a process loads every view
    response = client.get("/healthz")
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "degraded"
    assert body["parts"]["database"] == {"up": True}
    assert body["parts"]["storage"] == {"up": True}
    assert body["parts"]["broker"] == {"up": False, "message": "The broker does not answer."}
    assert body["parts"]["workers"]["up"] is False
    assert response["Cache-Control"].count("no-store") == 1


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_silent_broker_is_not_waited_for(client: Client, db: None, settings: Settings, scheme: str) -> None:
    """A host that takes connections and never answers: worse than one that refuses them."""
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        settings.REDIS_URL = f"{scheme}://:hidden-password@127.0.0.1:{listener.getsockname()[1]}/0"
        response = client.get("/healthz")  # whoever waited for it would still wait at the test's time limit
    assert response.json()["parts"]["broker"]["up"] is False
    assert "hidden-password" not in response.content.decode()
    assert "127.0.0.1" not in response.content.decode()


def test_parts_that_signed_lately(client: Client, db: None, broker: Broker) -> None:
    with broker.client as connection:
        presence.sign(connection, "translate@one:1")
        presence.sign(connection, "translate@two:2")
        presence.sign(connection, "data@one:5")
        presence.sign(connection, "train@one:6")
        presence.sign(connection, "beat@one:3")
        connection.zadd(presence.KEY, {"maintenance@one:4": time.time() - presence.FRESH_SECONDS - 1})
    workers = client.get("/healthz").json()["parts"]["workers"]
    assert workers == {
        "up": False,
        "message": "Not heard of lately: maintenance.",
        "translate": 2,
        "data": 1,
        "train": 1,
        "maintenance": 0,
        "beat": 1,
    }
    with broker.client as connection:
        presence.sign(connection, "maintenance@one:4")
        presence.sign_off(connection, "translate@two:2")
    assert client.get("/healthz").json()["parts"]["workers"] == {
        "up": True,
        "translate": 1,
        "data": 1,
        "train": 1,
        "maintenance": 1,
        "beat": 1,
    }


def test_a_broker_that_may_forget_is_said(client: Client, db: None, broker: Broker) -> None:
    with broker.client as connection:
        connection.config_set("maxmemory-policy", "allkeys-lru")
    assert "noeviction" in client.get("/healthz").json()["parts"]["broker"]["message"]


def test_database_down_is_503(tmp_path: Path) -> None:
    """A web process whose PostgreSQL nobody can reach."""
    code = (
        "import json, django; django.setup()\n"
        "from django.test import Client\n"
        "response = Client(SERVER_NAME='localhost').get('/healthz')\n"
        "print(json.dumps([response.status_code, response.json()]))"
    )
    variables = {
        "DJANGO_SETTINGS_MODULE": "mapgan_site.settings",
        "DATABASE_URL": f"postgresql://someone:hidden@127.0.0.1:{free_ports(1)[0]}/maps",
        "MAPGAN_VAR_DIR": str(tmp_path),
    }
    command = [sys.executable, "-c", code]
    asked = subprocess.run(
        command, env=clean_environment(**variables), capture_output=True, text=True, check=True, cwd=ROOT
    )
    status, body = json.loads(asked.stdout.splitlines()[-1])
    assert status == 503
    assert body["status"] == "down"
    assert body["parts"]["database"] == {"up": False, "message": "The database does not answer."}
    assert body["parts"]["storage"] == {"up": True}
    assert "hidden" not in asked.stdout + asked.stderr


def test_an_unwritable_folder_is_said(client: Client, db: None, settings: Settings) -> None:
    settings.MEDIA_ROOT = "/proc/nowhere/media"
    assert client.get("/healthz").json()["parts"]["storage"]["up"] is False


def test_s3(client: Client, s3_bucket: str, db: None) -> None:
    def is_up() -> bool:
        return bool(client.get("/healthz").json()["parts"]["storage"]["up"])

    wait_until(is_up, seconds=10, what="the storage to answer")


def test_s3_away_is_said(
    client: Client, db: None, s3_server: S3Server, s3_bucket: str, settings: Settings
) -> None:
    options = {
        **settings.STORAGES["default"]["OPTIONS"],
        "endpoint_url": f"http://127.0.0.1:{free_ports(1)[0]}",
    }
    settings.STORAGES = {**settings.STORAGES, "default": {**settings.STORAGES["default"], "OPTIONS": options}}
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json()["parts"]["storage"]["up"] is False


def test_only_reading_is_answered(client: Client, db: None) -> None:
    assert client.post("/healthz").status_code == 405


def test_every_process_of_a_live_system_signs(live_stack: LiveStack) -> None:
    status, body = live_stack.health()
    assert status == 200
    workers = wait_until(
        lambda: (found := live_stack.health()[1]["parts"]["workers"])["up"] and found,
        seconds=40,
        what="workers",
    )
    assert workers == {"up": True, "translate": 1, "data": 1, "train": 1, "maintenance": 1, "beat": 1}
    assert body["parts"]["generators"]["published"] >= 1
