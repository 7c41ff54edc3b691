"""A translation's page in each state, and the fragment that keeps it up to date."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from jobs.models import JobState, QueuePause, Worker
from jobs.workers import worker_sign
from tests.pages.conftest import Clients
from tests.pages.helpers import HTMX, links_of, text_of
from tests.translator.factories import submitted, translated
from translator.models import Generator, Translation
from translator.services import generator_retire
from translator.views.translations import poll_seconds


def put(row: Translation, **values: object) -> Translation:
    """Write columns as the worker would have."""
    Translation.objects.filter(pk=row.pk).update(**values)
    row.refresh_from_db()
    return row


def test_waiting(alice_client: Client, alice: User, bob: User, generator: Generator) -> None:
    submitted(bob, generator)
    row = submitted(alice, generator)
    page = alice_client.get(f"/translations/{row.pk}/")
    assert "Place 2 in the queue" in text_of(page)
    assert f"/translations/{row.pk}/cancel/" in links_of(page)
    assert f'hx-get="/translations/{row.pk}/status/"' in page.content.decode()
    fragment = alice_client.get(f"/translations/{row.pk}/status/", headers=HTMX)
    assert fragment.status_code == 200
    assert "<html" not in fragment.content.decode()
    assert "HX-Request" in fragment["Vary"]


def test_waiting_for_nobody(alice_client: Client, alice: User, carol: User, generator: Generator) -> None:
    """Said when no living worker takes from this queue: not of a pause, nor of a back-off."""
    row = submitted(alice, generator)

    def told() -> bool:
        page = alice_client.get(f"/translations/{row.pk}/status/", headers=HTMX)
        return "No worker is at work right now" in text_of(page)

    assert not told()
    put(row, queued_at=timezone.now() - timedelta(seconds=40))
    assert told()
    put(submitted(alice, generator), state=JobState.RUNNING, attempt=1, worker="dead")
    worker_sign(role="train", queues=["train"])
    assert told()
    pause = QueuePause.objects.create(queue="translate", paused_by=carol)
    assert not told()
    pause.delete()
    worker_sign(role="translate", queues=["translate"], first=True)
    assert not told()
    put(row, not_before=timezone.now() + timedelta(seconds=60))
    assert not told()
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=100))
    assert told()


def test_how_long_it_waits_and_not_since_when(
    alice_client: Client, alice: User, generator: Generator
) -> None:
    """Between two attempts, too: the first one's time is not the second's."""
    row = submitted(alice, generator)
    long_ago = timezone.now() - timedelta(seconds=75)
    put(row, queued_at=long_ago, started_at=long_ago, attempt=1)
    text = text_of(alice_client.get(f"/translations/{row.pk}/status/", headers=HTMX))
    assert re.search(r"Waiting for 1 min 1\d s", text)
    assert "so far" not in text
    assert (row.elapsed, put(row, state=JobState.RUNNING).waited) == (None, None)
    assert row.elapsed is not None


def test_running(alice_client: Client, alice: User, generator: Generator) -> None:
    row = put(
        submitted(alice, generator),
        state=JobState.RUNNING,
        stage="translating",
        progress=0.425,
        attempt=2,
        started_at=timezone.now() - timedelta(seconds=75),
    )
    text = text_of(alice_client.get(f"/translations/{row.pk}/status/", headers=HTMX))
    assert "Translating" in text
    assert "42 %" in text
    assert "1 min 15 s so far · attempt 2" in text


def test_nothing_in_the_polled_fragment_can_have_the_focus(
    alice_client: Client, alice: User, generator: Generator
) -> None:
    row = submitted(alice, generator)
    html = alice_client.get(f"/translations/{row.pk}/status/", headers=HTMX).content.decode()
    assert not any(tag in html for tag in ("<a ", "<button", "<input", "tabindex"))


def test_the_end_stops_the_questions_and_brings_the_result(
    alice_client: Client, alice: User, generator: Generator
) -> None:
    row = translated(alice, generator)
    fragment = alice_client.get(f"/translations/{row.pk}/status/", headers=HTMX)
    assert fragment.status_code == 286
    assert fragment["HX-Retarget"] == "#translation"
    html = fragment.content.decode()
    assert "<compare-slider" in html
    assert "data-poll" not in html
    assert 'data-announce="Succeeded."' in html
    plain = alice_client.get(f"/translations/{row.pk}/status/")
    assert plain.status_code == 200


def test_succeeded(clients: Clients, alice: User, generator: Generator) -> None:
    row = translated(alice, generator, visibility="public", filename="harbour.png")
    links = {name: links_of(client.get(f"/translations/{row.pk}/")) for name, client in clients.items()}
    download = f"/translations/{row.pk}/files/result/?download=1"
    assert all(download in each for each in links.values())
    may_change = {name for name, each in links.items() if f"/translations/{row.pk}/visibility/" in each}
    assert may_change == {"alice", "carol"}
    text = text_of(clients["alice"].get(f"/translations/{row.pk}/"))
    for fact in ("harbour.png", "48 \N{MULTIPLICATION SIGN} 32 px", str(row.seed), "version 1", "Public."):
        assert fact in text
    place = f"/generators/#generator-{generator.pk}"
    assert all(place in each for each in links.values())
    generator_retire(generator=generator)  # and is no longer on that page
    stays = clients["nobody"].get(f"/translations/{row.pk}/")
    assert place not in links_of(stays)
    assert "Negatives, version 1" in text_of(stays)
    stranger = text_of(clients["nobody"].get(f"/translations/{row.pk}/"))
    assert "A translation by alice" in stranger
    assert "harbour.png" not in stranger


def test_failed_says_why_and_keeps_the_details_for_staff(
    clients: Clients, alice: User, generator: Generator
) -> None:
    row = put(
        submitted(alice, generator),
        state=JobState.FAILED,
        finished_at=timezone.now(),
        error_code="out_of_memory",
        error_message="Too large for this worker.",
        error_details="Traceback: secret/path",
    )
    page = clients["alice"].get(f"/translations/{row.pk}/")
    assert "Too large for this worker." in text_of(page)
    assert f"/translations/{row.pk}/retry/" in links_of(page)
    assert "secret/path" not in page.content.decode()
    staff = clients["carol"].get(f"/translations/{row.pk}/")
    assert "secret/path" in text_of(staff)
    assert f"/translations/{row.pk}/retry/" not in links_of(staff)


def test_private_pages_are_kept_by_no_cache_and_no_search_engine(
    alice_client: Client, alice: User, generator: Generator
) -> None:
    page = alice_client.get(f"/translations/{translated(alice, generator).pk}/")
    assert "no-store" in page["Cache-Control"]
    assert '<meta name="robots" content="noindex">' in page.content.decode()


def test_a_hostile_file_name_stays_text(alice_client: Client, alice: User, generator: Generator) -> None:
    row = translated(alice, generator, filename='"><img src=x onerror=alert(1)>.png')
    for address in (f"/translations/{row.pk}/", "/translations/", f"/translations/{row.pk}/delete/"):
        assert "<img src=x" not in alice_client.get(address).content.decode()


@pytest.mark.parametrize(("age", "seconds"), [(0, 1), (30, 2), (300, 5), (3600, 15)])
def test_the_page_asks_less_and_less_often(alice: User, generator: Generator, age: int, seconds: int) -> None:
    row = submitted(alice, generator)
    row.queued_at = timezone.now() - timedelta(seconds=age)
    assert poll_seconds(row) == seconds
