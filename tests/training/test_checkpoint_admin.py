"""The administration's lists of checkpoints and the jobs around them, and what they can do."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import User
from jobs.models import JobState
from tests.training.conftest import brought
from tests.training.stored import GOOD, a_checkpoint, a_run
from training_jobs.models import Checkpoint, Evaluation, Publication, TimeLapse
from training_jobs.services.evaluations import evaluations_request
from training_jobs.services.publications import Offer, publication_request
from training_jobs.services.timelapses import timelapse_request

pytestmark = pytest.mark.database


@pytest.fixture
def checkpoint(carol: User, archive: bytes) -> Checkpoint:
    """Of a run with one of everything."""
    User.objects.filter(pk=carol.pk).update(is_superuser=True)
    run = a_run(carol, brought(carol, archive))
    a_checkpoint(run, 1)
    checkpoint = a_checkpoint(run, 2, {"map2sat": GOOD})
    evaluations_request(checkpoints=[checkpoint], by=carol)
    wanted = Offer(direction="map2sat", name="a", title="Ay")
    publication_request(checkpoint=checkpoint, by=carol, offer=wanted)
    timelapse_request(run=run, by=carol, direction="map2sat")
    return checkpoint


@pytest.mark.parametrize(
    "name", ["trainingrun", "runnote", "checkpoint", "evaluation", "publication", "timelapse"]
)
def test_lists_and_rows_are_shown(carol_client: Client, checkpoint: Checkpoint, name: str) -> None:
    page = carol_client.get(f"/admin/training/{name}/?q=Streets")
    assert page.status_code == 200
    row = page.context["cl"].result_list[0]
    assert carol_client.get(f"/admin/training/{name}/{row.pk}/change/").status_code == 200
    assert carol_client.post(f"/admin/training/{name}/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def act(client: Client, name: str, action: str, row: object) -> None:
    """Choose it and press Go."""
    fields = {"action": action, "_selected_action": str(row.pk)}  # type: ignore[attr-defined]
    assert client.post(f"/admin/training/{name}/", fields).status_code == 302


def test_pinned_cancelled_and_tried_again(carol_client: Client, checkpoint: Checkpoint) -> None:
    act(carol_client, "checkpoint", "pin", checkpoint)
    checkpoint.refresh_from_db()
    assert checkpoint.pinned
    act(carol_client, "checkpoint", "unpin", checkpoint)
    for name, model in (("evaluation", Evaluation), ("publication", Publication), ("timelapse", TimeLapse)):
        for action, state in (("cancel", JobState.CANCELLED), ("retry", JobState.QUEUED)):
            act(carol_client, name, action, model.objects.get())  # type: ignore[attr-defined]
            assert model.objects.get().state == state  # type: ignore[attr-defined]
