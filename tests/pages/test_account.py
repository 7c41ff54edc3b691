"""The account page and its API tokens."""

from __future__ import annotations

import re
import uuid

from django.test import Client

from accounts.models import ApiToken, User
from accounts.services import api_token_create
from tests.pages.conftest import Clients
from tests.pages.helpers import text_of


def test_who_sees_it(clients: Clients) -> None:
    for name in ("alice", "bob", "carol"):
        page = clients[name].get("/account/")
        assert name in text_of(page)
        assert "no-store" in page["Cache-Control"]
    assert clients["nobody"].get("/account/")["Location"] == "/accounts/login/?next=/account/"


def test_a_token_is_shown_once_and_works(alice_client: Client, alice: User) -> None:
    made = alice_client.post("/account/tokens/", {"name": "laptop"})
    found = re.search(r'id="new-token">(\S+)</code>', made.content.decode())
    assert found is not None
    assert "no-store" in made["Cache-Control"]
    token = found.group(1)
    assert token not in alice_client.get("/account/").content.decode()
    answer = Client().get("/api/v1/translations/", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200


def test_a_token_needs_a_name(alice_client: Client, alice: User) -> None:
    for name in ("", "x" * 81):
        assert alice_client.post("/account/tokens/", {"name": name}).status_code == 422
    assert not ApiToken.objects.exists()


def test_revoking(clients: Clients, alice: User) -> None:
    row, token = api_token_create(user=alice, name="old")
    address = f"/account/tokens/{row.pk}/revoke/"
    for name in ("bob", "carol", "nobody"):
        assert clients[name].post(address).status_code == 404
    assert clients["alice"].get(address).status_code == 405
    assert "is revoked" in text_of(clients["alice"].post(address, follow=True))
    assert clients["alice"].post(address).status_code == 404
    assert clients["alice"].post(f"/account/tokens/{uuid.uuid4()}/revoke/").status_code == 404
    refused = Client().get("/api/v1/translations/", headers={"Authorization": f"Bearer {token}"})
    assert refused.status_code == 401


def test_nobody_makes_no_token(anonymous_client: Client) -> None:
    away = anonymous_client.post("/account/tokens/", {"name": "x"})
    assert away["Location"] == "/accounts/login/?next=/account/"
    scripted = anonymous_client.post("/account/tokens/", {"name": "x"}, headers={"HX-Request": "true"})
    assert scripted["HX-Redirect"] == "/accounts/login/?next=/account/"


def test_an_old_security_token_reloads_the_page(alice: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    refused = client.post("/account/tokens/", {"name": "x"}, headers={"HX-Request": "true"})
    assert (refused.status_code, refused["HX-Refresh"]) == (403, "true")
    assert not ApiToken.objects.exists()
