"""Every address of a translation meets all four people."""

from __future__ import annotations

import uuid

import pytest

from accounts.models import User
from tests.pages.conftest import Clients
from tests.translator.factories import submitted, translated
from translator.models import Generator, Translation

PAGES = ["", "status/", "files/original/", "files/original-thumbnail/"]
RESULTS = ["files/result/", "files/result-thumbnail/"]
ACTIONS = ["cancel/", "retry/", "delete/", "visibility/"]


@pytest.mark.parametrize("page", PAGES + RESULTS)
def test_a_private_one(clients: Clients, alice: User, generator: Generator, page: str) -> None:
    row = translated(alice, generator)
    for name, client in clients.items():
        response = client.get(f"/translations/{row.pk}/{page}")
        assert (response.status_code < 300) == (name in ("alice", "carol")), name
        if name in ("bob", "nobody"):
            assert response.status_code == 404  # neither a redirect nor a hint


@pytest.mark.parametrize("page", PAGES)
def test_one_that_is_to_be_public_but_not_done(
    clients: Clients, alice: User, generator: Generator, page: str
) -> None:
    row = submitted(alice, generator, visibility="public")
    found = {n for n, c in clients.items() if c.get(f"/translations/{row.pk}/{page}").status_code < 300}
    assert found == {"alice", "carol"}


@pytest.mark.parametrize("page", PAGES + RESULTS)
def test_a_public_one(clients: Clients, alice: User, generator: Generator, page: str) -> None:
    row = translated(alice, generator, visibility="public")
    for client in clients.values():
        assert client.get(f"/translations/{row.pk}/{page}").status_code < 300


@pytest.mark.parametrize("page", [*PAGES, *RESULTS, "delete/"])
def test_one_that_does_not_exist(clients: Clients, page: str) -> None:
    for client in clients.values():
        assert client.get(f"/translations/{uuid.uuid4()}/{page}").status_code == 404


@pytest.mark.parametrize("visibility", ["private", "public"])
@pytest.mark.parametrize("action", ACTIONS)
def test_strangers_change_nothing(
    clients: Clients, alice: User, generator: Generator, action: str, visibility: str
) -> None:
    row = translated(alice, generator, visibility=visibility)
    other = {"public": "private", "private": "public"}[visibility]
    for name in ("bob", "nobody"):
        response = clients[name].post(f"/translations/{row.pk}/{action}", {"visibility": other})
        assert response.status_code == 404
    after = Translation.objects.get(pk=row.pk)
    assert (after.visibility, after.state) == (visibility, "succeeded")


@pytest.mark.parametrize("action", ["cancel/", "retry/", "visibility/"])
def test_reading_changes_nothing(clients: Clients, alice: User, generator: Generator, action: str) -> None:
    row = submitted(alice, generator)
    assert clients["alice"].get(f"/translations/{row.pk}/{action}").status_code == 405


def test_kinds_of_files_nobody_made(clients: Clients, alice: User, generator: Generator) -> None:
    row = submitted(alice, generator)
    for kind in ("result", "secrets", "owner"):
        assert clients["alice"].get(f"/translations/{row.pk}/files/{kind}/").status_code == 404


def test_a_page_that_is_not_there_offers_to_sign_in_and_comes_back(clients: Clients) -> None:
    address = f"/translations/{uuid.uuid4()}/"
    assert f"/accounts/login/?next={address}" in clients["nobody"].get(address).content.decode()
    assert "/accounts/login/" not in clients["bob"].get(address).content.decode()
