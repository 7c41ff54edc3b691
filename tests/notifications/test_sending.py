"""Sending: signed, at least once, again later, given up at last; a dead receiver keeps nobody waiting."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from django.core import mail
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from jobs.lifecycle import from_now
from notifications import http, worker
from notifications.models import Delivery, Endpoint, Event
from notifications.services import (
    RETRY_SECONDS,
    deliveries_claim,
    delivery_redeliver,
    endpoint_create,
    endpoint_new_secret,
    endpoint_test,
    endpoint_update,
)
from notifications.signing import signature
from tests.notifications.conftest import Receiver
from tests.support.waiting import free_ports
from training_jobs.models import TrainingRun

pytestmark = pytest.mark.database
Runs = Callable[..., TrainingRun]


@pytest.fixture(autouse=True)
def _no_mail(carol: User) -> None:
    """Most tests here are about webhooks."""
    User.objects.filter(pk=carol.pk).update(email="")


def due_now() -> None:
    Delivery.objects.filter(state="pending").update(next_attempt_at=from_now(-1))


def test_a_webhook_is_signed_and_sent_once(ended_run: Runs, endpoint: Endpoint, receiver: Receiver) -> None:
    run = ended_run()
    worker.round_of_work()
    worker.round_of_work()
    (headers, body), *more = receiver.heard
    assert not more
    data = json.loads(body)
    assert (data["type"], data["data"]["id"], data["data"]["step"]) == (
        "training_run.finished",
        str(run.pk),
        200,
    )
    assert headers["content-type"] == "application/json"
    stamp = int(headers["webhook-timestamp"])
    assert abs(stamp - time.time()) < 60
    expected = signature(endpoint.secret, headers["webhook-id"], stamp, body)
    assert headers["webhook-signature"] == expected
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.last["status"], row.last["answer"]) == (
        "delivered",
        1,
        200,
        "thanks",
    )
    assert endpoint.secret not in json.dumps(row.log)


def test_it_is_tried_again_until_it_is_taken(ended_run: Runs, endpoint: Endpoint, receiver: Receiver) -> None:
    receiver.answers = [500, 503, 200]
    ended_run()
    worker.round_of_work()
    row = Delivery.objects.get()
    assert (row.state, row.last["status"], row.last["error"]) == ("pending", 500, "Answered 500.")
    assert row.next_attempt_at > timezone.now()
    assert Endpoint.objects.get().failing_since is not None
    worker.round_of_work()  # not due yet
    assert len(receiver.heard) == 1
    for _ in range(2):
        due_now()
        worker.round_of_work()
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("delivered", 3)
    assert [entry["status"] for entry in row.log] == [500, 503, 200]
    assert Endpoint.objects.get().failing_since is None
    ids = {headers["webhook-id"] for headers, _ in receiver.heard}
    assert len(ids) == 1  # so that the receiver can tell that it is the same


def test_it_is_given_up_at_last_and_can_be_sent_again(
    ended_run: Runs, endpoint: Endpoint, receiver: Receiver
) -> None:
    receiver.answers = [500]
    ended_run()
    for _ in range(len(RETRY_SECONDS) + 3):
        worker.round_of_work()
        due_now()
    row = Delivery.objects.get()
    assert (row.state, row.attempts) == ("failed", len(RETRY_SECONDS) + 1)
    receiver.answers = [200]
    assert delivery_redeliver(delivery=row)
    assert not delivery_redeliver(delivery=row)  # it is on its way
    worker.round_of_work()
    row.refresh_from_db()
    assert (row.state, row.attempts) == ("delivered", 1)
    assert Event.objects.count() == 1


def test_who_says_410_is_switched_off(ended_run: Runs, endpoint: Endpoint, receiver: Receiver) -> None:
    receiver.answers = [410]
    ended_run()
    worker.round_of_work()
    endpoint.refresh_from_db()
    assert (endpoint.is_active, endpoint.switched_off) == (False, "It answered 410: gone for good.")
    assert Delivery.objects.get().state == "failed"
    ended_run()
    worker.round_of_work()
    assert len(receiver.heard) == 1


def test_a_worker_that_dies_while_it_sends_is_followed_by_another(
    ended_run: Runs, endpoint: Endpoint, receiver: Receiver
) -> None:
    ended_run()
    worker.events_collect()
    (taken,) = deliveries_claim(most=8)  # and then nothing more is heard of it
    worker.round_of_work()
    assert not receiver.heard
    due_now()  # two minutes later
    worker.round_of_work()
    assert len(receiver.heard) == 1
    from notifications.services import delivery_settle

    delivery_settle(delivery=taken, state="pending", error="late words of the first")
    row = Delivery.objects.get()
    assert (row.state, row.attempts, len(row.log)) == ("delivered", 2, 1)


def test_two_workers_take_different_ones(ended_run: Runs, endpoint: Endpoint) -> None:
    for _ in range(3):
        ended_run()
    worker.events_collect()
    first, second = deliveries_claim(most=2), deliveries_claim(most=8)
    assert len({row.pk for row in [*first, *second]}) == 3


def test_a_dead_receiver_does_not_keep_the_others_waiting(
    ended_run: Runs, endpoint: Endpoint, receiver: Receiver, carol: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.3)
    dead = endpoint_create(
        by=carol, name="Dead", url=f"http://127.0.0.1:{free_ports(1)[0]}/", kinds=["training_run.finished"]
    )[0]
    for _ in range(12):
        ended_run()
    worker.events_collect()
    Delivery.objects.filter(endpoint=dead).update(next_attempt_at=from_now(-500))  # before all others
    worker.round_of_work()
    assert len(receiver.heard) == 12
    assert not Delivery.objects.filter(endpoint=dead, state="delivered").exists()


def test_while_a_secret_changes_both_sign(ended_run: Runs, endpoint: Endpoint, receiver: Receiver) -> None:
    old, new = endpoint.secret, endpoint_new_secret(endpoint=endpoint)
    ended_run()
    worker.round_of_work()
    headers, body = receiver.heard[0]
    stamp = int(headers["webhook-timestamp"])
    signed = headers["webhook-signature"].split(" ")
    assert signed == [signature(key, headers["webhook-id"], stamp, body) for key in (new, old)]
    Endpoint.objects.update(old_secret_until=from_now(-1))
    endpoint.refresh_from_db()
    assert endpoint.secrets == [new]


def test_what_nobody_wants_any_more_is_dropped(
    ended_run: Runs, endpoint: Endpoint, receiver: Receiver
) -> None:
    ended_run()
    worker.events_collect()
    changed = {"name": "Chat", "url": receiver.url, "kinds": endpoint.kinds, "is_active": False}
    endpoint_update(endpoint=endpoint, **changed)
    assert Delivery.objects.get().state == "dropped"
    Delivery.objects.update(state="pending")  # one that was queued a moment later
    worker.round_of_work()
    assert not receiver.heard
    assert Delivery.objects.get().state == "dropped"


def test_a_test_reaches_an_endpoint_that_is_off(endpoint: Endpoint, receiver: Receiver, carol: User) -> None:
    Endpoint.objects.update(is_active=False)
    endpoint_test(endpoint=endpoint, by=carol)
    worker.round_of_work()
    assert json.loads(receiver.heard[0][1])["type"] == "webhook.test"


def test_a_private_address_is_refused_when_it_is_sent_to(
    ended_run: Runs, endpoint: Endpoint, receiver: Receiver, settings: Settings
) -> None:
    settings.WEBHOOK_NETWORKS = []
    ended_run()
    worker.round_of_work()
    assert not receiver.heard
    assert "MAPGAN_WEBHOOK_NETWORKS" in Delivery.objects.get().last["error"]


# --- Mail ------------------------------------------------------------------------------------------------


@pytest.fixture
def reader(carol: User) -> User:
    """Carol, with an address."""
    User.objects.filter(pk=carol.pk).update(email="carol@example.org")
    return carol


def test_a_mail_has_a_link_and_a_reason(ended_run: Runs, reader: User, settings: Settings) -> None:
    settings.SITE_URL = "https://maps.example.org"
    run = ended_run(
        "failed",
        name="First\r\nBcc: x@example.org",
        error_message="The disk is full.",
        error_details="x\n" * 500,
    )
    worker.round_of_work()
    (sent,) = mail.outbox
    assert sent.subject == "[MapGAN] Failed: First Bcc: x@example.org"
    assert sent.to == ["carol@example.org"]
    assert f"https://maps.example.org/training/runs/{run.pk}/" in sent.body
    assert "The disk is full." in sent.body
    assert "https://maps.example.org/notifications/preferences/" in sent.body
    assert len(str(sent.body).splitlines()) < 15
    assert Delivery.objects.get().state == "delivered"


def test_a_mail_server_that_is_away_delays_nothing_else(
    ended_run: Runs, reader: User, endpoint: Endpoint, receiver: Receiver, settings: Settings
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", free_ports(1)[0], 2
    ended_run()
    worker.round_of_work()
    assert len(receiver.heard) == 1
    row = Delivery.objects.get(endpoint=None)
    assert row.state == "pending"
    assert "EMAIL_URL" in row.last["error"]
    assert row.next_attempt_at > timezone.now()


class Mailbox(Message):
    """Keeps what a real SMTP server was given, and refuses one address."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def handle_message(self, message: Any) -> None:
        self.found.append(message)


@pytest.fixture
def mailbox(settings: Settings) -> Iterator[Mailbox]:
    """A real SMTP server."""
    box = Mailbox()
    port = free_ports(1)[0]
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", port, 5
    yield box
    controller.stop()


def test_through_a_real_mail_server_one_refused_address_stops_no_other(
    ended_run: Runs, reader: User, mailbox: Mailbox
) -> None:
    for name in ("nobody", "dora"):
        User.objects.create_user(name, f"{name}@example.org", is_staff=True)
    from notifications.services import preference_save

    for user in User.objects.filter(username__in=["nobody", "dora"]):
        preference_save(user=user, scope="all", on_finish=True, on_failure=True, on_alarm=True)
    ended_run()
    worker.round_of_work()
    assert sorted(message["To"] for message in mailbox.found) == ["carol@example.org", "dora@example.org"]
    assert mailbox.found[0]["Auto-Submitted"] == "auto-generated"
    states = {row.user.username: row.state for row in Delivery.objects.all() if row.user}
    assert states == {"nobody": "pending", "dora": "delivered", "carol": "delivered"}
