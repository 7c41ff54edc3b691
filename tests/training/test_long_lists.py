"""Hundreds of rows: pages and the API load what they show, in a number of queries that does not grow."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from jobs.models import JobState
from mapgan.presets import preset
from tests.pages.helpers import text_of
from tests.training.conftest import Clients, brought
from tests.training.stored import GOOD
from training_jobs.models import Checkpoint, Dataset, DatasetVersion, Publication, Sweep, TrainingRun, Trial
from training_jobs.selectors import SHOWN_USERS

pytestmark = pytest.mark.database

HEAVY = ('."log_tail"', '."facts"', '."baselines"', '."usage"')


@pytest.fixture
def version(carol: User, archive: bytes) -> DatasetVersion:
    """One that was examined (its files do not matter here)."""
    version = brought(carol, archive)
    DatasetVersion.objects.filter(pk=version.pk).update(
        state=JobState.SUCCEEDED, archive="a", report="r", summary={"pairs": {"train": 12}}
    )
    version.refresh_from_db()
    return version


def trained(version: DatasetVersion, by: User, count: int) -> Sweep:
    """A sweep with so many runs that are over, each with a measured checkpoint that is published."""
    config = preset("draft", direction="map2sat").to_dict()
    sweep = Sweep.objects.create(
        name="Many", dataset_version=version, config=config, method="random", size=count, created_by=by,
        space=[{"name": "learning_rate", "low": 1e-5, "high": 1e-3}], state="running",
    )  # fmt: skip
    common = {"dataset_version": version, "config": config, "created_by": by, "state": JobState.SUCCEEDED}
    runs = [TrainingRun(name=f"Many #{n}", **common, log_tail="x" * 5_000) for n in range(1, count + 1)]
    TrainingRun.objects.bulk_create(runs)
    values = {"learning_rate": 1e-4}
    Trial.objects.bulk_create(
        Trial(sweep=sweep, number=n, values=values, run=run) for n, run in enumerate(runs, start=1)
    )
    checkpoints = [
        Checkpoint(
            run=run, step=step, attempt=1, size_bytes=1, weights_sha256="0",
            measures={"tiles": 2, "directions": {"map2sat": {**GOOD, "kid_random_cnn": 1 / (n + step)}}},
        )
        for n, run in enumerate(runs) for step in (1, 2)
    ]  # fmt: skip
    Checkpoint.objects.bulk_create(checkpoints)
    Publication.objects.bulk_create(
        Publication(checkpoint=each, direction="map2sat", name="town", title="Town") for each in checkpoints
    )
    return sweep


def asked(client: Client, address: str) -> tuple[int, str]:
    """How many queries an address takes, and all of them."""
    client.get(address)  # what is cached is there
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries), "\n".join(each["sql"] for each in queries)


def addresses(sweep: Sweep) -> dict[str, str]:
    version = sweep.dataset_version
    return {
        "dataset": version.get_absolute_url(),
        "deleting": f"/training/datasets/{version.dataset_id}/delete/",
        "runs": "/training/runs/",
        "runs in the API": "/api/v1/training-runs/",
        "sweep": f"{sweep.get_absolute_url()}status/",
        "trials": f"/api/v1/sweeps/{sweep.pk}/trials/",
        "checkpoints": "/api/v1/checkpoints/",
        "evaluations": "/api/v1/evaluations/",
        "publications": "/api/v1/publications/",
    }


def test_more_rows_take_no_more_queries(clients: Clients, carol: User, version: DatasetVersion) -> None:
    client = clients["carol"]
    few, many = trained(version, carol, 3), trained(version, carol, 40)
    before = {name: asked(client, address)[0] for name, address in addresses(few).items()}
    for name, address in addresses(many).items():
        count, queries = asked(client, address)
        assert count <= before[name] + 1, (name, count, before[name])
        for column in HEAVY:
            assert column not in queries, (name, column)


def test_what_uses_a_dataset_is_cut_and_counted(
    clients: Clients, carol: User, version: DatasetVersion
) -> None:
    trained(version, carol, 60)  # a sweep, sixty runs, 120 publications
    client = clients["carol"]
    for address in (version.get_absolute_url(), f"/training/datasets/{version.dataset_id}/delete/"):
        page = client.get(address)
        assert "and 131 more" in text_of(page)
        assert page.content.decode().count("Many #") == SHOWN_USERS - 1
    refused = client.delete(f"/api/v1/datasets/{version.dataset_id}/")
    assert refused.status_code == 409
    assert "and 176 more" in refused.json()["detail"]
    assert len(refused.json()["errors"]) == SHOWN_USERS


def test_datasets_come_in_pages(clients: Clients, carol: User, version: DatasetVersion) -> None:
    rows = [Dataset(name=f"Town {number:03}", created_by=carol) for number in range(70)]
    Dataset.objects.bulk_create(rows)
    DatasetVersion.objects.bulk_create(DatasetVersion(dataset=row, number=1, source="folder") for row in rows)
    first, second = (clients["carol"].get(f"/training/datasets/?page={number}") for number in (1, 2))
    assert (text_of(first).count("Town "), text_of(second).count("Town ")) == (49, 21)
    assert 'aria-label="Pages"' in first.content.decode()
    assert clients["carol"].get("/training/datasets/?page=nonsense").status_code == 200


def test_the_best_of_each_run_is_still_its_own(
    clients: Clients, carol: User, version: DatasetVersion
) -> None:
    trained(version, carol, 3)
    rows = clients["carol"].get("/api/v1/checkpoints/").json()["results"]
    assert {row["step"]: row["best_in"] for row in rows} == {1: [], 2: ["map2sat"]}
