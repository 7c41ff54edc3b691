"""The administration: staff look at rows and use actions; nobody edits a row or sees a picture there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from jobs.models import JobState
from tests.pages.helpers import text_of
from tests.translator.factories import generator_file, published, stored_files, submitted, translated
from translator.models import Generator, Translation
from translator.services import generator_import

LISTS = ["/admin/translator/generator/", "/admin/translator/translation/"]


@pytest.mark.parametrize("address", LISTS)
def test_who_gets_in(
    client_of: Callable[[User | None], Client], alice: User, bob: User, carol: User, address: str
) -> None:
    for user in (alice, bob, None):
        response = client_of(user).get(address)
        assert response.status_code in (302, 403)
        assert b"Select" not in response.content
    assert client_of(carol).get(address).status_code == 200


def test_pages_show_rows_and_no_pictures(carol_client: Client, alice: User, generator: Generator) -> None:
    translation = translated(alice, generator)
    for address in (
        *LISTS,
        f"{LISTS[0]}{generator.pk}/change/",
        f"{LISTS[1]}{translation.pk}/change/",
        f"{LISTS[1]}?q=alice",
        f"{LISTS[1]}?q={translation.pk}",
        f"{LISTS[1]}?state__exact=succeeded",
    ):
        response = carol_client.get(address)
        assert response.status_code == 200, address
        assert str(translation.pk) in response.content.decode() or LISTS[0] in address
        assert b"/files/" not in response.content
        assert b"/api/v1/" not in response.content


def test_rows_cannot_be_edited(carol_client: Client, alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    response = carol_client.post(f"{LISTS[1]}{translation.pk}/change/", {"visibility": "public"})
    assert response.status_code == 403
    assert carol_client.get(f"{LISTS[1]}add/").status_code == 403
    assert carol_client.get(f"{LISTS[0]}add/").status_code == 403
    assert carol_client.post(f"{LISTS[0]}{generator.pk}/delete/", {"post": "yes"}).status_code == 403
    translation.refresh_from_db()
    assert translation.visibility == "private"


def act(client: Client, address: str, action: str, *ids: object) -> None:
    response = client.post(address, {"action": action, "_selected_action": [str(each) for each in ids]})
    assert response.status_code == 302


def test_describing_a_generator(carol_client: Client, generator: Generator) -> None:
    address = f"{LISTS[0]}{generator.pk}/change/"
    response = carol_client.post(
        address, {"title": "Photographs", "description": "Inverts.", "state": "trial"}
    )
    assert response.status_code == 302
    generator.refresh_from_db()
    assert (generator.title, generator.description, generator.state) == (
        "Photographs",
        "Inverts.",
        "published",
    )


def test_publishing_and_retiring(carol_client: Client, generator: Generator) -> None:
    newer = generator_import(source=generator_file(shade=0.5))
    act(carol_client, LISTS[0], "publish", newer.pk)
    assert list(Generator.objects.values_list("version", "state")) == [(2, "published"), (1, "retired")]
    act(carol_client, LISTS[0], "publish", newer.pk, generator.pk)  # of several versions the newest stays
    assert list(Generator.objects.values_list("version", "state")) == [(2, "published"), (1, "retired")]
    act(carol_client, LISTS[0], "retire", newer.pk)
    assert not Generator.objects.filter(state="published").exists()


def test_making_a_default(carol_client: Client, generator: Generator) -> None:
    other = published("other", shade=0.5)
    back = published("back", direction="sat2map")
    trial = generator_import(source=generator_file("trial"))

    def told(*chosen: Generator) -> str:
        act(carol_client, LISTS[0], "make_default", *(each.pk for each in chosen))
        return text_of(carol_client.get(LISTS[0]))

    assert "choose one generator of each at most" in told(generator, other)
    assert list(Generator.objects.filter(is_default=True)) == [generator, back]
    assert "Made the default: 2." in told(other, back)
    assert list(Generator.objects.filter(is_default=True)) == [other, back]
    refused = told(trial)
    assert "is not published, so it cannot be the default." in refused
    assert "Made the default: 0." in refused


def test_cancelling_and_deleting(
    carol_client: Client,
    alice: User,
    generator: Generator,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    kept = stored_files()
    one, two = (submitted(alice, generator) for _ in range(2))
    act(carol_client, LISTS[1], "cancel", one.pk)
    one.refresh_from_db()
    assert one.state == JobState.CANCELLED
    with django_capture_on_commit_callbacks(execute=True):
        carol_client.post(f"{LISTS[1]}{one.pk}/delete/", {"post": "yes"})
        confirmed = {"action": "delete_selected", "_selected_action": [str(two.pk)], "post": "yes"}
        carol_client.post(LISTS[1], confirmed)
    assert not Translation.objects.exists()
    assert stored_files() == kept


def test_staff_without_permission_cannot_publish(
    client_of: Callable[[User | None], Client], bob: User, generator: Generator
) -> None:
    bob.is_staff = True
    bob.save()
    bob.user_permissions.add(Permission.objects.get(codename="view_generator"))
    client = client_of(bob)
    assert client.get(LISTS[0]).status_code == 200
    client.post(LISTS[0], {"action": "retire", "_selected_action": [str(generator.pk)]})
    generator.refresh_from_db()
    assert generator.state == "published"
