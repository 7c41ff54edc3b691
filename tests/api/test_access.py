"""Private addresses do not exist for others: one 404 for a stranger's id, an unknown id and a garbled one."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from tests.translator.factories import submitted, translated
from translator.models import Generator, Translation
from translator.services import translation_set_visibility

Api = Callable[[User | None], APIClient]

ADDRESSES = [
    ("GET", ""),
    ("PATCH", ""),
    ("DELETE", ""),
    ("POST", "cancel/"),
    ("POST", "retry/"),
    ("GET", "original/"),
    ("GET", "result/"),
    ("GET", "original-thumbnail/"),
    ("GET", "result-thumbnail/"),
]
UNKNOWN = [
    "7b0a5b4e-2f3e-4d6c-9a1b-000000000000",
    "nonsense",
    "1",
    "%00",
    "..",
    "7B0A5B4E2F3E4D6C9A1B000000000000",
]


@pytest.fixture
def private(alice: User, generator: Generator) -> Translation:
    return translated(alice, generator)


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest.mark.parametrize("who", ["bob", None])
def test_strangers_learn_nothing(
    api_of: Api, bob: User, private: Translation, method: str, path: str, who: str | None
) -> None:
    client = api_of(bob if who else None)
    real = client.generic(method, f"/api/v1/translations/{private.pk}/{path}")
    assert real.status_code == 404
    assert real["Content-Type"] == "application/problem+json"
    for name in UNKNOWN:
        other = client.generic(method, f"/api/v1/translations/{name}/{path}")
        assert (other.status_code, other.content) == (404, real.content)
        assert other["Content-Type"] == real["Content-Type"]
    private.refresh_from_db()
    assert (private.state, private.visibility) == ("succeeded", "private")


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_the_owner_gets_in(api_of: Api, alice: User, private: Translation, method: str, path: str) -> None:
    client = api_of(alice)
    response = client.generic(
        method, f"/api/v1/translations/{private.pk}/{path}", '{"visibility": "public"}', "application/json"
    )
    assert response.status_code == {"DELETE": 204, "POST": 409}.get(method, 200)


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_staff_moderate(api_of: Api, carol: User, private: Translation, method: str, path: str) -> None:
    response = api_of(carol).generic(
        method, f"/api/v1/translations/{private.pk}/{path}", '{"visibility": "private"}', "application/json"
    )
    expected = {"DELETE": 204, "POST": 409}.get(method, 200)
    assert response.status_code == (404 if path == "retry/" else expected)  # retrying is its owner's


def test_staff_cannot_publish(api_of: Api, carol: User, private: Translation) -> None:
    response = api_of(carol).patch(f"/api/v1/translations/{private.pk}/", {"visibility": "public"})
    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest.mark.parametrize("who", ["bob", None])
def test_public_is_for_reading(
    api_of: Api, alice: User, bob: User, private: Translation, method: str, path: str, who: str | None
) -> None:
    translation_set_visibility(translation=private, visibility="public", by=alice)
    response = api_of(bob if who else None).generic(
        method, f"/api/v1/translations/{private.pk}/{path}", '{"visibility": "private"}', "application/json"
    )
    assert response.status_code == (200 if method == "GET" else 404)


def test_others_do_not_see_the_name_of_the_file(
    api_of: Api, alice: User, bob: User, generator: Generator
) -> None:
    translation = translated(alice, generator, visibility="public", filename="my house.png")
    for address in (f"/api/v1/translations/{translation.pk}/", "/api/v1/gallery/"):
        assert "my house" not in api_of(bob).get(address).content.decode()
    result = f"/api/v1/translations/{translation.pk}/result/?download=1"
    assert "my house" not in api_of(None).get(result)["Content-Disposition"]
    assert "my house-satellite.png" in api_of(alice).get(result)["Content-Disposition"]
    assert api_of(alice).get(f"/api/v1/translations/{translation.pk}/").json()["filename"] == "my house.png"


def test_lists_are_ones_own(api_of: Api, alice: User, bob: User, private: Translation) -> None:
    assert api_of(alice).get("/api/v1/translations/").json()["count"] == 1
    assert api_of(bob).get("/api/v1/translations/").json()["count"] == 0
    assert api_of(None).get("/api/v1/gallery/").json()["count"] == 0
    assert api_of(None).get("/api/v1/translations/").status_code == 401


def test_public_but_unfinished_is_private(api_of: Api, alice: User, bob: User, generator: Generator) -> None:
    waiting = submitted(alice, generator, visibility="public")
    for path in ("", "original/", "original-thumbnail/"):
        assert api_of(bob).get(f"/api/v1/translations/{waiting.pk}/{path}").status_code == 404
    assert api_of(bob).get("/api/v1/gallery/").json()["count"] == 0


# --- Ways of signing in ----------------------------------------------------------------------------------


def test_a_session_reads(alice_client: Client, private: Translation) -> None:
    """Pages show the picture under its address in the API."""
    response = alice_client.get(f"/api/v1/translations/{private.pk}/result/")
    assert (response.status_code, response["Content-Type"]) == (200, "image/png")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_forged_request_with_a_session(
    alice: User, private: Translation, generator: Generator, method: str
) -> None:
    """Another site makes the browser send Alice's cookie; it cannot know her CSRF token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    for name in (private.pk, uuid4()):  # a real one and an unknown one look the same
        response = client.generic(
            method, f"/api/v1/translations/{name}/{'cancel/' if method == 'POST' else ''}"
        )
        assert (response.status_code, response["Content-Type"]) == (403, "application/problem+json")
    response = client.post("/api/v1/translations/", {"generator": str(generator.pk)})
    assert response.status_code == 403
    assert Translation.objects.count() == 1


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Bearer a b", "Bearer \xff", "bearer mapgan_x"])
@pytest.mark.parametrize("path", ["translations/", "gallery/", "generators/", f"translations/{uuid4()}/"])
def test_a_wrong_token(db: None, header: str, path: str) -> None:
    response = APIClient().get(f"/api/v1/{path}", headers={"Authorization": header})
    assert (response.status_code, response["Content-Type"]) == (401, "application/problem+json")
    assert response["WWW-Authenticate"] == "Bearer"


def test_a_closed_account(api_of: Api, alice: User, private: Translation) -> None:
    client = api_of(alice)
    alice.is_active = False
    alice.save()
    assert client.get("/api/v1/translations/").status_code == 401
