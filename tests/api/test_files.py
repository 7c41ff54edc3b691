"""Pictures on their way out: type, name, caching, and what is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from tests.translator.factories import generator_file, picture, submitted, translated
from translator import worker
from translator.models import Generator, Translation
from translator.services import generator_import

Api = Callable[[User | None], APIClient]

KINDS = {
    "original": ("image/png", "streets-original.png"),
    "result": ("image/png", "streets-satellite.png"),
    "original-thumbnail": ("image/webp", "streets-original-thumbnail.webp"),
    "result-thumbnail": ("image/webp", "streets-satellite-thumbnail.webp"),
}


@pytest.fixture
def done(alice: User, generator: Generator) -> Translation:
    return translated(alice, generator, filename="streets.jpg")


def fetch(client: APIClient, translation: Translation, kind: str, **options: Any) -> Any:
    return client.get(f"/api/v1/translations/{translation.pk}/{kind}/", **options)


@pytest.mark.parametrize("kind", KINDS)
def test_headers(api_of: Api, alice: User, done: Translation, kind: str) -> None:
    response = fetch(api_of(alice), done, kind)
    type_, name = KINDS[kind]
    content = response.getvalue()
    assert content == default_storage.open(getattr(done, kind.replace("-", "_"))).read()
    assert response["Content-Type"] == type_
    assert response["Content-Length"] == str(len(content))
    assert response["Content-Disposition"] == f'inline; filename="{name}"'
    assert response["Cache-Control"] == "private, no-cache"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert {"Cookie", "Authorization"} <= {name.strip() for name in response["Vary"].split(",")}


@pytest.mark.parametrize("value", ["1", "true", "True"])
def test_for_saving(api_of: Api, alice: User, done: Translation, value: str) -> None:
    response = fetch(api_of(alice), done, "result", query_params={"download": value})
    assert response["Content-Disposition"] == 'attachment; filename="streets-satellite.png"'


def test_a_name_that_headers_cannot_say(api_of: Api, alice: User, generator: Generator) -> None:
    translation = translated(alice, generator, filename='K\u00f6ln "mitte"\r\nX: y.png')
    header = fetch(api_of(alice), translation, "result")["Content-Disposition"]
    assert header.startswith("inline; filename*=utf-8''K%C3%B6ln%20%22mitte%22%20X")
    assert "\n" not in header


def test_a_browser_that_has_it_already(api_of: Api, alice: User, bob: User, done: Translation) -> None:
    etag = fetch(api_of(alice), done, "result")["ETag"]
    again = fetch(api_of(alice), done, "result", headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    assert again["ETag"] == etag
    other = fetch(api_of(alice), done, "original", headers={"If-None-Match": etag})
    assert other.status_code == 200
    # Knowing the tag is no permission.
    assert fetch(api_of(bob), done, "result", headers={"If-None-Match": etag}).status_code == 404


def test_only_the_head(api_of: Api, alice: User, done: Translation) -> None:
    response = api_of(alice).head(f"/api/v1/translations/{done.pk}/result/")
    assert response.status_code == 200
    assert response["Content-Length"] == str(done.result_bytes)


@pytest.mark.parametrize("accept", ["image/*", "text/html", "application/xml;q=0.9"])
def test_whatever_the_client_accepts(api_of: Api, alice: User, done: Translation, accept: str) -> None:
    assert fetch(api_of(alice), done, "result", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("kind", ["result", "result-thumbnail", "nothing", "error_details", "file"])
def test_what_is_not_there(api_of: Api, alice: User, generator: Generator, kind: str) -> None:
    assert fetch(api_of(alice), submitted(alice, generator), kind).status_code == 404


def test_an_object_that_is_gone(api_of: Api, alice: User, done: Translation) -> None:
    default_storage.delete(done.result)
    response = fetch(api_of(alice), done, "result")
    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")


def test_a_storage_that_is_away(api_of: Api, alice: User, done: Translation, settings: Settings) -> None:
    media = Path(settings.MEDIA_ROOT)
    media.rename(media.with_name("away"))
    media.write_text("no folder")
    response = fetch(api_of(alice), done, "result")
    assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
    assert response["Retry-After"]
    assert str(media) not in response.content.decode()


@pytest.mark.parametrize("kind", ["input", "output"])
def test_samples_of_a_generator(api_of: Api, alice: User, db: None, kind: str) -> None:
    generator = generator_import(source=generator_file(), publish=True, sample_input=picture())
    worker.draw_sample(generator)
    response = api_of(None).get(f"/api/v1/generators/{generator.pk}/samples/{kind}/")
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")
    assert response["Content-Disposition"] == f'inline; filename="negative-v1-{kind}.png"'
    trial = generator_import(source=generator_file("trial"), sample_input=picture())
    assert api_of(alice).get(f"/api/v1/generators/{trial.pk}/samples/{kind}/").status_code == 404
