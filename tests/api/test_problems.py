"""Every error of the API has one shape (RFC 9457), also those that nobody planned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings
from rest_framework.test import APIClient

from accounts.models import User
from tests.api.test_submit import post
from tests.translator.factories import translated
from translator.models import Generator, Translation

Api = Callable[[User | None], APIClient]


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "code"}
    assert (body["status"], body["code"]) == (status, code)
    assert body["title"]
    assert body["detail"]
    return body


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    "path", ["", "nothing/", "translations", "generators/x/", "admin/", "translations/x/y/z/"]
)
def test_no_such_address(api_of: Api, db: None, method: str, path: str) -> None:
    assert_problem(api_of(None).generic(method, f"/api/v1/{path}"), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "generators/"), ("POST", "gallery/"), ("PUT", "gallery/"), ("OPTIONS", "gallery/")],
)
def test_no_such_method(api_of: Api, db: None, method: str, path: str) -> None:
    response = api_of(None).generic(method, f"/api/v1/{path}")
    assert_problem(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]


def test_a_body_over_the_limit(api_of: Api, alice: User, generator: Generator, settings: Settings) -> None:
    settings.REQUEST_MAX_BYTES = 1000
    response = post(api_of(alice), generator)
    assert (response.status_code, response["Content-Type"]) == (413, "application/problem+json")


def test_a_session_with_a_broken_body(alice_client: Client) -> None:
    """Here it is the check of the CSRF token that reads the body first."""
    client = Client(enforce_csrf_checks=True)
    client.cookies = alice_client.cookies
    client.cookies["csrftoken"] = "c" * 32
    response = client.generic(
        "POST",
        "/api/v1/translations/",
        b"nonsense",
        content_type="multipart/form-data; boundary=" + "b" * 300,
    )
    assert_problem(response, 400, "parse_error")


def test_storage_away_at_submit(api_of: Api, alice: User, generator: Generator, settings: Settings) -> None:
    media = Path(settings.MEDIA_ROOT)
    media.rename(media.with_name("away"))
    media.write_text("no folder")
    response = post(api_of(alice), generator)
    assert_problem(response, 503, "storage_unavailable")
    assert response["Retry-After"]
    assert not Translation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails(api_of: Api, alice: User, generator: Generator) -> None:
    """Every statement fails, as when the server goes away in the middle."""
    client = api_of(alice)

    def fail(*_: object) -> None:
        raise OperationalError("could not connect to server at 10.0.0.7")

    with connection.execute_wrapper(fail):
        response = client.get("/api/v1/gallery/")
    body = assert_problem(response, 503, "unavailable")
    assert "10.0.0.7" not in str(body)


def test_what_nobody_expected(
    api_of: Api, alice: User, generator: Generator, caplog: pytest.LogCaptureFixture
) -> None:
    """A row that breaks a rule of the code: 500 without a word of it outside, the traceback in the log."""
    translation = translated(alice, generator)
    Translation.objects.update(result="../../outside")  # Django refuses to leave the media folder
    client = api_of(alice)
    client.raise_request_exception = False
    response = client.get(f"/api/v1/translations/{translation.pk}/result/")
    body = assert_problem(response, 500, "internal")
    assert "outside" not in str(body)
    assert "outside" in caplog.text
    assert default_storage.exists(translation.result)
