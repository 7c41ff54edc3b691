"""Pages of sweeps, of runs beside each other, and the list of runs; staff only."""

from __future__ import annotations

import json
import re
import uuid
from html import unescape
from typing import Any

import pytest

from accounts.models import User
from mapgan.presets import preset
from tests.pages.helpers import HTMX, text_of
from tests.training.conftest import Clients, brought
from tests.training.test_sweeping import active, claimed, done, failed, measured, pictures, started
from training_jobs.models import DatasetVersion, Sweep, TrainingRun
from training_jobs.services.runs import run_pause, run_start
from training_jobs.services.sweeping import sweeps_advance

__all__ = ["pictures"]

pytestmark = pytest.mark.database

NEW = "/training/sweeps/new/"


@pytest.fixture
def sweep(carol: User, pictures: DatasetVersion) -> Sweep:
    """Four runs: the second is the best, the third failed, the fourth runs."""
    sweep = started(carol, pictures, concurrency=4)
    sweeps_advance()
    one, two, three, four = active(sweep)
    done(one, 0.2)
    done(two, 0.4)
    failed(three)
    claimed(four)
    return sweep


def sent(form: Any, **changes: str) -> dict[str, str]:
    """What a browser sends when nothing but ``changes`` was touched."""
    values = {name: form[name].value() for name in form.fields}
    filled = {name: str(value) for name, value in values.items() if value is not None and value is not False}
    return {**filled, "model": form.start.model, "preset": form.start.preset, **changes}


def filled(clients: Clients, version: DatasetVersion, **changes: str) -> dict[str, str]:
    """The form with a name, a dataset and two settings that vary."""
    form = clients["carol"].get(NEW).context["form"]
    return sent(
        form,
        **{
            "name": "Mine", "dataset_version": str(version.pk), "steps": "400", "decay_steps": "0",
            "axis_1_name": "learning_rate", "axis_1_values": "1e-4 to 1e-2", "axis_1_log": "on",
            "axis_2_name": "flip", "axis_2_values": "yes, no",
            **changes,
        },
    )  # fmt: skip


def test_a_sweep_is_begun_in_the_browser(clients: Clients, pictures: DatasetVersion) -> None:
    values = filled(clients, pictures)
    told = text_of(clients["carol"].post("/training/sweeps/costs/", values))
    assert "Runs 6" in told
    assert "Steps in all 2,400" in told
    assert "learning_rate 0.001 , flip yes" in told
    answer = clients["carol"].post(NEW, values)
    assert answer.status_code == 302, text_of(answer)
    sweep = Sweep.objects.get()
    assert answer["Location"] == f"/training/sweeps/{sweep.pk}/"
    assert (sweep.size, sweep.swept, sweep.method) == (6, ["learning_rate", "flip"], "grid")
    assert sweep.config["steps"] == 400
    assert "The first runs are launched within seconds" in text_of(clients["carol"].get(answer["Location"]))
    assert sweeps_advance() == 1


def test_what_it_will_cost_is_told_after_a_run_like_it(clients: Clients, sweep: Sweep) -> None:
    TrainingRun.objects.update(images_per_second=2.0, memory_bytes=10**9)
    values = filled(clients, sweep.dataset_version, direction="sat2map")
    assert "20 min" in text_of(clients["carol"].post("/training/sweeps/costs/", values))
    values |= {"method": "tpe", "size": "3"}
    told = text_of(clients["carol"].post("/training/sweeps/costs/", values))
    assert "Runs 3" in told
    assert "where the results so far are best" in told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"axis_1_name": "", "axis_2_name": ""}, "Choose the setting that takes these values."),
        ({"axis_1_values": "fast"}, "is not a number"),
        ({"axis_1_values": ""}, "Give its values"),
        ({"axis_1_values": "1e-2 to 1e-4"}, "from the smaller number"),
        ({"axis_2_name": "learning_rate", "axis_2_values": "1"}, "there twice"),
        ({"axis_2_name": "dropout", "axis_2_values": "0.5, 3"}, "dropout must be"),
        ({"axis_2_name": "seed", "axis_2_values": "1, 2"}, "no tiles of its own to measure on"),
        ({"axis_2_name": "model", "axis_2_values": "x"}, "Select a valid choice"),
        ({"axis_1_points": "1"}, "greater than or equal to 2"),
        ({"method": "random", "size": "501"}, "less than or equal to 500"),
        ({"axis_1_values": ",".join(map(str, range(1, 60)))}, "at most 50 values"),
        ({"evaluate_tiles": "0"}, "at least one tile"),
        ({"pruner": "median", "checkpoint_every": "300"}, "at least two"),
        ({"steps": "-1"}, "greater than or equal to 1"),
        ({"name": "x" * 101}, "at most 100 characters"),
        ({"dataset_version": str(uuid.uuid4())}, "not ready"),
    ],
)
def test_nonsense_is_said_beside_the_field_and_nothing_is_lost(
    clients: Clients, pictures: DatasetVersion, changes: dict[str, str], words: str
) -> None:
    values = filled(clients, pictures, **changes)
    answer = clients["carol"].post(NEW, values)
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert answer.context["form"]["axis_1_values"].value() == values["axis_1_values"]
    assert clients["carol"].post("/training/sweeps/costs/", values).status_code == 200
    assert not Sweep.objects.exists()


def test_a_sweep_around_a_run_and_one_like_another(clients: Clients, sweep: Sweep) -> None:
    run = TrainingRun.objects.get(name="Rates #2")
    form = clients["carol"].get(NEW, {"clone": str(run.pk)}).context["form"]
    assert form["learning_rate"].value() == 2e-4
    form = clients["carol"].get(NEW, {"like": str(sweep.pk)}).context["form"]
    assert form["axis_1_name"].value() == "learning_rate"
    assert form["axis_1_values"].value() == "0.0001, 0.0002, 0.0004, 0.0008"
    answer = clients["carol"].post(NEW, sent(form, like=str(sweep.pk), name="Twin"))
    assert answer.status_code == 302, text_of(answer)
    twin = Sweep.objects.get(name="Twin")
    assert (twin.space, twin.config) == (sweep.space, sweep.config)


def test_its_page_ranks_the_runs(clients: Clients, sweep: Sweep) -> None:
    page = clients["carol"].get(sweep.get_absolute_url())
    text = text_of(page)
    assert "3 of 4 runs done" in text
    assert "Best so far: Rates #2 at step 400, with learning_rate 0.0002" in text
    assert [row.trial.number for row in page.context["rows"]] == [2, 1, 3, 4]
    found = re.search(r'data-drawn-from="(.*?)"', page.content.decode())
    assert found is not None
    lines = json.loads(unescape(found[1]))["lines"]
    assert [(line["name"], line["place"], line["values"]) for line in lines] == [
        ("#2", 1, [2e-4, 0.4]),
        ("#1", 2, [1e-4, 0.2]),
    ]


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("number", [1, 2, 3, 4]), ("-number", [4, 3, 2, 1]), ("-palette_miou", [2, 1, 3, 4]),
        ("palette_miou", [1, 2, 3, 4]), ("-set-learning_rate", [4, 3, 2, 1]), ("nonsense", [2, 1, 3, 4]),
    ],
)  # fmt: skip
def test_its_table_is_sorted_by_any_column(
    clients: Clients, sweep: Sweep, sort: str, order: list[int]
) -> None:
    page = clients["carol"].get(f"{sweep.get_absolute_url()}status/", {"sort": sort}, headers=HTMX)
    assert [row.trial.number for row in page.context["rows"]] == order


def test_acting_on_it(clients: Clients, sweep: Sweep) -> None:
    own = sweep.get_absolute_url()
    for action, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert clients["carol"].post(f"{own}{action}/")["Location"] == own
        sweep.refresh_from_db()
        assert sweep.state == state
    assert "not possible any more" in text_of(clients["carol"].post(f"{own}pause/", follow=True))
    clients["carol"].post(f"{own}retry/")
    assert sweep.trials.get(again=True).number == 3
    text = text_of(clients["carol"].post(f"{own}extend/", {"size": "9", "concurrency": "2"}, follow=True))
    assert "as many runs as it has combinations" in text
    clients["carol"].post(f"{own}extend/", {"size": "4", "concurrency": "2"})
    sweep.refresh_from_db()
    assert sweep.concurrency == 2
    text = text_of(clients["carol"].post(f"{own}extend/", {"size": "x"}, follow=True))
    assert "Give the number of runs" in text
    assert clients["carol"].post(f"{own}explode/").status_code == 404


def test_deleting_asks_what_becomes_of_the_runs(clients: Clients, sweep: Sweep) -> None:
    address = f"{sweep.get_absolute_url()}delete/"
    assert "Delete its 4 runs" in text_of(clients["carol"].get(address))
    assert clients["carol"].post(address, {"with_runs": "on"})["Location"] == "/training/sweeps/"
    assert not Sweep.objects.exists()
    assert not TrainingRun.objects.exists()


def test_runs_beside_each_other(clients: Clients, sweep: Sweep) -> None:
    page = clients["carol"].get("/training/runs/compare/", {"sweep": str(sweep.pk)})
    assert [run.name for run in page.context["runs"]] == ["Rates #2", "Rates #1"]
    runs = list(TrainingRun.objects.order_by("name"))
    page = clients["carol"].get("/training/runs/compare/", {"run": [str(run.pk) for run in runs[:3]]})
    text = text_of(page)
    assert "Compare 3 runs" in text
    assert [each.name for each in page.context["differences"]] == ["learning_rate"]
    assert "learning_rate 0.0001 0.0002 0.0004" in text
    plotted = page.context["plotted"]
    assert plotted[1]["measures"]["mIoU (higher is better)"] == [(400, 0.4)]
    assert plotted[1]["curves"] == f"/training/runs/{runs[1].pk}/curves/"
    runs[0].delete()
    left = clients["carol"].get("/training/runs/compare/", {"run": [str(runs[1].pk), str(uuid.uuid4())]})
    assert "Choose at least two runs" in text_of(left)
    assert clients["carol"].get("/training/runs/compare/").status_code == 200
    for wrong in ({"run": "x"}, {"sweep": "x"}, {"sweep": str(uuid.uuid4())}):
        assert clients["carol"].get("/training/runs/compare/", wrong).status_code == 404


def test_samples_are_beside_each_other_where_they_show_the_same_tiles(
    clients: Clients, carol: User, pictures: DatasetVersion
) -> None:
    runs = []
    for seed, rate in ((0, 1e-4), (0, 2e-4), (5, 1e-4)):
        config = preset("draft", direction="sat2map", seed=seed, learning_rate=rate)
        run = claimed(run_start(by=carol, name=f"{seed}-{rate}", dataset_version=pictures, config=config))
        for step in (500, 1000):
            measured(run, step, 0.1)
            run.checkpoints.filter(step=step).update(sheets={"sat2map": f"key-{step}"})
        runs.append(run)
    page = clients["carol"].get("/training/runs/compare/", {"run": [str(run.pk) for run in runs]})
    groups = page.context["tiles"]
    assert [[run.name for run, _ in group.runs] for group in groups] == [
        ["0-0.0001", "0-0.0002"],
        ["5-0.0001"],
    ]
    assert groups[0].runs[0][1] == [500, 1000]
    assert "5-0.0001 drew other tiles" in text_of(page)
    DatasetVersion.objects.update(summary={"pairs": {"train": 9, "val": 3}})  # then the seed does not matter
    page = clients["carol"].get("/training/runs/compare/", {"run": [str(run.pk) for run in runs]})
    assert len(page.context["tiles"]) == 1


def test_two_hundred_runs_are_narrowed_ordered_and_paged(
    clients: Clients, carol: User, pictures: DatasetVersion, archive: bytes,
    django_assert_max_num_queries: Any,
) -> None:  # fmt: skip
    other = brought(carol, archive, name="Other maps")
    configs = [preset("draft").to_dict(), preset("draft", model="cyclegan").to_dict()]
    TrainingRun.objects.bulk_create(
        TrainingRun(
            name=f"Run {number:03}", dataset_version=other if number % 10 == 0 else pictures,
            config=configs[number % 2], images_per_second=number,
            state="failed" if number < 5 else "succeeded",
        )
        for number in range(200)
    )  # fmt: skip
    waiting = run_start(by=carol, name="Waiting", dataset_version=pictures, config=preset("draft"))
    run_pause(run=waiting, by=carol)

    def names(**query: str) -> list[str]:
        page = clients["carol"].get("/training/runs/", query)
        assert page.status_code == 200
        return [run.name for run in page.context["page"]]

    with django_assert_max_num_queries(14):
        assert len(names()) == 50
    assert names(page="5") == ["Run 000"]
    assert names(q="run 01", sort="name") == [f"Run {number:03}" for number in range(10, 20)]
    assert len(names(state="failed")) == 5
    assert names(state="paused") == ["Waiting"]
    assert names(state="queued") == []
    assert len(names(dataset=str(other.dataset_id))) == 20
    assert names(model="cyclegan", sort="pace")[:2] == ["Run 199", "Run 197"]
    assert names(sort="oldest")[0] == "Run 000"
    assert len(names(state="nonsense", sort="x", dataset="y")) == 50
    assert "No run is like that" in text_of(clients["carol"].get("/training/runs/", {"q": "nothing"}))


def test_every_address_meets_all_four_people(clients: Clients, sweep: Sweep) -> None:
    own = sweep.get_absolute_url()
    compared = f"/training/runs/compare/?sweep={sweep.pk}"
    for page in ("/training/sweeps/", NEW, own, f"{own}status/", f"{own}delete/", compared):
        for name, client in clients.items():
            assert client.get(page).status_code == (200 if name == "carol" else 404), (page, name)
    for action in ("pause/", "resume/", "cancel/", "retry/", "extend/", "delete/"):
        for name in ("alice", "bob", "nobody"):
            assert clients[name].post(own + action).status_code == 404, (action, name)
    for name in ("alice", "bob", "nobody"):
        assert clients[name].post(NEW, {}).status_code == 404
        assert clients[name].post("/training/sweeps/costs/", {}).status_code == 404
    missing = f"/training/sweeps/{uuid.uuid4()}/"
    assert clients["carol"].get(missing).status_code == 404
    assert clients["carol"].get(f"{NEW}?like=x").status_code == 404
    sweep.refresh_from_db()
    assert sweep.is_running


def test_the_administration_shows_sweeps(clients: Clients, carol: User, sweep: Sweep) -> None:
    User.objects.filter(pk=carol.pk).update(is_superuser=True)
    for model in ("sweep", "trial", "sweepnote"):
        page = clients["carol"].get(f"/admin/training/{model}/", {"q": "Rates"})
        assert page.status_code == 200
        assert "Rates" in text_of(page)
        assert clients["carol"].get(f"/admin/training/{model}/add/").status_code == 403
