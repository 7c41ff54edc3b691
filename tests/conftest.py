"""Fixtures for every test: people, clients, real servers, a browser. See tests/README.md."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from scripts.browser import Browser as Chromium
from scripts.browser import find
from tests.support.broker import Broker, forget_connections
from tests.support.live import LiveStack
from tests.support.postgres import Postgres
from tests.support.s3 import S3Server

if TYPE_CHECKING:
    from django.test import Client
    from pytest_django import Settings

    from accounts.models import User

MARKED_BY_FIXTURE = {"browser": "browser", "s3_server": "s3", "live_stack": "slow", "live_stacks": "slow"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they use, so that `-m "not browser and not slow"` leaves the quick ones."""
    for item in items:
        for fixture, marker in MARKED_BY_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


@pytest.fixture(autouse=True)
def _apart(settings: Settings, tmp_path: Path) -> None:
    """Files and rate limits of one test are unknown to the next."""
    from django.core.cache import cache

    from mapgan_site.policies import local_storage

    settings.MEDIA_ROOT = tmp_path / "media"
    settings.STORAGES = {**settings.STORAGES, "default": local_storage(settings.MEDIA_ROOT)}
    cache.clear()


# --- People: Alice owns, Bob is a stranger, Carol is staff, and nobody is signed in ----------------------


def _person(name: str, **more: Any) -> User:
    from accounts.models import User

    return User.objects.create_user(name, f"{name}@example.org", f"{name}-password", **more)


@pytest.fixture
def alice(db: None) -> User:
    """The owner."""
    return _person("alice")


@pytest.fixture
def bob(db: None) -> User:
    """A stranger with an account."""
    return _person("bob")


@pytest.fixture
def carol(db: None) -> User:
    """Staff, with every permission."""
    return _person("carol", is_staff=True, is_superuser=True)


@pytest.fixture
def client_of() -> Callable[[User | None], Client]:
    """Make a test client that is signed in as somebody, or as nobody."""
    from django.test import Client

    def make(user: User | None) -> Client:
        client = Client()
        if user is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return make


@pytest.fixture
def alice_client(client_of: Callable[[User | None], Client], alice: User) -> Client:
    """Alice's browser."""
    return client_of(alice)


@pytest.fixture
def bob_client(client_of: Callable[[User | None], Client], bob: User) -> Client:
    """Bob's browser."""
    return client_of(bob)


@pytest.fixture
def carol_client(client_of: Callable[[User | None], Client], carol: User) -> Client:
    """Carol's browser."""
    return client_of(carol)


@pytest.fixture
def anonymous_client(client_of: Callable[[User | None], Client], db: None) -> Client:
    """A browser nobody is signed in with."""
    return client_of(None)


# --- Real servers ----------------------------------------------------------------------------------------


@pytest.fixture
def broker(settings: Settings) -> Iterator[Broker]:
    """A broker where the settings expect one. Without this fixture none runs, as in an outage."""
    server = Broker(settings.BROKER_SOCKET)
    server.start()
    forget_connections()
    yield server
    server.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server. (For the whole suite on PostgreSQL see `make test-postgres`.)"""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A SeaweedFS server that refuses wrong keys."""
    server = S3Server()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def s3_bucket(s3_server: S3Server, settings: Settings, _apart: None) -> str:
    """A fresh bucket, and the default storage in it for this test. Returns the bucket's name."""
    from mapgan_site.policies import s3_storage

    bucket = f"test-{uuid.uuid4().hex[:12]}"
    s3_server.make_bucket(bucket)
    options = {
        "bucket_name": bucket,
        "endpoint_url": s3_server.endpoint_url,
        "public_endpoint_url": None,
        "region_name": "us-east-1",
        "addressing_style": "path",
        "access_key": s3_server.access_key,
        "secret_key": s3_server.secret_key,
        "location": "",
        "encryption": "",
        "kms_key": "",
    }
    settings.STORAGE = "s3"
    settings.STORAGES = {**settings.STORAGES, "default": s3_storage(options, link_seconds=60)}
    return bucket


# --- The whole system ------------------------------------------------------------------------------------


@pytest.fixture
def live_stacks() -> Iterator[Callable[..., LiveStack]]:
    """Start systems of one's own: ``live_stacks(MAPGAN_MAX_UPLOAD_MB="1")``; they end with the test."""
    started: list[LiveStack] = []

    def start(**variables: str) -> LiveStack:
        stack = LiveStack(variables)
        started.append(stack)
        stack.start()
        return stack

    yield start
    for stack in started:
        stack.close()


@pytest.fixture(scope="session")
def live_stack() -> Iterator[LiveStack]:
    """The system as `make run` starts it, with short leases. One for all tests: leave it running."""
    stack = LiveStack()
    try:
        stack.start()
        yield stack
    finally:
        stack.close()


# --- Browser ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    """The Chromium that `make test` found."""
    found = find(quiet=True)
    assert found is not None, "No Chromium: run `make test`, which brings one."
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], chromium: Chromium) -> dict[str, Any]:
    """pytest-playwright's fixture: the Chromium found, and flags that keep it quiet."""
    return {
        **browser_type_launch_args,
        "executable_path": chromium.executable,
        "args": chromium.flags,
        "env": {**os.environ, **chromium.environment},
    }
