"""Signing up, in and out, and a forgotten password, on pages that look like ours."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.test import Client

from accounts.models import User
from tests.pages.helpers import text_of

OPEN = ["login/", "signup/", "password/reset/", "password/reset/done/", "inactive/", "confirm-email/"]
OWN = ["email/", "password/change/", "logout/", "reauthenticate/"]


@pytest.mark.parametrize("page", [*OPEN, *OWN, "password/reset/key/1-x/", "confirm-email/nonsense/"])
def test_every_page_is_in_our_frame(alice_client: Client, anonymous_client: Client, page: str) -> None:
    client = alice_client if page in OWN else anonymous_client
    response = client.get(f"/accounts/{page}")
    assert response.status_code == 200
    html = response.content.decode()
    assert 'class="site-header"' in html
    assert html.count("<h1") == 1
    assert "Menu:" not in html  # allauth's own frame


def test_sign_up_signs_in_and_asks_for_no_mail(client: Client, db: None) -> None:
    form = {
        "username": "dora",
        "password1": "a long sentence 7",
        "password2": "a long sentence 7",
        "email": "",
    }
    response = client.post("/accounts/signup/", form, follow=True)
    assert response.redirect_chain[-1][0] == "/translate/"
    assert User.objects.get().username == "dora"


def test_sign_up_keeps_what_was_typed(client: Client, alice: User) -> None:
    response = client.post("/accounts/signup/", {"username": "alice", "password1": "x", "password2": "y"})
    html = response.content.decode()
    assert 'value="alice"' in html
    assert 'aria-invalid="true"' in html
    assert "already" in text_of(response)


@pytest.mark.parametrize("login", ["alice", "alice@example.org"])
def test_sign_in_by_name_or_mail_and_go_where_one_wanted(client: Client, alice: User, login: str) -> None:
    form = {"login": login, "password": "alice-password", "next": "/translations/"}
    assert client.post("/accounts/login/", form)["Location"] == "/translations/"


def test_a_wrong_password(client: Client, alice: User) -> None:
    response = client.post("/accounts/login/", {"login": "alice", "password": "wrong"})
    assert response.status_code == 200
    assert "not correct" in text_of(response)


def test_signing_out_needs_a_post(alice_client: Client) -> None:
    assert "Sign out?" in text_of(alice_client.get("/accounts/logout/"))
    assert alice_client.get("/account/").status_code == 200
    alice_client.post("/accounts/logout/")
    assert alice_client.get("/account/").status_code == 302


def test_a_forgotten_password(client: Client, alice: User) -> None:
    client.post("/accounts/password/reset/", {"email": "alice@example.org"})
    link = re.search(r"https?://\S+(/accounts/password/reset/key/\S+)", str(mail.outbox[0].body))
    assert link is not None
    form = client.get(link.group(1), follow=True)
    assert "Choose a new password" in text_of(form)
    new = {"password1": "quite another 9", "password2": "quite another 9"}
    done = client.post(form.request["PATH_INFO"], new, follow=True)
    assert done.status_code == 200
    assert client.login(username="alice", password="quite another 9")


def test_guessing_ends_in_a_429(client: Client, alice: User) -> None:
    statuses = [
        client.post("/accounts/login/", {"login": "alice", "password": f"guess {number}"}).status_code
        for number in range(40)
    ]
    right = client.post("/accounts/login/", {"login": "alice", "password": "alice-password"})
    assert right.status_code != 302
    assert 429 in statuses
