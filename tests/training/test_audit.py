"""Who did what: told in a run's story, and in a log that outlives what it is about."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry

from accounts.models import User
from jobs.models import JobState
from mapgan.presets import preset
from tests.training.conftest import Clients, brought, uploaded
from tests.training.stored import GOOD, a_checkpoint, a_run
from training_jobs.models import DatasetVersion, Evaluation, Publication, TimeLapse, TrainingRun
from training_jobs.search import Axis
from training_jobs.services import Source, version_create
from training_jobs.services.evaluations import evaluations_request
from training_jobs.services.publications import Offer, publication_request
from training_jobs.services.sweeping import sweeps_advance
from training_jobs.services.sweeps import Plan, sweep_start

pytestmark = pytest.mark.database


@pytest.fixture
def run(carol: User, archive: bytes) -> TrainingRun:
    """Over, with two checkpoints that drew samples."""
    run = a_run(carol, brought(carol, archive))
    for step in (100, 200):
        a_checkpoint(run, step, {"map2sat": GOOD})
    return run


def logged(flag: int) -> list[tuple[str, str, str]]:
    """Who, what, and in which words; the oldest first."""
    rows = LogEntry.objects.filter(action_flag=flag).order_by("id")
    return [(row.user.username, row.object_repr, row.get_change_message()) for row in rows]


def told(run: TrainingRun) -> list[str]:
    """What Carol did to it, in its story; the oldest first."""
    return list(run.notes.filter(by__username="carol").order_by("id").values_list("message", flat=True))


@pytest.mark.parametrize("door", ["page", "api"])
def test_who_deletes_leaves_a_line_behind(
    clients: Clients, carol: User, archive: bytes, run: TrainingRun, door: str
) -> None:
    client, version = clients["carol"], run.dataset_version
    plan = Plan(axes=[Axis(name="learning_rate", values=(1e-4, 2e-4))])
    sweep = sweep_start(by=carol, name="Rates", dataset_version=version, config=preset("draft"), plan=plan)
    sweeps_advance()
    spare = version_create(dataset=version.dataset, by=carol, source=Source(upload=uploaded(carol, archive)))
    DatasetVersion.objects.filter(pk=spare.pk).update(archive_bytes=3_000)
    dataset = f"/api/v1/datasets/{version.dataset_id}/"
    deletions: list[Callable[[], object]] = (
        [
            lambda: client.post(f"{sweep.get_absolute_url()}delete/", {"with_runs": "on"}),
            lambda: client.post(f"{run.get_absolute_url()}delete/"),
            lambda: client.post(f"/training/versions/{spare.pk}/delete/"),
            lambda: client.post(f"/training/datasets/{version.dataset_id}/delete/"),
        ]
        if door == "page"
        else [
            lambda: client.delete(f"/api/v1/sweeps/{sweep.pk}/?with_runs=true"),
            lambda: client.delete(f"/api/v1/training-runs/{run.pk}/"),
            lambda: client.delete(f"{dataset}versions/2/"),
            lambda: client.delete(dataset),
        ]
    )
    for delete in deletions:
        delete()
    assert not TrainingRun.objects.exists()
    assert not DatasetVersion.objects.exists()
    assert logged(DELETION) == [
        ("carol", "Rates #1", "Queued at step 0, with 0 checkpoints of 0 bytes."),
        ("carol", "Rates", "It had 1 trials; their runs go, too."),
        ("carol", "Streets", "Succeeded at step 0, with 2 checkpoints of 2.0 KB."),
        ("carol", "Maps v2", "1 version of 2.9 KB."),
        ("carol", "Maps", "1 version of 0 bytes."),
    ]
    page = client.get("/admin/admin/logentry/")
    assert "with 2 checkpoints of 2.0 KB" in page.content.decode()


def test_what_is_refused_is_not_logged(clients: Clients, run: TrainingRun) -> None:
    version = run.dataset_version
    clients["carol"].post(f"/training/datasets/{version.dataset_id}/delete/")
    for model, row in (("dataset", version.dataset_id), ("datasetversion", version.pk)):
        fields = {"action": "delete_selected", "_selected_action": str(row), "post": "yes"}
        clients["carol"].post(f"/admin/training/{model}/", fields)
    assert logged(DELETION) == []


def test_datasets_have_a_log(clients: Clients, carol: User, archive: bytes) -> None:
    client, version = clients["carol"], brought(carol, archive)
    client.post(f"/training/datasets/{version.dataset_id}/edit/", {"name": "Maps", "licence": "CC0"})
    client.post(f"/training/datasets/{version.dataset_id}/edit/", {"name": "Maps", "licence": "CC0"})
    for action in ("cancel", "cancel", "retry", "retry"):  # a second press changes nothing
        client.post(f"/training/versions/{version.pk}/{action}/")
    assert logged(ADDITION) == [
        ("carol", "Maps", "Brought."),
        ("carol", "Maps v1", "An archive that was uploaded: maps.zip."),
    ]
    assert logged(CHANGE) == [
        ("carol", "Maps", "Changed: licence."),
        ("carol", "Maps v1", "Stopped its examination."),
        ("carol", "Maps v1", "Asked to examine it again."),
    ]
    fields = {"name": "Town", "versions-TOTAL_FORMS": "0", "versions-INITIAL_FORMS": "0"}
    client.post(f"/admin/training/dataset/{version.dataset_id}/change/", fields)
    assert logged(CHANGE)[3:] == [
        ("carol", "Maps", "Changed: name, licence.")
    ]  # once, as the service says it


def test_what_is_done_around_a_run_is_in_its_story(clients: Clients, carol: User, run: TrainingRun) -> None:
    client, address = clients["carol"], run.get_absolute_url()
    before = len(told(run))
    lapse = f"{address}timelapse/map2sat/"
    client.post(lapse)
    client.post(lapse, {"stop": "1"})
    evaluation = evaluations_request(checkpoints=[run.checkpoints.get(step=100)], by=carol, tiles=50)[0]
    for action in ("cancel", "cancel", "retry"):
        client.post(f"/training/evaluations/{evaluation.pk}/{action}/")
    client.post(f"{address}checkpoints/act/", {"action": "stop"})
    offer = Offer(direction="map2sat", name="town", title="Town")
    publication = publication_request(checkpoint=run.checkpoints.get(step=200), by=carol, offer=offer)
    for action in ("cancel", "retry"):
        client.post(f"/training/publications/{publication.pk}/{action}/")
    client.post(publication.get_absolute_url(), {"title": "The town"})
    assert told(run)[before:] == [
        "Asked for the time-lapse, map to satellite.",
        "Cancelled the time-lapse, map to satellite.",
        "Asked to measure 1 checkpoint on 50 held-out tiles.",
        "Cancelled the evaluation of step 100 on 50 held-out tiles.",
        "Asked once more to measure step 100 on 50 held-out tiles.",
        "Cancelled 1 evaluation.",
        "Asked to publish step 200, map to satellite, as Town.",
        "Cancelled the publication of Town.",
        "Asked once more to publish Town.",
        "Changed what the card of The town says.",
    ]
    run.checkpoints.all().delete()
    client.post(publication.get_absolute_url(), {"title": "Town"})
    assert logged(CHANGE) == [("carol", "Town (queued)", "Changed what the card of Town says.")]


@pytest.mark.parametrize("model", ["evaluation", "publication", "timelapse"])
def test_the_administration_tells_it_too(clients: Clients, carol: User, run: TrainingRun, model: str) -> None:
    checkpoint = run.checkpoints.get(step=100)
    rows = {
        "evaluation": lambda: Evaluation.objects.create(checkpoint=checkpoint, created_by=carol),
        "publication": lambda: Publication.objects.create(
            checkpoint=checkpoint, direction="map2sat", name="town", title="Town"
        ),
        "timelapse": lambda: TimeLapse.objects.create(run=run, direction="map2sat"),
    }
    row, before = rows[model](), len(told(run))
    for action, state in (("cancel", JobState.CANCELLED), ("retry", JobState.QUEUED)):
        fields = {"action": action, "_selected_action": str(row.pk)}
        clients["carol"].post(f"/admin/training/{model}/", fields)
        row.refresh_from_db()
        assert row.state == state
    assert [line.split()[0] for line in told(run)[before:]] == ["Cancelled", "Asked"]
