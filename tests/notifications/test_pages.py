"""Pages of notifications: staff alone, the secret once, bad addresses said at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from pytest_django import Settings

from accounts.models import User
from notifications import worker
from notifications.models import Delivery, Endpoint, Preference
from notifications.services import endpoint_test
from notifications.sources import KINDS
from tests.notifications.conftest import Receiver
from tests.pages.conftest import Clients
from tests.pages.helpers import text_of
from training_jobs.models import TrainingRun

pytestmark = pytest.mark.database


def test_an_empty_page_says_what_to_do(clients: Clients) -> None:
    text = text_of(clients["carol"].get("/notifications/"))
    assert "No endpoint yet" in text
    assert "Nothing yet." in text


def test_the_secret_is_shown_once(clients: Clients, receiver: Receiver) -> None:
    sent = {"name": "Chat", "url": receiver.url, "kinds": list(KINDS)}
    made = clients["carol"].post("/notifications/endpoints/new/", sent)
    row = Endpoint.objects.get()
    assert row.secret in made.content.decode()
    for page in ("/notifications/", row.get_absolute_url()):
        assert row.secret not in clients["carol"].get(page).content.decode()
    again = clients["carol"].post(f"{row.get_absolute_url()}secret/").content.decode()
    assert row.secret not in again
    row.refresh_from_db()
    assert row.secret in again
    for page in ("/admin/notifications/endpoint/", f"/admin/notifications/endpoint/{row.pk}/change/"):
        shown = clients["carol"].get(page)
        assert shown.status_code == 200
        assert row.secret not in shown.content.decode()
        assert row.old_secret not in shown.content.decode()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "https://127.0.0.1/"}, "private network"),
        ({"url": "https://169.254.169.254/latest/"}, "private network"),
        ({"url": "http://8.8.8.8/"}, "Only https"),
        ({"url": "https://name.invalid/"}, "cannot be resolved"),
        ({"url": "javascript:alert(1)"}, "begins with https"),
        ({"url": "https://" + "a" * 600}, "at most 500"),
        ({"kinds": []}, "Choose at least one event."),
        ({"kinds": ["moon.landed"]}, "Select a valid choice"),
        ({"name": " "}, "This field is required."),
    ],
)
def test_nonsense_is_said_beside_the_field(clients: Clients, changes: dict[str, object], words: str) -> None:
    sent = {"name": "Chat", "url": "https://8.8.8.8/", "kinds": list(KINDS), **changes}
    answer = clients["carol"].post("/notifications/endpoints/new/", sent)
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert not Endpoint.objects.exists()


def test_editing_and_a_log_that_can_be_sent_again(
    clients: Clients, endpoint: Endpoint, receiver: Receiver, ended_run: Callable[..., TrainingRun]
) -> None:
    own = endpoint.get_absolute_url()
    receiver.answers = [500]
    ended_run()
    worker.round_of_work()
    text = text_of(clients["carol"].get(own))
    assert "Answered 500." in text
    assert "Failing" in text
    delivery = Delivery.objects.get(endpoint=endpoint)
    Delivery.objects.update(state="failed")
    receiver.answers = [200]
    back = clients["carol"].post(f"/notifications/deliveries/{delivery.pk}/redeliver/", {"next": own})
    assert back["Location"] == own
    worker.round_of_work()
    assert "Answered 200" in text_of(clients["carol"].get(own))
    for elsewhere in ("https://evil.example/", "//evil.example/", ""):
        back = clients["carol"].post(
            f"/notifications/deliveries/{delivery.pk}/redeliver/", {"next": elsewhere}
        )
        assert back["Location"] == "/notifications/"
    changed = {"name": "Other", "url": receiver.url, "kinds": ["training_run.failed"]}
    clients["carol"].post(own, changed)
    endpoint.refresh_from_db()
    assert (endpoint.name, endpoint.kinds, endpoint.is_active) == ("Other", ["training_run.failed"], False)
    assert "Off" in text_of(clients["carol"].get("/notifications/"))
    assert clients["carol"].post(own, {**changed, "url": "ftp://x/"}).status_code == 422
    endpoint.refresh_from_db()
    assert endpoint.url == receiver.url


def test_a_page_of_many_deliveries_asks_few_questions(
    clients: Clients, endpoint: Endpoint, carol: User, django_assert_max_num_queries: Callable[[int], object]
) -> None:
    for _ in range(60):
        endpoint_test(endpoint=endpoint, by=carol)
    with django_assert_max_num_queries(12):  # type: ignore[attr-defined]
        assert "Test of Chat" in text_of(clients["carol"].get("/notifications/"))


def test_wishes(clients: Clients, carol: User) -> None:
    page = clients["carol"].get("/notifications/preferences/")
    assert "Runs that I started" in text_of(page)
    clients["carol"].post("/notifications/preferences/", {"scope": "all", "on_failure": "on"})
    row = Preference.objects.get()
    assert (row.user, row.scope, row.on_finish, row.on_failure, row.on_alarm) == (
        carol, "all", False, True, False,
    )  # fmt: skip
    assert clients["carol"].post("/notifications/preferences/", {"scope": "moon"}).status_code == 422
    assert clients["carol"].post("/notifications/preferences/", {}).status_code == 422


def test_without_an_address_one_is_told(clients: Clients, carol: User) -> None:
    User.objects.filter(pk=carol.pk).update(email="")
    assert "has no e-mail address" in text_of(clients["carol"].get("/notifications/"))


def test_every_address_meets_all_four_people(
    clients: Clients, endpoint: Endpoint, carol: User, settings: Settings
) -> None:
    delivery = endpoint_test(endpoint=endpoint, by=carol)
    own = endpoint.get_absolute_url()
    for page in (
        "/notifications/",
        "/notifications/preferences/",
        "/notifications/endpoints/new/",
        own,
        f"{own}delete/",
    ):
        for name, client in clients.items():
            assert client.get(page).status_code == (200 if name == "carol" else 404), (page, name)
    posts = [
        own, f"{own}secret/", f"{own}test/", f"{own}delete/", "/notifications/endpoints/new/",
        "/notifications/preferences/", f"/notifications/deliveries/{delivery.pk}/redeliver/",
    ]  # fmt: skip
    for address in posts:
        for name in ("alice", "bob", "nobody"):
            assert clients[name].post(address).status_code == 404, (address, name)
    before = Endpoint.objects.get()
    assert (before.secret, Delivery.objects.count()) == (endpoint.secret, 1)
    for address in (f"{own}secret/", f"{own}test/"):
        assert clients["carol"].get(address).status_code == 405
    for address in (
        f"/notifications/endpoints/{uuid.uuid4()}/",
        f"/notifications/endpoints/{uuid.uuid4()}/test/",
    ):
        assert clients["carol"].post(address).status_code == 404
    assert clients["carol"].post(f"/notifications/deliveries/{uuid.uuid4()}/redeliver/").status_code == 404
    clients["carol"].post(f"{own}delete/")
    assert not Endpoint.objects.exists()
    assert not Delivery.objects.exists()
