"""POST /api/v1/translations/: accepted, refused, and repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from tests.translator.factories import generator_file, opened, picture, pixels, run
from translator.models import Generator, Translation
from translator.services import generator_import, generator_retire

URL = "/api/v1/translations/"
Api = Callable[[User | None], APIClient]


def upload(
    data: bytes | None = None, name: str = "streets.png", type_: str = "image/png"
) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, picture() if data is None else data, content_type=type_)


def post(client: APIClient, generator: Generator, /, **fields: Any) -> Any:
    headers = fields.pop("headers", {})
    fields = {"image": upload(), "generator": str(generator.pk), **fields}
    given = {name: value for name, value in fields.items() if value is not None}
    return client.post(URL, given, format="multipart", headers=headers)


def faults(response: Any) -> set[tuple[str, str]]:
    """(field, code) of each fault of a problem."""
    assert response["Content-Type"] == "application/problem+json"
    return {(fault["field"], fault["code"]) for fault in response.json()["errors"]}


def test_from_post_to_result(api_of: Api, alice: User, generator: Generator) -> None:
    client = api_of(alice)
    response = post(client, generator, visibility="public", seed=3)
    assert response.status_code == 202
    accepted = response.json()
    translation = Translation.objects.get(pk=accepted["id"])
    assert accepted["status"] == "queued"
    assert accepted["url"] == response["Location"] == f"http://testserver{URL}{translation.pk}/"
    assert (translation.owner, translation.visibility, translation.seed) == (alice, "public", 3)
    run(translation)
    detail = client.get(urlsplit(accepted["url"]).path).json()
    assert detail["status"] == "succeeded"
    result = client.get(urlsplit(detail["result_url"]).path)
    assert np.array_equal(opened(result.getvalue()), 255 - pixels())


def test_private_unless_asked(api_of: Api, alice: User, generator: Generator) -> None:
    assert post(api_of(alice), generator).json()["visibility"] == "private"


@pytest.mark.parametrize("type_", ["text/html", "application/octet-stream", "image/svg+xml", "nonsense"])
def test_neither_declared_type_nor_name_decide(
    api_of: Api, alice: User, generator: Generator, type_: str
) -> None:
    response = post(api_of(alice), generator, image=upload(type_=type_, name="page.html"))
    assert response.status_code == 202
    assert response.json()["source_format"] == "PNG"


def test_signing_in_is_needed(api_of: Api, generator: Generator) -> None:
    response = post(api_of(None), generator)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json()["code"] == "not_authenticated"


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"image": None}, ("image", "required")),
        ({"image": "a text"}, ("image", "invalid")),
        ({"generator": None}, ("generator", "required")),
        ({"generator": "nonsense"}, ("generator", "invalid")),
        ({"generator": "7b0a5b4e-2f3e-4d6c-9a1b-000000000000"}, ("generator", "does_not_exist")),
        ({"visibility": "friends"}, ("visibility", "invalid_choice")),
        ({"seed": -1}, ("seed", "min_value")),
        ({"seed": 2**31}, ("seed", "max_value")),
        ({"headers": {"Idempotency-Key": "a b"}}, ("Idempotency-Key", "invalid")),
        ({"headers": {"Idempotency-Key": "a" * 65}}, ("Idempotency-Key", "invalid")),
    ],
)
def test_bad_fields(
    api_of: Api, alice: User, generator: Generator, fields: dict[str, Any], fault: tuple[str, str]
) -> None:
    response = post(api_of(alice), generator, **fields)
    assert response.status_code == 400
    assert faults(response) == {fault}
    assert not Translation.objects.exists()


def test_every_fault_at_once(api_of: Api, alice: User) -> None:
    response = api_of(alice).post(URL, {"visibility": "x"}, format="multipart")
    assert faults(response) == {
        ("image", "required"), ("generator", "required"), ("visibility", "invalid_choice"),
    }  # fmt: skip


def test_a_trial_generator_is_for_staff(api_of: Api, alice: User, carol: User) -> None:
    trial = generator_import(source=generator_file())
    assert faults(post(api_of(alice), trial)) == {("generator", "does_not_exist")}
    assert post(api_of(carol), trial).status_code == 202


def test_a_file_too_large(api_of: Api, alice: User, generator: Generator, settings: Settings) -> None:
    settings.TRANSLATION_MAX_BYTES = 500
    response = post(api_of(alice), generator)
    assert response.status_code == 413
    assert faults(response) == {("image", "too_large")}


@pytest.mark.parametrize("type_", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_only_multipart(api_of: Api, alice: User, type_: str) -> None:
    response = api_of(alice).generic("POST", URL, b"{}", content_type=type_)
    assert (response.status_code, response["Content-Type"]) == (415, "application/problem+json")


HALF = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nhalf'


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary="),
        (b"nonsense", "multipart/form-data; boundary=b"),
        (HALF, "multipart/form-data; boundary=b"),
        (b"x", "multipart/form-data; boundary=" + "b" * 300),
    ],
)  # fmt: skip
def test_a_broken_body(api_of: Api, alice: User, body: bytes, type_: str) -> None:
    response = api_of(alice).generic("POST", URL, body, content_type=type_)
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")


def test_too_many_fields(api_of: Api, alice: User, settings: Settings) -> None:
    fields = {f"f{number}": "x" for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1)}
    assert api_of(alice).post(URL, fields, format="multipart").status_code == 400


def test_repeating_with_a_key(api_of: Api, alice: User, generator: Generator) -> None:
    headers = {"Idempotency-Key": "2f8c"}
    first, again = (post(api_of(alice), generator, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert Translation.objects.count() == 1


def test_a_key_that_was_used_for_another_picture(api_of: Api, alice: User, generator: Generator) -> None:
    headers = {"Idempotency-Key": "2f8c"}
    post(api_of(alice), generator, headers=headers)
    response = post(api_of(alice), generator, headers=headers, image=upload(picture(seed=1)))
    assert (response.status_code, response.json()["code"]) == (422, "idempotency_key_reused")
    assert faults(response) == {("Idempotency-Key", "idempotency_key_reused")}


def test_repeating_after_the_generator_retired(api_of: Api, alice: User, generator: Generator) -> None:
    headers = {"Idempotency-Key": "2f8c"}
    first = post(api_of(alice), generator, headers=headers).json()
    generator_retire(generator=generator)
    again = post(api_of(alice), generator, headers=headers)
    assert (again.status_code, again.json()["id"]) == (202, first["id"])
    assert faults(post(api_of(alice), generator)) == {("generator", "does_not_exist")}
