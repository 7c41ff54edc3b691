"""Training runs and sweeps through the API: launched, steered, read; staff only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from jobs.models import JobState
from mapgan.presets import preset
from tests.training.conftest import archive
from tests.training.test_sweeping import active, claimed, done, pictures, started
from training_jobs.models import DatasetVersion, Sweep, TrainingRun
from training_jobs.services import recording
from training_jobs.services.runs import run_start
from training_jobs.services.sweeping import sweeps_advance

__all__ = ["archive", "pictures"]

Api = Callable[[User | None], APIClient]
RUNS, SWEEPS = "/api/v1/training-runs/", "/api/v1/sweeps/"


@pytest.fixture
def carols(api_of: Api, carol: User) -> APIClient:
    """The API as Carol, who is staff, uses it."""
    return api_of(carol)


def launched(client: APIClient, version: DatasetVersion, **values: Any) -> Any:
    """The answer to a launch."""
    body = {"name": "From a program", "dataset_version": str(version.pk), **values}
    return client.post(RUNS, body, format="json")


def test_a_run_is_launched_from_a_preset_with_other_settings(
    carols: APIClient, pictures: DatasetVersion
) -> None:
    settings = {"steps": 500, "learning_rate": 1e-4, "direction": "sat2map"}
    answer = launched(carols, pictures, preset="draft", settings=settings)
    assert answer.status_code == 201, answer.json()
    run = TrainingRun.objects.get()
    assert answer["Location"].endswith(f"{RUNS}{run.pk}/")
    expected = preset("draft", steps=500, learning_rate=1e-4, direction="sat2map")
    assert run.settings == expected
    assert answer.json()["settings"]["decay_steps"] == 200  # a preset's decay keeps its share
    assert (answer.json()["status"], answer.json()["queue_position"]) == ("queued", 1)
    again = launched(carols, pictures, clone=str(run.pk), settings={"learning_rate": 3e-4})
    twin = TrainingRun.objects.get(pk=again.json()["id"])
    assert twin.cloned_from == run
    assert (twin.config["steps"], twin.config["learning_rate"]) == (500, 3e-4)


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"settings": {"learning_rate": "fast"}}, "settings.learning_rate", "must be a float"),
        ({"settings": {"learning_rate": 7}}, "settings.learning_rate", "from 1e-12 to 1"),
        ({"settings": {"colour": "red"}}, "settings", "unknown setting: colour"),
        ({"settings": {"steps": 10, "decay_steps": 11}}, "settings.decay_steps", "longer than the run"),
        ({"settings": {"steps": 10**400}}, "settings.steps", "too large"),
        ({"settings": {"steps": [1]}}, "settings.steps", "must be a int"),
        ({"settings": {"model": "cyclegan"}}, "settings.model", "no setting of a run"),
        ({"settings": {"l1_weight": 5.0}, "model": "cyclegan"}, "settings.l1_weight", "does not use it"),
        ({"settings": 5}, "settings", "dictionary"),
        ({"preset": "huge"}, "preset", "not a valid choice"),
        ({"clone": "x"}, "clone", "valid UUID"),
        ({"name": ""}, "name", "blank"),
        ({"dataset_version": "00000000-0000-0000-0000-000000000000"}, "dataset_version", "does not exist"),
    ],
)
def test_what_does_not_fit_is_said_with_the_setting(
    carols: APIClient, pictures: DatasetVersion, values: dict[str, Any], field: str, words: str
) -> None:
    answer = launched(carols, pictures, **values)
    assert answer.status_code == 400
    faults = [(each["field"], each["message"]) for each in answer.json()["errors"]]
    assert any(name == field and words in message for name, message in faults), faults
    assert not TrainingRun.objects.exists()


def test_a_dataset_that_is_not_ready(carols: APIClient, pictures: DatasetVersion) -> None:
    DatasetVersion.objects.update(state=JobState.FAILED)
    answer = launched(carols, pictures)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "dataset_version"


def test_what_it_would_cost(carols: APIClient, carol: User, pictures: DatasetVersion) -> None:
    body = {"name": "x", "dataset_version": str(pictures.pk), "settings": {"steps": 100}}
    nothing = carols.post(f"{RUNS}estimate/", body, format="json").json()
    assert (nothing["steps"], nothing["seconds"], nothing["after"]) == (100, None, None)
    run = run_start(by=carol, name="x", dataset_version=pictures, config=preset("draft"))
    TrainingRun.objects.update(images_per_second=2.0, memory_bytes=10**9)
    found = carols.post(f"{RUNS}estimate/", body, format="json").json()
    assert (found["seconds"], found["memory_bytes"], found["after"]) == (50.0, 10**9, str(run.pk))


def test_listed_narrowed_and_ordered(carols: APIClient, carol: User, pictures: DatasetVersion) -> None:
    for name in ("Beach", "Coast", "Arbour"):
        run_start(by=carol, name=name, dataset_version=pictures, config=preset("draft"))
    done(TrainingRun.objects.get(name="Coast"))

    def names(**query: str) -> list[str]:
        return [run["name"] for run in carols.get(RUNS, query).json()["results"]]

    assert names() == ["Arbour", "Coast", "Beach"]
    assert names(sort="name", status="queued") == ["Arbour", "Beach"]
    assert names(q="oas", model="pix2pix", dataset=str(pictures.dataset_id)) == ["Coast"]
    assert carols.get(RUNS, {"status": "odd"}).status_code == 400
    assert carols.get(RUNS, {"dataset": "00000000-0000-0000-0000-000000000000"}).status_code == 404


def test_steered_and_deleted(carols: APIClient, carol: User, pictures: DatasetVersion) -> None:
    run = run_start(by=carol, name="x", dataset_version=pictures, config=preset("draft"))
    own = f"{RUNS}{run.pk}/"
    assert carols.post(f"{own}pause/").json()["status"] == "paused"
    assert carols.post(f"{own}resume/").json()["status"] == "queued"
    assert carols.post(f"{own}finish/").status_code == 409
    assert carols.post(f"{own}explode/").status_code == 404
    assert carols.post(f"{own}extend/", {"steps": 9}, format="json").status_code == 400
    assert carols.post(f"{own}cancel/").json()["status"] == "cancelled"
    assert carols.post(f"{own}cancel/").status_code == 409
    kinds = [note["kind"] for note in carols.get(f"{own}notes/").json()["results"]]
    assert kinds == ["cancel", "resume", "paused", "queued"]
    assert carols.get(f"{own}notes/").json()["results"][0]["by"] == "carol"
    assert carols.delete(own).status_code == 204
    assert carols.get(own).status_code == 404


def test_its_curves(carols: APIClient, carol: User, pictures: DatasetVersion) -> None:
    run = claimed(run_start(by=carol, name="x", dataset_version=pictures, config=preset("draft")))
    rows = [[float(step), float("nan")] for step in range(100)]
    recording.curves_append(run=run, attempt=1, steps=list(range(100)), rows=rows, columns=["g_l1", "d_real"])
    own = f"{RUNS}{run.pk}/curves/"
    whole = carols.get(own).json()
    assert whole["columns"] == ["g_l1", "d_real"]
    assert whole["steps"] == list(range(100))
    assert whole["values"][1] == [None] * 100
    assert carols.get(own, {"first": 10, "last": 12}).json()["values"][0] == [10.0, 11.0, 12.0]
    assert carols.get(own, {"points": 1}).status_code == 400


def test_a_sweep_is_begun_followed_and_ended(carols: APIClient, pictures: DatasetVersion) -> None:
    body = {
        "name": "Rates", "dataset_version": str(pictures.pk),
        "settings": {"direction": "sat2map", "steps": 400, "checkpoint_every": 100},
        "space": [
            {"name": "learning_rate", "low": 1e-5, "high": 1e-3, "log": True},
            {"name": "flip", "values": [True, False]},
        ],
        "method": "random", "size": 3, "concurrency": 2,
    }  # fmt: skip
    answer = carols.post(SWEEPS, body, format="json")
    assert answer.status_code == 201, answer.json()
    own = f"{SWEEPS}{answer.json()['id']}/"
    assert answer["Location"].endswith(own)
    sweep = Sweep.objects.get()
    sweeps_advance()
    assert carols.get(own).json()["launched"] == 2
    for score in (0.1, 0.3, 0.2):
        done(active(sweep)[0], score)
        sweeps_advance()
    found = carols.get(own).json()
    assert (found["status"], found["ended"], found["failed"]) == ("finished", 3, 0)
    trials = carols.get(f"{own}trials/").json()["results"]
    assert [(each["number"], each["place"]) for each in trials] == [(2, 1), (3, 2), (1, 3)]
    assert trials[0]["measures"]["palette_miou"] == 0.3
    assert trials[0]["best_step"] == 400
    assert trials[0]["run"]["sweep"] == str(sweep.pk)
    assert carols.patch(own, {"size": 4}, format="json").json()["status"] == "running"
    assert carols.patch(own, {"size": 1}, format="json").status_code == 400
    assert carols.post(f"{own}pause/").json()["status"] == "paused"
    assert carols.post(f"{own}pause/").status_code == 409
    assert carols.post(f"{own}resume/").json()["status"] == "running"
    assert carols.post(f"{own}cancel/").json()["status"] == "cancelled"
    assert carols.post(f"{own}retry/").status_code == 409
    assert carols.get(SWEEPS).json()["count"] == 1
    assert carols.delete(f"{own}?with_runs=true").status_code == 204
    assert not TrainingRun.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"space": []}, "space"),
        ({"space": [{"name": "learning_rate"}]}, "space.learning_rate"),
        ({"space": [{"name": "colour", "values": [1]}]}, "space"),
        ({"space": [{"name": "learning_rate", "values": [1e-4, None]}]}, "space.0.values.1"),
        ({"space": [{"name": "generator_width", "values": [8.5]}]}, "space.generator_width"),
        ({"space": [{"name": "generator_width", "low": 8}]}, "space.generator_width"),
        ({"space": [{"name": "generator_width", "low": 8, "high": True}]}, "space.0.high"),
        ({"space": [{"name": "direction", "values": ["map2sat"]}]}, "space.direction"),
        ({"space": [{"name": "dropout", "values": [7.0]}]}, "space.dropout"),
        ({"settings": {"evaluate_tiles": 0}}, "evaluate_tiles"),
        ({"pruner": "median", "settings": {"checkpoint_every": 9000}}, "checkpoint_every"),
        ({"method": "random", "size": 100_000}, "size"),
        ({"concurrency": 0}, "concurrency"),
    ],
)
def test_a_sweep_that_makes_no_sense(
    carols: APIClient, pictures: DatasetVersion, changes: dict[str, Any], field: str
) -> None:
    space = [{"name": "learning_rate", "values": [1e-4, 2e-4]}]
    body = {"name": "Rates", "dataset_version": str(pictures.pk), "space": space, **changes}
    answer = carols.post(SWEEPS, body, format="json")
    assert answer.status_code == 400
    assert field in [each["field"] for each in answer.json()["errors"]], answer.json()
    assert not Sweep.objects.exists()


def test_strangers_find_nothing_of_what_exists(
    api_of: Api, alice: User, bob: User, carol: User, pictures: DatasetVersion
) -> None:
    sweep = started(carol, pictures)
    sweeps_advance()
    run = active(sweep)[0]
    for user in (alice, bob, None):
        client = api_of(user)
        for address in (f"{RUNS}{run.pk}/", f"{SWEEPS}{sweep.pk}/", RUNS, SWEEPS):
            for method in (client.get, client.post, client.patch, client.delete):
                assert method(address).status_code == 404
        for action in ("pause", "resume", "cancel", "finish", "extend"):
            assert client.post(f"{RUNS}{run.pk}/{action}/").status_code == 404
            assert client.post(f"{SWEEPS}{sweep.pk}/{action}/").status_code == 404
        for part in ("curves", "notes"):
            assert client.get(f"{RUNS}{run.pk}/{part}/").status_code == 404
        assert client.get(f"{SWEEPS}{sweep.pk}/trials/").status_code == 404
    assert TrainingRun.objects.get().state == JobState.QUEUED
