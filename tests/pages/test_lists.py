"""My translations and the gallery: who sees them, order, pages, filters, and what they cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from tests.pages.conftest import Clients
from tests.pages.helpers import HTMX, text_of
from tests.translator.factories import generator_file, submitted, translated
from translator.models import Generator, Translation
from translator.services import generator_import, generator_retire, translation_cancel, translation_delete


def order(response: Any) -> list[str]:
    """Ids of the tiles, from the first to the last."""
    return [part.split('"')[0] for part in response.content.decode().split('id="tile-')[1:]]


def copies(row: Translation, number: int) -> None:
    """More rows of the same files: what a list costs does not depend on the pictures."""
    for _ in range(number):
        row.pk = None
        row._state.adding = True
        row.id = Translation._meta.pk.get_default()
        row.idempotency_key = ""
        row.save(force_insert=True)


def test_mine_are_mine(clients: Clients, alice: User, bob: User, generator: Generator) -> None:
    first, second = submitted(alice, generator), translated(alice, generator)
    translated(bob, generator, visibility="public")
    assert order(clients["alice"].get("/translations/")) == [str(second.pk), str(first.pk)]
    assert order(clients["carol"].get("/translations/")) == []
    assert "Nothing here yet" in text_of(clients["carol"].get("/translations/"))
    away = clients["nobody"].get("/translations/")
    assert (away.status_code, away["Location"]) == (302, "/accounts/login/?next=/translations/")


def test_mine_filtered(alice_client: Client, alice: User, generator: Generator) -> None:
    queued, done, stopped = (
        submitted(alice, generator),
        translated(alice, generator),
        submitted(alice, generator),
    )
    translation_cancel(translation=stopped)
    for query, expected in (
        ("state=queued", [queued]),
        ("state=cancelled", [stopped]),
        ("state=succeeded&direction=map2sat", [done]),
        ("direction=sat2map", []),
        (f"generator={generator.pk}&state=nonsense", [stopped, done, queued]),
        ("generator=nonsense", [stopped, done, queued]),
    ):
        assert order(alice_client.get(f"/translations/?{query}")) == [str(row.pk) for row in expected], query


def test_the_filter_offers_what_one_s_own_rows_were_made_with(
    alice_client: Client, alice: User, generator: Generator
) -> None:
    generator_import(source=generator_file("unused", shade=0.5, title="Never used"), publish=True)
    translated(alice, generator)
    generator_retire(generator=generator)
    html = alice_client.get("/translations/").content.decode()
    assert f'value="{generator.pk}"' in html
    assert "Never used" not in html


def test_only_unfinished_ones_are_asked_about(
    alice_client: Client, alice: User, generator: Generator
) -> None:
    done = translated(alice, generator)
    assert "data-poll" not in alice_client.get("/translations/").content.decode()
    queued = submitted(alice, generator)
    html = alice_client.get("/translations/").content.decode()
    assert f'hx-get="/translations/updates/?id={queued.pk}"' in html
    assert f"id={done.pk}&" not in html


def test_updates(clients: Clients, alice: User, generator: Generator) -> None:
    queued, done = submitted(alice, generator), translated(alice, generator)
    address = f"/translations/updates/?id={queued.pk}&id={done.pk}"
    both = clients["alice"].get(address, headers=HTMX)
    assert both.status_code == 200
    assert set(order(both)) == {str(queued.pk), str(done.pk)}
    tile = rf'<article class="tile"\s+id="tile-{done.pk}"\s+hx-swap-oob="true">'
    assert re.search(tile, both.content.decode())  # itself, for htmx would put whatever is around it in, too
    assert "hx-swap-oob" not in clients["alice"].get("/translations/").content.decode()
    finished = clients["alice"].get(f"/translations/updates/?id={done.pk}", headers=HTMX)
    assert finished.status_code == 286
    # The list is loaded anew then, which is what shows who is signed in and what is there.
    for name in ("bob", "carol", "nobody"):
        refused = clients[name].get(address, headers=HTMX)
        assert (refused.status_code, order(refused)) == (404, [])
    assert clients["nobody"].get("/translations/updates/", headers=HTMX).status_code == 404
    assert clients["alice"].get(f"{address}&id=nonsense", headers=HTMX).status_code == 404
    translation_delete(translation=queued)
    assert clients["alice"].get(address, headers=HTMX).status_code == 404


def test_the_gallery_is_public(clients: Clients, alice: User, bob: User, generator: Generator) -> None:
    older = translated(alice, generator, visibility="public")
    newer = translated(bob, generator, visibility="public")
    translated(alice, generator)
    for client in clients.values():
        assert order(client.get("/gallery/")) == [str(newer.pk), str(older.pk)]
    assert order(clients["nobody"].get("/gallery/?person=alice")) == [str(older.pk)]
    assert "Nobody has shared anything like that" in text_of(clients["nobody"].get("/gallery/?person=x"))


def test_the_gallery_of_a_retired_generator(
    anonymous_client: Client, alice: User, generator: Generator
) -> None:
    row = translated(alice, generator, visibility="public")
    generator_retire(generator=generator)
    page = anonymous_client.get(f"/gallery/?generator={generator.pk}")
    assert order(page) == [str(row.pk)]
    assert f'value="{generator.pk}" selected' in page.content.decode()
    trial = generator_import(source=generator_file("trial", shade=0.5, title="Still on trial"))
    assert "Still on trial" not in text_of(anonymous_client.get(f"/gallery/?generator={trial.pk}"))


def test_pages(anonymous_client: Client, alice: User, generator: Generator) -> None:
    copies(translated(alice, generator, visibility="public"), 50)
    first = anonymous_client.get("/gallery/?person=alice")
    assert len(order(first)) == 24
    assert "?person=alice&amp;page=2" in first.content.decode()
    last = anonymous_client.get("/gallery/?page=3")
    assert len(order(last)) == 3
    assert 'rel="next"' not in last.content.decode()
    assert order(anonymous_client.get("/gallery/?page=99")) == order(last)
    assert order(anonymous_client.get("/gallery/?page=x")) == order(anonymous_client.get("/gallery/"))


@pytest.mark.parametrize("address", ["/", "/gallery/", "/translations/"])
def test_more_rows_cost_no_more_queries(
    alice_client: Client,
    alice: User,
    generator: Generator,
    address: str,
    django_assert_max_num_queries: Callable[..., Any],
) -> None:
    copies(translated(alice, generator, visibility="public"), 30)
    with django_assert_max_num_queries(7) as queries:
        assert order(alice_client.get(address))
    assert len(queries.captured_queries) <= 7


def test_a_question_about_progress_is_cheap(
    alice_client: Client, alice: User, generator: Generator, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    row = submitted(alice, generator)
    with django_assert_max_num_queries(5):  # session, user, row, place in the queue, is it paused
        alice_client.get(f"/translations/{row.pk}/status/", headers=HTMX)
