"""The front page says what this is, to everybody, and keeps nothing personal in shared caches."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from tests.pages.conftest import Clients
from tests.pages.helpers import text_of
from tests.translator.factories import generator_file, picture, submitted, translated
from translator.models import Generator
from translator.services import generator_import


def test_a_newcomer_is_told_what_it_does(anonymous_client: Client, db: None) -> None:
    response = anonymous_client.get("/")
    assert response.status_code == 200
    text = text_of(response)
    assert "Drop in a picture of a map" in text
    assert "Sign up" in text
    assert "My translations" not in text


def test_without_a_generator_no_sample_promises_anything(anonymous_client: Client, db: None) -> None:
    assert "No map at hand" not in text_of(anonymous_client.get("/"))


def test_the_sample_pair_of_a_generator_is_shown(anonymous_client: Client, db: None) -> None:
    generator = generator_import(
        source=generator_file("pair"), publish=True, sample_input=picture(), sample_output=picture(seed=1)
    )
    page = anonymous_client.get("/")
    html = page.content.decode()
    assert "A sample, and what \N{LEFT DOUBLE QUOTATION MARK}Negatives" in text_of(page)
    for kind in ("input", "output"):
        address = f"/generators/{generator.pk}/samples/{kind}/"
        assert address in html
        assert anonymous_client.get(address)["Content-Type"] == "image/png"


def test_samples_lead_strangers_to_the_form_and_members_to_a_translation(
    clients: Clients, generator: Generator
) -> None:
    stranger = clients["nobody"].get("/").content.decode()
    assert "/translate/?sample=harbour" in stranger
    assert "csrfmiddlewaretoken" not in stranger  # shared caches keep this page
    page = clients["alice"].get("/").content.decode()
    assert '<input type="hidden" name="sample" value="harbour">' in page
    key = page.split('name="key" value="')[1].split('"')[0]
    form = {"sample": "harbour", "generator": str(generator.pk), "visibility": "private", "key": key}
    first, second = (clients["alice"].post("/translate/", form) for _ in range(2))  # a double click
    assert first.status_code == 302
    assert first["Location"] == second["Location"]
    assert clients["alice"].get(first["Location"]).status_code == 200


def test_recent_results_are_the_public_ones(clients: Clients, alice: User, generator: Generator) -> None:
    public = translated(alice, generator, visibility="public")
    private = translated(alice, generator)
    queued = submitted(alice, generator, visibility="public")
    for client in clients.values():
        html = client.get("/").content.decode()
        assert str(public.pk) in html
        assert str(private.pk) not in html
        assert str(queued.pk) not in html


def test_an_upload_s_name_is_not_for_strangers(clients: Clients, alice: User, generator: Generator) -> None:
    translated(alice, generator, visibility="public", filename="my secret estate.png")
    for address in ("/", "/gallery/"):
        assert "secret estate" not in clients["bob"].get(address).content.decode()


@pytest.mark.parametrize("address", ["/", "/gallery/", "/generators/"])
def test_shared_caches_keep_only_what_is_for_everybody(clients: Clients, address: str) -> None:
    public = clients["nobody"].get(address)
    assert public["Cache-Control"] == "public, max-age=15"
    assert {"Cookie", "HX-Request"} <= {name.strip() for name in public["Vary"].split(",")}
    own = clients["alice"].get(address)
    assert "private" in own["Cache-Control"]
    assert "no-store" in own["Cache-Control"]


def test_a_message_is_not_kept_for_others(alice_client: Client) -> None:
    gone = alice_client.post("/accounts/logout/", follow=True)
    assert "signed out" in text_of(gone).lower()
    assert "no-store" in gone["Cache-Control"]
