"""Every address of training, pages and files and API, met by all four people. A new one that this test does
not know how to fill in fails it, so that none is forgotten."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver

from accounts.models import User
from jobs.models import JobState
from mapgan.presets import preset
from tests.training.conftest import Clients, brought
from training_jobs import api_urls, urls
from training_jobs.models import Checkpoint, DatasetVersion, Publication, TrainingRun, Upload
from training_jobs.search import Axis
from training_jobs.services.runs import run_start
from training_jobs.services.sweeps import Plan, sweep_start

pytestmark = pytest.mark.database

METHODS = ("get", "head", "post", "put", "patch", "delete", "options")


def patterns(of: list[Any], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address below, with its whole route."""
    for each in of:
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns, prefix + str(each.pattern))
        else:
            yield prefix + str(each.pattern), each


ROUTES = [f"/training/{route}" for route, _ in patterns(urls.urlpatterns)] + [
    f"/api/v1/{route}" for route, _ in patterns(api_urls.urlpatterns)
]


@pytest.fixture
def values(carol: User, archive: bytes) -> dict[str, str]:
    """What stands for each part of a route: rows that exist, so that a 404 is about who asks."""
    version = brought(carol, archive)
    DatasetVersion.objects.filter(pk=version.pk).update(
        state=JobState.SUCCEEDED, archive="a", report="r", summary={"pairs": {"train": 12}, "findings": {}}
    )
    version.refresh_from_db()
    run = run_start(by=carol, name="Mine", dataset_version=version, config=preset("draft"))
    checkpoint = Checkpoint.objects.create(
        run=run, step=4, attempt=1, files={}, size_bytes=1, weights_sha256="0" * 64
    )
    publication = Publication.objects.create(
        checkpoint=checkpoint, direction="map2sat", name="mine", title="Mine"
    )
    upload = Upload.objects.create(owner=carol, filename="x.zip", size=1)
    sweep = sweep_start(
        by=carol, name="Mine", dataset_version=version, config=preset("draft"),
        plan=Plan(axes=[Axis(name="dropout", values=(0.1, 0.2))]),
    )  # fmt: skip
    nothing = str(uuid.uuid4())  # of these no row is needed: nobody but staff gets as far as to look for one
    return {
        "dataset_id": str(version.dataset_id), "version_id": str(version.pk), "run_id": str(run.pk),
        "checkpoint_id": str(checkpoint.pk), "publication_id": str(publication.pk),
        "upload_id": str(upload.pk), "number": "1", "kind": "a", "action": "pause", "path": "data/runs",
        "slug:name": "input-map2sat", "str:name": "log.txt", "direction": "map2sat", "queue": "train",
        "sweep_id": str(sweep.pk), "evaluation_id": nothing, "timelapse_id": nothing, "webhook_id": nothing,
        "delivery_id": nothing,
    }  # fmt: skip


def filled(route: str, values: dict[str, str]) -> str:
    """The route as an address."""
    address, rest = "", route
    while "<" in rest:
        before, _, rest = rest.partition("<")
        part, _, rest = rest.partition(">")
        value = values.get(part, values.get(part.rpartition(":")[2]))
        assert value is not None, f"{route}: say in this test's `values` what <{part}> is"
        address += before + value
    return address + rest


def test_nobody_but_staff_finds_anything(clients: Clients, values: dict[str, str]) -> None:
    before, found = list(TrainingRun.objects.values()), []
    for address in [filled(route, values) for route in ROUTES]:
        for name in ("alice", "bob", "nobody"):
            for method in METHODS:
                answer = getattr(clients[name], method)(address)
                if answer.status_code != 404:
                    found.append(f"{name} {method.upper()} {address}: {answer.status_code}")
    assert found == []
    assert list(TrainingRun.objects.values()) == before


def test_staff_is_told_what_an_address_takes(clients: Clients, values: dict[str, str]) -> None:
    """Else the test above would prove nothing: the addresses exist."""
    for route in ROUTES:
        answer = clients["carol"].options(filled(route, values))
        missing = "_id>" in route and "/api/" in route  # an API looks for the row before the method
        assert answer.status_code in ({404, 405} if missing else {405}), route
