"""The page of workers and queues: the rows' truth, pausing and resuming, and who may see it."""

from __future__ import annotations

import pytest

from accounts.models import User
from jobs import lifecycle
from jobs.models import QueuePause, Worker
from jobs.queues import queue_pause
from jobs.runner import worker_name
from jobs.workers import worker_sign
from tests.operations.conftest import Clients
from tests.pages.helpers import text_of
from tests.support.broker import Broker
from tests.translator.factories import submitted
from translator.models import Generator, Translation

pytestmark = pytest.mark.database


def test_a_site_without_workers_says_so(clients: Clients) -> None:
    text = text_of(clients["carol"].get("/operations/workers/"))
    assert "No process has signed yet" in text
    assert text.count("No worker") >= 3
    assert "the broker does not answer" in text  # none runs in this test, and the page opens all the same


def test_what_waits_runs_and_lives(
    clients: Clients, alice: User, generator: Generator, broker: Broker
) -> None:
    worker_sign(role="translate", queues=["translate"], first=True)
    waiting, running = submitted(alice, generator), submitted(alice, generator)
    Translation.objects.filter(pk=waiting.pk).update(queued_at=lifecycle.from_now(-300))
    lifecycle.claim(Translation, running.pk, worker_name())
    answer = clients["carol"].get("/operations/workers/")
    text = text_of(answer)
    assert "Waiting 1 · the first for 5 min" in text
    assert "1 worker" in text
    assert f"/translations/{running.pk}/" in answer.content.decode()
    assert worker_name() in text
    assert "is not heard of" not in text


def test_a_worker_that_fell_silent_and_one_that_left_no_row(
    clients: Clients, alice: User, generator: Generator
) -> None:
    worker_sign(role="translate", queues=["translate"], first=True)
    Worker.objects.update(name="lost:1", heartbeat_at=lifecycle.from_now(-120))
    lifecycle.claim(Translation, submitted(alice, generator).pk, "gone:7")
    text = text_of(clients["carol"].get("/operations/workers/"))
    assert "Silent heard 2 min 0 s ago" in text
    assert "gone:7 , which is not heard of" in text or "gone:7, which is not heard of" in text
    assert "No worker" in text


def test_pausing_asks_why_and_people_are_told(clients: Clients, alice: User, generator: Generator) -> None:
    page = clients["carol"].get("/operations/queues/translate/pause/")
    assert "Pause translations?" in text_of(page)
    clients["carol"].post("/operations/queues/translate/pause/", {"reason": "A new driver."})
    row = QueuePause.objects.get()
    assert (row.queue, row.reason, row.paused_by.username) == ("translate", "A new driver.", "carol")  # type: ignore[union-attr]
    assert "A new driver." in text_of(clients["alice"].get("/translate/"))
    mine = submitted(alice, generator)  # accepted all the same
    assert "A new driver." in text_of(clients["alice"].get(f"/translations/{mine.pk}/"))
    assert "paused already" in text_of(
        clients["carol"].post("/operations/queues/translate/pause/", follow=True)
    )
    text = text_of(clients["carol"].get("/operations/workers/"))
    assert "Paused by carol" in text
    text = text_of(clients["carol"].post("/operations/queues/translate/resume/", follow=True))
    assert "Translations: resumed." in text
    assert "not paused" in text_of(clients["carol"].post("/operations/queues/translate/resume/", follow=True))
    assert "A new driver." not in text_of(clients["alice"].get("/translate/"))


def test_nonsense_pauses_nothing(clients: Clients) -> None:
    too_long = clients["carol"].post("/operations/queues/train/pause/", {"reason": "x" * 201})
    assert too_long.status_code == 422
    for address in ("/operations/queues/moon/pause/", "/operations/queues/moon/resume/"):
        assert clients["carol"].post(address).status_code == 404
    assert clients["carol"].get("/operations/queues/train/resume/").status_code == 405
    assert not QueuePause.objects.exists()


def test_every_address_meets_all_four_people(clients: Clients, carol: User) -> None:
    queue_pause(queue="data", by=carol)
    for page in ("workers/", "workers/status/", "queues/train/pause/"):
        for name, client in clients.items():
            expected = 200 if name == "carol" else 404
            assert client.get(f"/operations/{page}").status_code == expected, (page, name)
    for name in ("alice", "bob", "nobody"):
        assert clients[name].post("/operations/queues/train/pause/").status_code == 404
        assert clients[name].post("/operations/queues/data/resume/").status_code == 404
    assert QueuePause.objects.get().resumed_at is None
