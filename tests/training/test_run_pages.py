"""Pages of runs: launching from a preset, looking, acting; staff only."""

from __future__ import annotations

import json
import uuid
from typing import Any

import numpy as np
import pytest

from accounts.models import User
from jobs import lifecycle
from jobs.models import JobState
from mapgan.config import TrainConfig
from mapgan.presets import PRESETS, preset
from tests.pages.helpers import text_of
from tests.training.conftest import Clients, brought
from training_jobs.models import DatasetVersion, Sweep, TrainingRun, Wish
from training_jobs.services import recording
from training_jobs.services.runs import RunRefused, run_pause, run_resume, run_start
from training_jobs.views import runs

pytestmark = pytest.mark.database


@pytest.fixture
def pictures(carol: User, archive: bytes) -> DatasetVersion:
    """A dataset that was examined (its files do not matter here)."""
    version = brought(carol, archive)
    DatasetVersion.objects.filter(pk=version.pk).update(
        state=JobState.SUCCEEDED, archive="a", report="r", summary={"pairs": {"train": 12}}
    )
    version.refresh_from_db()
    return version


@pytest.fixture
def run(carol: User, pictures: DatasetVersion) -> TrainingRun:
    """A run that waits."""
    return run_start(by=carol, name="First", dataset_version=pictures, config=preset("draft"))


def claimed(run: TrainingRun) -> TrainingRun:
    """A worker has it."""
    found = lifecycle.claim(TrainingRun, run.pk, "test")
    assert found is not None
    return found


def sent(form: Any, **changes: str) -> dict[str, str]:
    """What a browser sends when nothing but ``changes`` was touched."""
    values = {name: form[name].value() for name in form.fields}
    filled = {name: str(value) for name, value in values.items() if value is not None and value is not False}
    return {**filled, "model": form.start.model, "preset": form.start.preset, **changes}


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
def test_every_preset_launches_unchanged(
    clients: Clients, pictures: DatasetVersion, name: str, model: str
) -> None:
    page = clients["carol"].get("/training/runs/new/", {"preset": name, "model": model})
    form = page.context["form"]
    answer = clients["carol"].post(
        "/training/runs/new/", sent(form, name="Mine", dataset_version=str(pictures.pk))
    )
    assert answer.status_code == 302, text_of(answer)
    run = TrainingRun.objects.get()
    assert answer["Location"] == f"/training/runs/{run.pk}/"
    assert TrainConfig.from_dict(run.config) == preset(name, model=model)


def test_pix2pix_is_refused_on_pictures_that_are_no_pairs(
    clients: Clients, carol: User, pictures: DatasetVersion
) -> None:
    DatasetVersion.objects.update(summary={"pairs": {"train": 12}, "paired": False})
    client, words = clients["carol"], "learns from pairs"
    assert "model=cyclegan" in client.get(pictures.get_absolute_url()).content.decode()
    for model, status in (("pix2pix", 422), ("cyclegan", 302)):
        form = client.get("/training/runs/new/", {"preset": "draft", "model": model}).context["form"]
        answer = client.post("/training/runs/new/", sent(form, name="X", dataset_version=str(pictures.pk)))
        assert answer.status_code == status
        assert (words in text_of(answer)) == (model == "pix2pix")
        form = client.get("/training/sweeps/new/", {"preset": "draft", "model": model}).context["form"]
        space = {"axis_1_name": "learning_rate", "axis_1_values": "1e-4, 2e-4"}
        fields = sent(form, name="X", dataset_version=str(pictures.pk), **space)
        assert client.post("/training/sweeps/new/", fields).status_code == status
        values = {"name": "X", "dataset_version": str(pictures.pk), "model": model}
        answer = client.post("/api/v1/training-runs/", values, "application/json")
        assert answer.status_code == (400 if model == "pix2pix" else 201)
        assert (words in answer.content.decode()) == (model == "pix2pix")
    assert {run.config["model"] for run in TrainingRun.objects.all()} == {"cyclegan"}
    assert [sweep.config["model"] for sweep in Sweep.objects.all()] == ["cyclegan"]


@pytest.mark.parametrize("digits", [19, 20, 400, 5_000])
def test_a_number_of_any_length_is_refused_in_words(
    clients: Clients, pictures: DatasetVersion, digits: int
) -> None:
    form = (
        clients["carol"].get("/training/runs/new/", {"preset": "draft", "model": "pix2pix"}).context["form"]
    )
    for name in ("steps", "seed", "decay_steps", "learning_rate"):
        fields = sent(form, name="X", dataset_version=str(pictures.pk), **{name: "9" * digits})
        for address in ("/training/runs/new/", "/training/runs/costs/"):
            answer = clients["carol"].post(address, fields)
            assert answer.status_code == (422 if address.endswith("new/") else 200), (name, address)
    assert not TrainingRun.objects.exists()


def test_which_half_is_a_comes_with_the_dataset(carol: User, pictures: DatasetVersion) -> None:
    DatasetVersion.objects.update(a_side="right")
    pictures.refresh_from_db()
    run = run_start(by=carol, name="x", dataset_version=pictures, config=preset("draft"))
    assert run.config["a_side"] == "right"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image_size": "250"}, "multiple of 256"),
        ({"steps": "0"}, "greater than or equal to 1"),
        ({"learning_rate": "fast"}, "Enter a number."),
        ({"decay_steps": "99999999"}, "longer than the run"),
        ({"generator": "unet_7"}, "Select a valid choice"),
        ({"name": " "}, "This field is required."),
        ({"dataset_version": str(uuid.uuid4())}, "not ready"),
    ],
)
def test_nonsense_is_said_beside_the_setting(
    clients: Clients, pictures: DatasetVersion, changes: dict[str, str], words: str
) -> None:
    form = clients["carol"].get("/training/runs/new/").context["form"]
    values = sent(form, name="Mine", dataset_version=str(pictures.pk))
    answer = clients["carol"].post("/training/runs/new/", {**values, **changes})
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert not TrainingRun.objects.exists()


def test_a_shorter_run_decays_for_the_same_share(clients: Clients, pictures: DatasetVersion) -> None:
    form = clients["carol"].get("/training/runs/new/").context["form"]
    values = sent(form, name="Mine", dataset_version=str(pictures.pk), steps="200", checkpoint_every="50")
    assert clients["carol"].post("/training/runs/new/", values).status_code == 302
    config = TrainingRun.objects.get().settings
    assert config == preset("draft", steps=200, checkpoint_every=50)
    assert config.decay_steps == 80


def test_without_a_dataset_there_is_nothing_to_train_on(clients: Clients, carol: User) -> None:
    assert "Bring a dataset first" in text_of(clients["carol"].get("/training/runs/new/"))


def test_only_a_dataset_that_is_ready(carol: User, archive: bytes) -> None:
    with pytest.raises(RunRefused, match="not ready"):
        run_start(by=carol, name="x", dataset_version=brought(carol, archive), config=preset("draft"))


def test_what_it_will_cost_is_known_after_a_run_like_it(clients: Clients, run: TrainingRun) -> None:
    form = clients["carol"].get("/training/runs/new/").context["form"]
    values = sent(form, steps="400", checkpoint_every="100", keep_checkpoints="0", decay_steps="0")
    answer = clients["carol"].post("/training/runs/costs/", values)
    told = text_of(answer)  # a name is missing, and that does not matter here
    assert "No run like this" in told
    assert "Time not known" in told
    assert "Disk about 356" in told  # four checkpoints of the draft, as their weights say
    TrainingRun.objects.update(images_per_second=2.0, memory_bytes=1_000_000_000)
    values |= {"name": "x", "dataset_version": str(run.dataset_version_id)}
    text = text_of(clients["carol"].post("/training/runs/costs/", values))
    assert "3 min 20 s" in text
    assert "about 33 passes over the pictures" in text
    assert "Checkpoints kept 4" in text


def test_a_clone_begins_with_the_same_settings(clients: Clients, run: TrainingRun) -> None:
    TrainingRun.objects.update(config={**run.config, "generator_width": 12, "preset": "draft"})
    page = clients["carol"].get("/training/runs/new/", {"clone": str(run.pk)})
    form = page.context["form"]
    assert form["generator_width"].value() == 12
    clients["carol"].post("/training/runs/new/", sent(form, clone=str(run.pk)))
    clone = TrainingRun.objects.exclude(pk=run.pk).get()
    assert (clone.cloned_from, clone.config["generator_width"]) == (run, 12)


def test_curves_come_thinned_and_zoomed(clients: Clients, run: TrainingRun) -> None:
    attempt = claimed(run).attempt
    rng = np.random.default_rng(0)
    for start in range(0, 9_000, 700):
        steps = list(range(start, min(start + 700, 9_000)))
        rows = rng.random((len(steps), 2)).tolist()
        recording.curves_append(run=run, attempt=attempt, steps=steps, rows=rows, columns=["g_l1", "d_real"])
    assert run.chunks.count() == 9
    address = f"/training/runs/{run.pk}/curves/"
    whole = json.loads(clients["carol"].get(address).content)
    assert whole["columns"] == ["g_l1", "d_real"]
    assert 500 < len(whole["steps"]) <= 2_000
    assert (whole["steps"][0], whole["steps"][-1]) == (0, 8_999)
    part = json.loads(clients["carol"].get(address, {"from": "100", "to": "180"}).content)
    assert part["steps"] == list(range(100, 181))
    for odd in ({"from": "x"}, {"points": "-1"}, {"to": "9" * 20}):
        assert clients["carol"].get(address, odd).status_code == 200


def test_a_resumed_run_has_no_step_twice(clients: Clients, run: TrainingRun) -> None:
    attempt = claimed(run).attempt
    steps = list(range(1, 1_501))
    recording.curves_append(run=run, attempt=attempt, steps=steps, rows=[[1.0]] * 1_500, columns=["g_l1"])
    recording.curves_trim(run=run, attempt=attempt, step=1_200)
    recording.curves_append(run=run, attempt=attempt, steps=[1_201], rows=[[2.0]], columns=["g_l1"])
    data = json.loads(clients["carol"].get(f"/training/runs/{run.pk}/curves/").content)
    assert data["steps"][-2:] == [1_200, 1_201]
    assert sum(chunk.rows for chunk in run.chunks.all()) == 1_201


def test_pausing_and_going_on(clients: Clients, carol: User, run: TrainingRun) -> None:
    address = f"/training/runs/{run.pk}/"
    clients["carol"].post(f"{address}pause/")
    assert "Paused at step 0" in text_of(clients["carol"].get(address))
    assert lifecycle.claim(TrainingRun, run.pk, "test") is None
    clients["carol"].post(f"{address}resume/")
    claimed(run)
    assert run_pause(run=run, by=carol)
    run.refresh_from_db()
    assert run.wish == Wish.PAUSE
    assert not run_resume(run=run, by=carol)  # not before it has saved
    assert "Pausing" in text_of(clients["carol"].get(address))
    assert [note.kind for note in run.notes.all()] == ["queued", "paused", "resume", "pause"]


def test_deleted_while_somebody_acts_on_it(
    clients: Clients, run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "run_of", lambda *_: run)
    TrainingRun.objects.filter(pk=run.pk).delete()
    for action in ("pause", "resume", "cancel"):
        assert clients["carol"].post(f"/training/runs/{run.pk}/{action}/").status_code == 404


def test_every_address_meets_all_four_people(clients: Clients, run: TrainingRun) -> None:
    own = f"/training/runs/{run.pk}/"
    pages = ["/training/runs/", "/training/runs/new/", own, f"{own}status/", f"{own}curves/", f"{own}delete/"]
    for page in pages:
        for name, client in clients.items():
            assert client.get(page).status_code == (200 if name == "carol" else 404), (page, name)
    for action in ("pause/", "resume/", "finish/", "cancel/", "extend/", "delete/", "samples/input-map2sat/"):
        for name in ("alice", "bob", "nobody"):
            assert clients[name].post(own + action).status_code == 404, (action, name)
    for name in ("alice", "bob", "nobody"):
        assert clients[name].post("/training/runs/new/", {}).status_code == 404
        assert clients[name].post("/training/runs/costs/", {}).status_code == 404
    assert TrainingRun.objects.get().state == JobState.QUEUED


def test_what_does_not_exist(clients: Clients, run: TrainingRun) -> None:
    own = f"/training/runs/{run.pk}/"
    for address in (
        f"/training/runs/{uuid.uuid4()}/",
        f"{own}samples/input-map2sat/",
        f"{own}samples/4-map2sat/",
    ):
        assert clients["carol"].get(address).status_code == 404
    assert clients["carol"].post(f"{own}explode/").status_code == 404
    assert clients["carol"].get("/training/runs/new/?clone=x").status_code == 404
    assert "No training yet" not in text_of(clients["carol"].get("/training/runs/"))
