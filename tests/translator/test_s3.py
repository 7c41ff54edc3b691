"""The same on a real S3 server: private objects, links that are signed on demand, and an S3 that is away."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from jobs.models import JobState
from tests.support.s3 import S3Server
from tests.support.waiting import free_ports
from tests.translator.factories import opened, pixels, run, submitted, translated
from translator.models import Generator, Translation
from translator.services import StorageRefused, StorageUnavailable, orphans_sweep, translation_delete
from translator.storage import translation_key, walk


def fetch(url: str) -> tuple[int, Any, bytes]:
    """GET, without cookies: what another program that knows the link gets."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - of our own server
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


@pytest.fixture
def done(s3_bucket: str, alice: User, generator: Generator) -> Translation:
    """Translated, with everything in S3."""
    translation = translated(alice, generator)
    assert translation.state == JobState.SUCCEEDED, translation.error_details
    return translation


def location(client: Client, translation: Translation, kind: str, query: str = "") -> str:
    response = client.get(f"/api/v1/translations/{translation.pk}/{kind}/{query}")
    assert response.status_code == 302
    assert response["Cache-Control"] == "no-store"
    return response["Location"]


def test_there_and_back(alice_client: Client, done: Translation) -> None:
    status, headers, body = fetch(location(alice_client, done, "result", "?download=1"))
    assert status == 200
    assert np.array_equal(opened(body), 255 - pixels())
    assert headers["Content-Type"] == "image/png"
    assert headers["Content-Disposition"] == 'attachment; filename="streets-satellite.png"'
    status, headers, _ = fetch(location(alice_client, done, "result-thumbnail"))
    assert (status, headers["Content-Type"]) == (200, "image/webp")
    assert headers["Content-Disposition"].startswith("inline")


def test_without_a_signature_nothing(alice_client: Client, done: Translation) -> None:
    link = location(alice_client, done, "result")
    assert fetch(link.partition("?")[0])[0] == 403
    forged = link.replace(done.result, done.original)
    assert forged != link
    assert fetch(forged)[0] == 403


def test_a_link_dies(alice_client: Client, done: Translation, settings: Settings) -> None:
    settings.FILE_LINK_SECONDS = 1
    link = location(alice_client, done, "result")
    time.sleep(2.1)
    assert fetch(link)[0] == 403


def test_strangers_get_no_link(bob_client: Client, anonymous_client: Client, done: Translation) -> None:
    for client in (bob_client, anonymous_client):
        assert client.get(f"/api/v1/translations/{done.pk}/result/").status_code == 404


def test_an_object_that_is_gone(alice_client: Client, done: Translation) -> None:
    default_storage.delete(done.result)
    assert alice_client.get(f"/api/v1/translations/{done.pk}/result/").status_code == 404


def test_the_sweep_and_a_deletion(
    alice: User, done: Translation, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    used = set(walk("translations")) | set(walk("generators"))
    left = default_storage.save(translation_key(done.pk, "result", "png", attempt=7), ContentFile(b"left"))
    assert orphans_sweep() == 0  # it is young
    assert orphans_sweep(older_than=timedelta(0)) == 1
    assert not default_storage.exists(left)
    assert set(walk("translations")) | set(walk("generators")) == used
    with django_capture_on_commit_callbacks(execute=True):
        translation_delete(translation=done)
    assert set(walk("translations")) == set()


def test_a_new_attempt_removes_what_killed_ones_left(
    s3_bucket: str, alice: User, generator: Generator
) -> None:
    translation = submitted(alice, generator)
    Translation.objects.update(attempt=1)
    key = translation_key(translation.pk, "result", "png", attempt=1)
    default_storage.save(key, ContentFile(b"half"))
    assert run(translation).state == JobState.SUCCEEDED
    assert not default_storage.exists(key)


# --- S3 that does not answer, or not to us ---------------------------------------------------------------


@pytest.fixture
def change_s3(s3_bucket: str, settings: Settings) -> Callable[..., None]:
    """Point the storage somewhere else: ``change_s3(endpoint_url=...)``."""

    def change(**options: str) -> None:
        default = settings.STORAGES["default"]
        changed = {**default, "OPTIONS": {**default["OPTIONS"], **options}}
        settings.STORAGES = {**settings.STORAGES, "default": changed}

    return change


@pytest.fixture
def dead() -> dict[str, str]:
    """An endpoint where nobody listens."""
    return {"endpoint_url": f"http://127.0.0.1:{free_ports(1)[0]}"}


def test_no_answer_at_submit(
    alice: User, generator: Generator, change_s3: Callable[..., None], dead: dict[str, str]
) -> None:
    change_s3(**dead)
    began = time.monotonic()
    with pytest.raises(StorageUnavailable) as failed:
        submitted(alice, generator)
    assert time.monotonic() - began < 10
    assert dead["endpoint_url"] not in str(failed.value)
    assert not Translation.objects.exists()


def test_no_answer_to_a_reader(
    alice_client: Client, done: Translation, change_s3: Callable[..., None], dead: dict[str, str]
) -> None:
    change_s3(**dead)
    response = alice_client.get(f"/api/v1/translations/{done.pk}/result/")
    assert (response.status_code, response["Content-Type"]) == (503, "application/problem+json")


def test_no_answer_to_the_worker(
    change_s3: Callable[..., None],  # before the generator, whose file goes to S3 too
    alice: User,
    generator: Generator,
    s3_server: S3Server,
    dead: dict[str, str],
) -> None:
    translation = submitted(alice, generator)
    change_s3(**dead)
    run(translation)
    assert (translation.state, translation.attempt) == (JobState.QUEUED, 1)
    change_s3(endpoint_url=s3_server.endpoint_url)
    Translation.objects.update(not_before=None)
    assert run(translation).state == JobState.SUCCEEDED


def test_a_wrong_secret(
    change_s3: Callable[..., None],
    alice: User,
    generator: Generator,
    s3_server: S3Server,
    settings: Settings,
) -> None:
    translation = submitted(alice, generator)
    change_s3(secret_key="wrong")
    with pytest.raises(StorageRefused):
        submitted(alice, generator)
    run(translation)
    assert (translation.state, translation.attempt) == (JobState.QUEUED, 1)
    assert translation.max_attempts == settings.JOB_MAX_ATTEMPTS + 1, "no fault of the job"
    assert "MAPGAN_S3_SECRET_ACCESS_KEY" in translation.error_details
    change_s3(secret_key=s3_server.secret_key)
    Translation.objects.update(not_before=None)
    assert run(translation).state == JobState.SUCCEEDED
