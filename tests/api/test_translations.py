"""Watching, stopping, repeating, sharing and deleting a translation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.files.storage import default_storage
from pytest_django import DjangoAssertNumQueries, DjangoCaptureOnCommitCallbacks
from rest_framework.test import APIClient

from accounts.models import User
from jobs import lifecycle
from jobs.models import JobState
from tests.translator.factories import published, run, stored_files, submitted, translated
from translator.api import translations
from translator.models import Generator, Translation
from translator.services import translation_delete

Api = Callable[[User | None], APIClient]


def url(translation: Translation, path: str = "") -> str:
    return f"/api/v1/translations/{translation.pk}/{path}"


def test_while_it_waits(api_of: Api, alice: User, generator: Generator) -> None:
    first, second = (submitted(alice, generator) for _ in range(2))
    shown = [api_of(alice).get(url(row)).json() for row in (first, second)]
    assert [row["queue_position"] for row in shown] == [1, 2]
    assert {row["status"] for row in shown} == {"queued"}
    row = shown[0]
    assert (row["progress"], row["result_url"], row["error"]) == (0, None, None)
    assert (row["width"], row["height"], row["source_format"]) == (48, 32, "PNG")
    assert row["generator"] == {
        "id": str(generator.pk), "name": "negative", "title": "Negatives", "direction": "map2sat",
        "version": 1,
    }  # fmt: skip


def test_while_it_runs(api_of: Api, alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    lifecycle.claim(Translation, translation.pk, "a worker")
    lifecycle.beat(Translation, translation.pk, 1, progress=0.4, stage="Translating")
    shown = api_of(alice).get(url(translation)).json()
    assert (shown["status"], shown["progress"], shown["stage"]) == ("running", 0.4, "Translating")
    assert shown["queue_position"] is None
    assert shown["elapsed_seconds"] >= 0


def test_when_it_is_done(api_of: Api, alice: User, generator: Generator) -> None:
    translation = translated(alice, generator)
    shown = api_of(alice).get(url(translation)).json()
    assert (shown["status"], shown["progress"], shown["error"]) == ("succeeded", 1, None)
    for kind in ("original", "original_thumbnail", "result", "result_thumbnail"):
        assert shown[f"{kind}_url"] == f"http://testserver{url(translation, kind.replace('_', '-') + '/')}"
    assert shown["seconds_model"] > 0
    assert shown["result_bytes"] > 0


def test_when_it_failed_it_says_why_and_no_more(api_of: Api, alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    default_storage.delete(translation.original)
    run(translation)
    response = api_of(alice).get(url(translation))
    assert response.json()["error"] == {
        "code": "original_missing",
        "message": "The uploaded image is no longer stored. Please upload it again.",
    }
    assert translation.original not in response.content.decode()
    assert "error_details" not in response.json()


def test_cancelling(api_of: Api, alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    response = api_of(alice).post(url(translation, "cancel/"))
    assert (response.status_code, response.json()["status"]) == (200, "cancelled")
    again = api_of(alice).post(url(translation, "cancel/"))
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert run(translation).state == JobState.CANCELLED


@pytest.mark.parametrize("action", ["cancel", "retry"])
def test_deleted_at_that_moment(
    api_of: Api, alice: User, generator: Generator, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    def found_and_deleted(**_: object) -> Translation:
        row = Translation.objects.get()
        translation_delete(translation=row)
        return row

    for name in ("translation_managed", "translation_owned"):
        monkeypatch.setattr(translations, name, found_and_deleted)
    response = api_of(alice).post(url(submitted(alice, generator), f"{action}/"))
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_cancelling_a_running_one(api_of: Api, alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    lifecycle.claim(Translation, translation.pk, "a worker")
    response = api_of(alice).post(url(translation, "cancel/"))
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["cancel_requested"]) == ("running", True)


def test_retrying(api_of: Api, alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    assert api_of(alice).post(url(translation, "retry/")).status_code == 409
    api_of(alice).post(url(translation, "cancel/"))
    response = api_of(alice).post(url(translation, "retry/"))
    assert (response.status_code, response.json()["status"]) == (202, "queued")
    assert response.json()["seed"] == translation.seed
    assert run(translation).state == JobState.SUCCEEDED
    assert api_of(alice).post(url(translation, "retry/")).status_code == 409


def test_sharing_and_hiding(api_of: Api, alice: User, generator: Generator) -> None:
    translation = translated(alice, generator)
    for visibility, count in (("public", 1), ("private", 0)):
        response = api_of(alice).patch(url(translation), {"visibility": visibility})
        assert (response.status_code, response.json()["visibility"]) == (200, visibility)
        assert api_of(None).get("/api/v1/gallery/").json()["count"] == count


@pytest.mark.parametrize(
    ("body", "code"),
    [("{}", "required"), ('{"visibility": "x"}', "invalid_choice"), ('{"visibility": []}', "invalid_choice")],
)
def test_a_bad_visibility(api_of: Api, alice: User, generator: Generator, body: str, code: str) -> None:
    response = api_of(alice).generic("PATCH", url(submitted(alice, generator)), body, "application/json")
    assert response.status_code == 400
    assert [(fault["field"], fault["code"]) for fault in response.json()["errors"]] == [("visibility", code)]


@pytest.mark.parametrize(
    "body",
    ['{"visibility": "\\ud800"}', '{"visibility": "public", "\\udfff": 1}', '{"a": [{"b": "\\ud800"}]}'],
)
def test_half_a_character(api_of: Api, alice: User, generator: Generator, body: str) -> None:
    """An answer could not repeat it."""
    translation = submitted(alice, generator)
    response = api_of(alice).generic("PATCH", url(translation), body, "application/json")
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")
    assert response.json()["code"] == "parse_error"
    whole = api_of(alice).generic(
        "PATCH", url(translation), '{"visibility": "\\ud83d\\ude00"}', "application/json"
    )
    assert whole.json()["errors"][0]["code"] == "invalid_choice"


@pytest.mark.parametrize("body", ["{", "[" * 100_000, "\xff", '"text"', "null", "[1]"])
def test_a_body_that_is_no_object(api_of: Api, alice: User, generator: Generator, body: str) -> None:
    response = api_of(alice).generic(
        "PATCH", url(submitted(alice, generator)), body.encode("latin-1"), "application/json"
    )
    assert (response.status_code, response["Content-Type"]) == (400, "application/problem+json")


def test_deleting(
    api_of: Api,
    alice: User,
    generator: Generator,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    kept = stored_files()
    translation = translated(alice, generator)
    with django_capture_on_commit_callbacks(execute=True):
        response = api_of(alice).delete(url(translation))
    assert (response.status_code, response.content) == (204, b"")
    assert stored_files() == kept
    assert api_of(alice).delete(url(translation)).status_code == 404


# --- Lists -----------------------------------------------------------------------------------------------


def test_pages(api_of: Api, alice: User, generator: Generator) -> None:
    rows = [submitted(alice, generator) for _ in range(3)]
    page = api_of(alice).get("/api/v1/translations/?page_size=2").json()
    assert set(page) == {"count", "next", "previous", "results"}
    assert (page["count"], page["previous"]) == (3, None)
    assert [row["id"] for row in page["results"]] == [str(row.pk) for row in reversed(rows[1:])]
    last = api_of(alice).get(page["next"]).json()
    assert ([row["id"] for row in last["results"]], last["next"]) == ([str(rows[0].pk)], None)


@pytest.mark.parametrize("page", ["0", "99", "-1", "x", "9" * 40, "1.5", ""])
def test_a_page_that_is_not_there(api_of: Api, alice: User, page: str) -> None:
    response = api_of(alice).get(f"/api/v1/translations/?page={page}")
    assert response.status_code in (200, 404)
    assert response.status_code == 404 or page == ""


def test_filters(api_of: Api, alice: User, generator: Generator) -> None:
    back = published("back", direction="sat2map")
    done, waiting = translated(alice, generator, visibility="public"), submitted(alice, back)

    def listed(address: str) -> list[str]:
        return [row["id"] for row in api_of(alice).get(f"/api/v1/{address}").json()["results"]]

    assert listed("translations/?status=queued") == [str(waiting.pk)]
    assert listed("translations/?direction=map2sat") == [str(done.pk)]
    assert listed(f"translations/?generator={back.pk}") == [str(waiting.pk)]
    assert listed("gallery/?person=alice&direction=map2sat") == [str(done.pk)]
    assert listed("gallery/?person=bob") == []
    assert listed("gallery/?direction=sat2map") == []


@pytest.mark.parametrize("query", ["generator=x", "direction=up", "person=a%00b", f"person={'x' * 200}"])
def test_filters_that_mean_nothing(api_of: Api, db: None, query: str) -> None:
    response = api_of(None).get(f"/api/v1/gallery/?{query}")
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == query.partition("=")[0]


def test_the_cost_of_a_list_does_not_grow(
    api_of: Api, alice: User, generator: Generator, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(8):
        submitted(alice, generator)
    client = api_of(alice)
    client.get("/api/v1/translations/")  # notes the token's use
    with django_assert_max_num_queries(4):  # token, its last use, count, rows
        assert len(client.get("/api/v1/translations/").json()["results"]) == 8
