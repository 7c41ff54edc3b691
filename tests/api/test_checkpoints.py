"""Checkpoints, evaluations and publications through the API (staff; strangers: test_training_access)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from jobs.models import JobState
from tests.api.test_problems import assert_problem
from tests.mapgan.pairs import write_maps
from tests.training.conftest import brought, zipped
from tests.training.stored import GOOD, a_checkpoint, a_run
from tests.translator.factories import generator_file
from training_jobs.models import Evaluation, Publication, TrainingRun
from translator.services import generator_import

Api = Callable[[User | None], APIClient]
OFFER = {"direction": "map2sat", "name": "town", "title": "Town"}


@pytest.fixture
def run(carol: User, tmp_path: Any) -> TrainingRun:
    """Two checkpoints, the second one better."""
    write_maps(tmp_path / "pairs" / "train", 2, side=32)
    run = a_run(carol, brought(carol, zipped(tmp_path / "pairs")))
    a_checkpoint(run, 100, {"map2sat": {**GOOD, "kid_random_cnn": 0.5}})
    a_checkpoint(run, 200, {"map2sat": GOOD})
    return run


def address(run: TrainingRun, step: int) -> str:
    """Of a checkpoint."""
    return f"/api/v1/checkpoints/{run.checkpoints.get(step=step).pk}/"


def test_listed_with_the_best_marked(api_of: Api, carol: User, run: TrainingRun) -> None:
    api = api_of(carol)
    rows = api.get(f"/api/v1/checkpoints/?run={run.pk}").json()["results"]
    assert [(row["step"], row["best_in"]) for row in rows] == [(100, []), (200, ["map2sat"])]
    assert rows[0]["measures"]["directions"]["map2sat"]["kid_random_cnn"] == 0.5
    assert api.get(rows[1]["url"]).json() == rows[1]
    assert "files" not in json.dumps(rows)  # keys of weights are nobody's business
    other = "00000000-0000-4000-8000-000000000000"
    assert api.get(f"/api/v1/checkpoints/?run={other}").json()["results"] == []
    assert_problem(api.get("/api/v1/checkpoints/?run=nonsense"), 400, "invalid")


def test_pinned_and_deleted(api_of: Api, carol: User, run: TrainingRun) -> None:
    api = api_of(carol)
    assert api.patch(address(run, 100), {"pinned": True}, format="json").json()["pinned"] is True
    assert_problem(api.patch(address(run, 100), {"pinned": "perhaps"}, format="json"), 400, "invalid")
    gone = address(run, 100)
    assert api.delete(gone).status_code == 204
    assert_problem(api.delete(gone), 404, "not_found")
    TrainingRun.objects.update(state=JobState.QUEUED)
    assert_problem(api.delete(address(run, 200)), 400, "invalid")
    assert run.checkpoints.count() == 1


def test_evaluated(api_of: Api, carol: User, run: TrainingRun) -> None:
    api, place = api_of(carol), f"{address(run, 200)}evaluations/"
    answer = api.post(place, {"tiles": 30}, format="json")
    assert (answer.status_code, answer.json()["status"], answer.json()["tiles"]) == (202, "queued", 30)
    assert_problem(api.post(place, {"tiles": 30}, format="json"), 409, "conflict")
    assert_problem(api.post(place, {"tiles": -1}, format="json"), 400, "invalid")
    own = answer.json()["url"]
    assert_problem(api.post(f"{own}retry/"), 409, "conflict")
    assert api.post(f"{own}cancel/").json()["status"] == "cancelled"
    assert_problem(api.post(f"{own}cancel/"), 409, "conflict")
    assert api.post(f"{own}retry/").json()["status"] == "queued"
    rows = api.get(f"/api/v1/evaluations/?run={run.pk}").json()["results"]
    assert [row["url"] for row in rows] == [own]
    assert Evaluation.objects.count() == 1


def test_published_described_and_rolled_back(api_of: Api, carol: User, run: TrainingRun) -> None:
    api, place = api_of(carol), f"{address(run, 200)}publications/"
    for wrong, code in (
        ({"direction": "sat2map"}, "refused"),
        ({"name": "A B"}, "refused"),
        ({"title": ""}, "blank"),
    ):
        answer = api.post(place, {**OFFER, **wrong}, format="json")
        assert_problem(answer, 400, "invalid")
        assert code in answer.content.decode()
    (made,) = api.post(place, OFFER, format="json").json()
    assert (made["status"], made["offered"], made["generator"]) == ("queued", None, None)
    assert_problem(api.post(f"{made['url']}offer/", {"state": "published"}, format="json"), 400, "invalid")
    generator = generator_import(source=generator_file("town"))
    Publication.objects.update(state=JobState.SUCCEEDED, generator=generator)
    offered = api.post(f"{made['url']}offer/", {"state": "published"}, format="json").json()
    assert (offered["offered"], offered["generator"]["version"]) == ("published", 1)
    changed = api.patch(made["url"], {"limits": "Not for hills."}, format="json").json()
    assert (changed["title"], changed["limits"]) == ("Town", "Not for hills.")
    assert api_of(None).get(f"/api/v1/generators/{generator.pk}/").json()["limits"] == "Not for hills."
    assert_problem(api.patch(made["url"], {"title": ""}, format="json"), 400, "invalid")
    assert_problem(api.post(f"{made['url']}offer/", {"state": "nobody"}, format="json"), 400, "invalid")
    assert_problem(api.post(f"{made['url']}retry/"), 409, "conflict")
    assert [row["url"] for row in api.get("/api/v1/publications/").json()["results"]] == [made["url"]]


def test_both_directions_in_one_request(api_of: Api, carol: User, run: TrainingRun) -> None:
    config = {**run.config, "model": "cyclegan", "generator": "resnet_6", "gan_loss": "lsgan"}
    TrainingRun.objects.update(config=config)
    place = f"{address(run, 200)}publications/"
    made = api_of(carol).post(place, {**OFFER, "direction": "both"}, format="json").json()
    assert {row["name"]: row["direction"] for row in made} == {
        "town-map2sat": "map2sat", "town-sat2map": "sat2map",
    }  # fmt: skip
