"""Generators in the API, readable without signing in."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.admin.models import LogEntry
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import User
from tests.translator.factories import generator_file, picture, published
from translator.models import Generator
from translator.services import generator_import, generator_retire

Api = Callable[[User | None], APIClient]


def test_the_list(api_of: Api, generator: Generator) -> None:
    back = published("back", direction="sat2map")
    page = api_of(None).get("/api/v1/generators/").json()
    assert page["count"] == 2
    assert [(row["id"], row["direction"], row["version"]) for row in page["results"]] == [
        (str(generator.pk), "map2sat", 1),
        (str(back.pk), "sat2map", 1),
    ]
    first = page["results"][0]
    assert (first["name"], first["title"], first["card"]["architecture"]) == (
        "negative",
        "Negatives",
        "unet_256",
    )
    assert (first["sample_input_url"], first["sample_output_url"]) == (None, None)
    assert not {"file", "sample_input"} & set(first)


def test_one(api_of: Api, db: None) -> None:
    generator = generator_import(source=generator_file(), publish=True, sample_input=picture())
    shown = api_of(None).get(f"/api/v1/generators/{generator.pk}/").json()
    assert shown["url"] == f"http://testserver/api/v1/generators/{generator.pk}/"
    assert shown["sample_input_url"] == f"{shown['url']}samples/input/"
    assert shown["sample_output_url"] is None


def test_trial_and_retired(api_of: Api, alice: User, carol: User, generator: Generator) -> None:
    trial = generator_import(source=generator_file("trial"))
    generator_retire(generator=generator)
    for user, count, status in ((None, 0, 404), (alice, 0, 404), (carol, 1, 200)):
        client = api_of(user)
        assert client.get("/api/v1/generators/").json()["count"] == count
        assert client.get(f"/api/v1/generators/{trial.pk}/").status_code == status
        # The record of what made a result stays readable.
        assert client.get(f"/api/v1/generators/{generator.pk}/").json()["state"] == "retired"


def test_staff_name_the_default(api_of: Api, alice: User, carol: User, generator: Generator) -> None:
    other = published("other", shade=0.5)
    trial = generator_import(source=generator_file("trial"))
    assert [row["is_default"] for row in api_of(None).get("/api/v1/generators/").json()["results"]] == [
        True,
        False,
    ]
    for user in (None, alice):
        assert api_of(user).post(f"/api/v1/generators/{other.pk}/default/").status_code == 404
    answer = api_of(carol).post(f"/api/v1/generators/{other.pk}/default/")
    assert LogEntry.objects.get().user == carol
    assert (answer.status_code, answer.json()["is_default"]) == (200, True)
    first, second = api_of(None).get("/api/v1/generators/").json()["results"]
    assert (first["id"], second["is_default"]) == (str(other.pk), False)
    refused = api_of(carol).post(f"/api/v1/generators/{trial.pk}/default/")
    assert refused.status_code == 409
    assert "not published" in refused.json()["detail"]


def test_a_session_names_no_default_without_its_token(
    api_of: Api, carol_client: Client, generator: Generator
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies = carol_client.cookies
    assert client.post(f"/api/v1/generators/{generator.pk}/default/").status_code == 403
    schema = api_of(None).get("/api/schema/?format=json").json()
    documented = schema["paths"]["/api/v1/generators/{generator_id}/default/"]["post"]["responses"]
    assert "403" in documented
