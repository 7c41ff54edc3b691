"""axe finds nothing on any page of training either, light and dark, on a phone and on a desk."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Guard, enter, wait_for_uploader
from tests.browser.test_accessible import complaints
from tests.support.live import LiveStack

# A run of every state, put there as a worker would have; nobody is to work on them.
ROWS = """
from django.utils import timezone
from accounts.models import User
from mapgan.presets import preset
from training_jobs.models import Checkpoint, Dataset, DatasetVersion, RunNote, TrainingRun
from training_jobs.services.recording import curves_append
who = User.objects.create_user("axel", "", "axel-password", is_staff=True)
dataset = Dataset.objects.create(name="Looked at", created_by=who, licence="CC BY 4.0")
version = DatasetVersion.objects.create(dataset=dataset, number=1, source="folder", location="/pairs",
    state="succeeded", archive="-", report="-", summary={"pairs": {"train": 40}, "findings": {}})
usage = {"host": "trainer", "device": "Some processor", "cores": 4, "cpu": 230.0, "memory": 2_000_000_000,
    "gpus": [{"name": "NVIDIA H100", "use": 80, "memory": 30_000_000_000, "total": 80_000_000_000}],
    "history": [10, 60, 80, 70]}
result = {"dataset": f"/training/datasets/{dataset.pk}/"}
common = {"dataset_version": version, "created_by": who, "config": preset("draft").to_dict(), "attempt": 2,
    "lease_expires_at": "2100-01-01T00:00Z", "step": 150, "epoch": 1.5, "images_per_second": 6.0,
    "eta_seconds": 900.0, "usage": usage, "log_tail": "step 150 of 10,000  g_l1 0.3\\n" * 40, "progress": 0.1,
    "alarms": [{"kind": "d_won", "message": "The discriminator has won."}], "stage": "Training"}
for state in ("running", "queued", "failed", "cancelled", "succeeded"):
    run = TrainingRun.objects.create(name=f"A {state} run", state="running", **common)
    curves_append(run=run, attempt=2, steps=[50, 100, 150], rows=[[1.0, 0.5], [0.9, 0.6], [0.8, 0.55]],
        columns=["g_l1", "d_real"])
    Checkpoint.objects.create(run=run, step=100, attempt=1, files={}, size_bytes=10_000, weights_sha256="0")
    RunNote.objects.create(run=run, by=who, kind="pause", message="Asked to pause.")
    RunNote.objects.create(run=run, attempt=2, step=100, kind="resumed", message="Went on.")
    RunNote.objects.create(run=run, attempt=2, step=100, kind="continuity", message="No loss jumped.")
    held = "9999-12-31T00:00Z" if state == "queued" else None
    TrainingRun.objects.filter(pk=run.pk).update(state=state, not_before=held, started_at=timezone.now(),
        error_message="It diverged." if state == "failed" else "", error_details="Traceback\\n" * 9)
    result[state] = f"/training/runs/{run.pk}/"
"""


@pytest.fixture(scope="module")
def rows(site: LiveStack) -> dict[str, str]:
    """Path of a run in each state, and of a dataset."""
    found: dict[str, str] = site.python(ROWS)
    return found


@pytest.fixture
def staff(new_page: Callable[..., Page], rows: dict[str, str]) -> Page:
    """A window of Axel's."""
    page = new_page()
    enter(page, "axel")
    return page


def test_runs_in_every_state(staff: Page, rows: dict[str, str]) -> None:
    found = []
    for state in ("running", "queued", "failed", "succeeded"):
        staff.goto(rows[state])
        staff.wait_for_selector("#curves[data-points]")
        found += complaints(staff)
    staff.goto(rows["running"])
    staff.get_by_role("link", name="Cancel…").click()
    staff.get_by_role("dialog").wait_for()
    found += complaints(staff)
    assert found == []


def test_pages_around_runs(staff: Page, guard: Guard, rows: dict[str, str]) -> None:
    found = []
    for address in (
        "/training/datasets/",
        "/training/datasets/new/",
        f"{rows['dataset']}edit/",
        "/training/runs/",
        "/training/runs/new/",
        f"{rows['running']}cancel/",
        f"{rows['failed']}delete/",
    ):
        staff.goto(address)
        if address == "/training/datasets/new/":
            wait_for_uploader(staff)
        found += complaints(staff)
    with guard.expecting("status of 404"):
        staff.goto(f"{rows['running']}tensorboard/")  # nothing for it yet
        found += complaints(staff)
    assert found == []
