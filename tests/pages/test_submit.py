"""The translate form: who may use it, what it accepts, what it says, what it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from tests.pages.conftest import Clients
from tests.pages.helpers import HTMX, text_of
from tests.translator.factories import generator_file, picture
from translator.models import Generator, Translation
from translator.services import CardText, generator_describe, generator_import, generator_retire


def send(
    client: Client, generator: Generator | str, data: bytes | None = None, **fields: object
) -> HttpResponse:
    """Submit the form as a browser does; ``headers`` are passed on."""
    headers = fields.pop("headers", None)
    form: dict[str, object] = {"generator": getattr(generator, "pk", generator), "visibility": "private"}
    if data is not None:
        form["image"] = SimpleUploadedFile(str(fields.pop("name", "streets.png")), data, "image/png")
    return client.post("/translate/", form | fields, headers=headers)  # type: ignore[arg-type, return-value]


def test_who_may_open_it(clients: Clients, generator: Generator) -> None:
    for name in ("alice", "bob", "carol"):
        assert clients[name].get("/translate/").status_code == 200
    sent_away = clients["nobody"].get(f"/translate/?sample=harbour&generator={generator.pk}&x=1")
    assert sent_away.status_code == 302
    assert sent_away["Location"].startswith("/accounts/login/?next=/translate/%3Fsample%3Dharbour")


def test_a_picture_becomes_a_private_translation(
    alice_client: Client, alice: User, generator: Generator
) -> None:
    response = send(alice_client, generator, picture(), name="../old <b>town</b>.png")
    row = Translation.objects.get()
    assert response.status_code == 302
    assert response["Location"] == f"/translations/{row.pk}/"
    assert (row.owner, row.visibility, row.filename) == (alice, "private", "b>.png")


def test_with_htmx_the_browser_is_told_where_to_go(alice_client: Client, generator: Generator) -> None:
    response = send(alice_client, generator, picture(), headers=HTMX)
    assert response["HX-Redirect"] == f"/translations/{Translation.objects.get().pk}/"


def test_the_form_tells_the_limits_and_remembers_a_link_s_choice(
    alice_client: Client, generator: Generator
) -> None:
    other = generator_import(source=generator_file("second", shade=0.5), publish=True)
    html = alice_client.get(f"/translate/?generator={other.pk}").content.decode()
    assert 'data-max-bytes="20000000"' in html
    assert 'data-max-pixels="25000000"' in html
    checked = html.split(f'value="{other.pk}"')[1].split(">")[0]
    assert "checked" in checked


BAD = [
    (b"", "empty"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not"),
    (picture()[:-40], "incomplete"),
]


@pytest.mark.parametrize(("data", "word"), BAD, ids=["zero bytes", "svg", "truncated"])
@pytest.mark.parametrize("htmx", [False, True])
def test_a_bad_picture_gets_a_message_and_the_choices_stay(
    alice_client: Client, generator: Generator, data: bytes, word: str, htmx: bool
) -> None:
    other = generator_import(source=generator_file("second", shade=0.5), publish=True)
    response = send(alice_client, other, data, visibility="public", headers=HTMX if htmx else None)
    assert response.status_code == 422
    assert word in text_of(response).lower()
    assert not Translation.objects.exists()
    html = response.content.decode()
    if htmx:  # only messages: the form and its file stay as they are in the browser
        assert "<form" not in html
        assert 'id="error-image" hx-swap-oob="true"' in html
    else:
        assert "choose the file again" in html
        assert "checked" in html.split(f'value="{other.pk}"')[1].split(">")[0]
        assert "checked" in html.split('value="public"')[1].split(">")[0]


def test_nothing_to_translate(alice_client: Client, generator: Generator) -> None:
    response = send(alice_client, generator)
    assert response.status_code == 422
    assert "Choose an image" in text_of(response)


def test_generators_that_are_not_on_offer(alice_client: Client, generator: Generator) -> None:
    trial = generator_import(source=generator_file("trial", shade=0.25))
    generator_retire(generator=generator)
    for choice in (trial.pk, generator.pk, "no-uuid", "", "6f0e3a34-0000-4000-8000-000000000000"):
        response = send(alice_client, str(choice), picture())
        assert response.status_code == 422
    assert not Translation.objects.exists()


def test_unknown_samples_and_visibilities(alice_client: Client, generator: Generator) -> None:
    assert send(alice_client, generator, sample="../secret").status_code == 422
    assert send(alice_client, generator, picture(), visibility="friends").status_code == 422


def test_a_second_press_makes_no_second_translation(alice_client: Client, generator: Generator) -> None:
    first = send(alice_client, generator, picture(), key="k1")
    again = send(alice_client, generator, picture(), key="k1")
    other = send(alice_client, generator, picture(seed=2), key="k1")  # back, another picture
    assert first["Location"] == again["Location"] != other["Location"]
    assert Translation.objects.count() == 2


def test_a_press_is_the_same_under_another_title_and_another_under_the_same(
    alice_client: Client, generator: Generator
) -> None:
    send(alice_client, generator, picture(), key="press")
    generator_describe(generator=generator, text=CardText(title="Photographs"))
    send(alice_client, generator, picture(), key="press")
    assert Translation.objects.count() == 1
    twin = generator_import(source=generator_file("twin", shade=0.5, title="Photographs"), publish=True)
    assert send(alice_client, twin, picture(), key="press").status_code == 302
    assert Translation.objects.count() == 2


def test_a_session_that_ended(anonymous_client: Client, generator: Generator) -> None:
    plain = send(anonymous_client, generator, picture(), visibility="public")
    assert plain.status_code == 302
    assert f"generator%3D{generator.pk}%26visibility%3Dpublic" in plain["Location"]
    scripted = send(anonymous_client, generator, picture(), headers=HTMX)
    assert scripted.status_code == 401
    assert "kept on this page" in text_of(scripted)
    assert not Translation.objects.exists()


@pytest.mark.parametrize("htmx", [False, True])
def test_a_forged_or_old_token(alice: User, generator: Generator, htmx: bool) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    headers = HTMX | {"HX-Target": "form-feedback"}
    response = send(client, generator, picture(), headers=headers if htmx else None)
    assert response.status_code == 403
    assert not Translation.objects.exists()
    if htmx:  # a new token comes along, so that the next press works
        token = response.content.decode().split('value="')[1].split('"')[0]
        again = send(client, generator, picture(), csrfmiddlewaretoken=token, headers=HTMX)
        assert "HX-Redirect" in again
    else:
        assert "out of date" in text_of(response)


def test_a_full_disk_is_a_503_with_the_form_kept(
    alice_client: Client, generator: Generator, settings: Settings, tmp_path: Path
) -> None:
    from mapgan_site.policies import local_storage

    blocked = tmp_path / "no folder"
    blocked.write_text("a file where the media folder should be")
    settings.STORAGES = {**settings.STORAGES, "default": local_storage(blocked)}
    response = send(alice_client, generator, picture(), visibility="public")
    assert response.status_code == 503
    assert response["Retry-After"]
    html = response.content.decode()
    assert "storage cannot be used right now" in html
    assert "checked" in html.split('value="public"')[1].split(">")[0]
    assert not Translation.objects.exists()


def test_more_bytes_than_any_picture_may_have(
    alice_client: Client, generator: Generator, settings: Settings
) -> None:
    settings.REQUEST_MAX_BYTES = 1000
    response = send(alice_client, generator, b"x" * 2000)
    assert response.status_code == 413
    assert "too large" in text_of(response)


def test_without_a_generator_the_page_says_so(alice_client: Client) -> None:
    assert "There is no generator yet" in text_of(alice_client.get("/translate/"))
