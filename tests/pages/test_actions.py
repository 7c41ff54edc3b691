"""Cancel, retry, delete, share: POST, then back to a page that tells what happened."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from jobs.models import JobState
from tests.pages.conftest import Clients
from tests.pages.helpers import text_of
from tests.translator.factories import stored_files, submitted, translated
from translator.models import Generator, Translation
from translator.services import translation_delete
from translator.views import actions


def test_cancel_and_retry(alice_client: Client, alice: User, generator: Generator) -> None:
    row = submitted(alice, generator)
    cancelled = alice_client.post(f"/translations/{row.pk}/cancel/", follow=True)
    assert cancelled.redirect_chain == [(f"/translations/{row.pk}/", 302)]
    assert "Cancelled" in text_of(cancelled)
    again = alice_client.post(f"/translations/{row.pk}/retry/", follow=True)
    assert "Next in the queue" in text_of(again)
    row.refresh_from_db()
    assert row.state == JobState.QUEUED


def test_what_cannot_be_done_is_said(alice_client: Client, alice: User, generator: Generator) -> None:
    row = translated(alice, generator)
    assert "already finished" in text_of(alice_client.post(f"/translations/{row.pk}/cancel/", follow=True))
    assert "Only a failed" in text_of(alice_client.post(f"/translations/{row.pk}/retry/", follow=True))


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_deleted_at_that_moment(
    alice_client: Client, alice: User, generator: Generator, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    row = submitted(alice, generator)
    found = actions.fetch

    def found_and_deleted(*asked: Any) -> Translation:
        translation = found(*asked)
        translation_delete(translation=translation)
        return translation

    monkeypatch.setattr(actions, "fetch", found_and_deleted)
    assert alice_client.post(f"/translations/{row.pk}/{action}/").status_code == 404


def test_delete_asks_first(
    alice_client: Client,
    alice: User,
    generator: Generator,
    django_capture_on_commit_callbacks: Callable[..., AbstractContextManager[object]],
) -> None:
    row = translated(alice, generator)
    before = stored_files()
    asked = alice_client.get(f"/translations/{row.pk}/delete/")
    assert "Delete this translation?" in text_of(asked)
    assert Translation.objects.filter(pk=row.pk).exists()
    assert stored_files() == before
    with django_capture_on_commit_callbacks(execute=True):
        done = alice_client.post(f"/translations/{row.pk}/delete/", follow=True)
    assert done.redirect_chain == [("/translations/", 302)]
    assert "are deleted" in text_of(done)
    assert not Translation.objects.exists()
    assert not any(str(row.pk).replace("-", "") in key for key in stored_files())


def test_publish_and_hide(clients: Clients, alice: User, generator: Generator) -> None:
    row = translated(alice, generator)
    address = f"/translations/{row.pk}/visibility/"
    shared = clients["alice"].post(address, {"visibility": "public"}, follow=True)
    assert "Everybody can see it now" in text_of(shared)
    assert f"/translations/{row.pk}/" in clients["nobody"].get("/gallery/").content.decode()
    hidden = clients["alice"].post(address, {"visibility": "private"}, follow=True)
    assert "Only you and the staff of this site can see it now" in text_of(hidden)
    assert clients["nobody"].get(f"/translations/{row.pk}/").status_code == 404


def test_what_is_not_done_is_not_said_to_be_there(
    alice_client: Client, alice: User, generator: Generator
) -> None:
    row = submitted(alice, generator)
    said = alice_client.post(f"/translations/{row.pk}/visibility/", {"visibility": "public"}, follow=True)
    assert "once it is done" in text_of(said)
    assert "Everybody can see it now" not in text_of(said)


def test_nonsense_changes_nothing(alice_client: Client, alice: User, generator: Generator) -> None:
    row = translated(alice, generator)
    said = alice_client.post(f"/translations/{row.pk}/visibility/", {"visibility": "friends"}, follow=True)
    assert "Choose private or public" in text_of(said)


def test_staff_moderate_but_publish_nothing(clients: Clients, alice: User, generator: Generator) -> None:
    row = translated(alice, generator, visibility="public")
    carol, address = clients["carol"], f"/translations/{row.pk}/visibility/"
    hidden = carol.post(address, {"visibility": "private"}, follow=True)
    assert "Only its owner and the staff" in text_of(hidden)
    row.refresh_from_db()
    assert row.visibility == "private"
    refused = carol.post(address, {"visibility": "public"}, follow=True)
    assert "Only its owner can publish it" in text_of(refused)
    assert carol.post(f"/translations/{row.pk}/retry/").status_code == 404
    gone = carol.post(f"/translations/{row.pk}/delete/", follow=True)
    assert gone.redirect_chain == [("/gallery/", 302)]
    assert not Translation.objects.exists()
