"""A run's page follows what its worker does: curves that begin again, tiles that have no targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import enter
from tests.support.live import LiveStack

# A run at work that no worker touches, as one would have written it.
RUN = """
import uuid
from accounts.models import User
from mapgan.presets import preset
from training_jobs.models import Checkpoint, Dataset, DatasetVersion, RunNote, TrainingRun
from training_jobs.services.recording import curves_append
who, _ = User.objects.get_or_create(username="petra", defaults={"is_staff": True})
who.set_password("petra-password")
who.save()
dataset = Dataset.objects.create(name=f"Followed {uuid.uuid4()}", created_by=who)
version = DatasetVersion.objects.create(dataset=dataset, number=1, source="folder", location="/pairs",
    state="succeeded", archive="-", report="-", summary={"pairs": {"train": 40}, "findings": {}})
run = TrainingRun.objects.create(name="Followed", dataset_version=version, created_by=who, attempt=1,
    config=preset("draft", model="%(model)s").to_dict(), state="running", step=400, stage="Training",
    lease_expires_at="2100-01-01T00:00Z")
RunNote.objects.create(run=run, attempt=1, step=0, kind="started", message="Began.")
curves_append(run=run, attempt=1, steps=list(range(10, 401, 10)), rows=[[0.5]] * 40, columns=["g_l1"])
result = {"id": str(run.pk), "page": run.get_absolute_url()}
"""
CLAIMED = """
from training_jobs.models import TrainingRun
TrainingRun.objects.filter(pk="%(id)s").update(attempt=2)
result = None
"""
WENT_ON = """
from training_jobs.models import RunNote, TrainingRun
from training_jobs.services.recording import curves_append, curves_trim
run = TrainingRun.objects.get(pk="%(id)s")
curves_trim(run=run, attempt=2, step=%(step)s)
kind = "resumed" if %(step)s else "started"
RunNote.objects.create(run=run, attempt=2, step=%(step)s, kind=kind, message="Went on.")
steps = range(%(step)s + 10, %(step)s + 31, 10)
curves_append(run=run, attempt=2, steps=list(steps), rows=[[0.4]] * 3, columns=["g_l1"])
result = None
"""
DREW = """
import io
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image
from training_jobs.models import Checkpoint, TrainingRun
from training_jobs.objects import run_key
run = TrainingRun.objects.get(pk="%(id)s")
def stored(name, shade):
    out = io.BytesIO()
    Image.new("RGB", (512, 256), (shade, 120, 90)).save(out, "WEBP")
    return default_storage.save(run_key(run.pk, name, "webp", attempt=1), ContentFile(out.getvalue()))
sides = ("map2sat", "sat2map")
run.files = {f"input-{side}": stored(f"input-{side}", 200) for side in sides}
run.save(update_fields=["files"])
Checkpoint.objects.create(run=run, step=100, attempt=1, files={}, size_bytes=10, weights_sha256="0",
    sheets={side: stored(f"samples-100-{side}", 60) for side in sides})
result = None
"""


@pytest.fixture
def follow(new_page: Callable[..., Page], site: LiveStack) -> Callable[[str], tuple[Page, dict[str, Any]]]:
    """The open page of a run of this model, its curves drawn, and what is known of the run."""

    def opened(model: str) -> tuple[Page, dict[str, Any]]:
        run: dict[str, Any] = site.python(RUN % {"model": model})
        page = new_page()
        enter(page, "petra")
        page.goto(run["page"])
        expect(page.locator("#curves[data-points]")).to_have_attribute("data-points", "40")
        return page, run

    return opened


@pytest.mark.parametrize("step", [200, 0])
def test_what_another_attempt_makes_again_is_drawn_once(
    follow: Callable[[str], tuple[Page, dict[str, Any]]], site: LiveStack, step: int
) -> None:
    page, run = follow("pix2pix")
    site.python(CLAIMED % run)
    for _ in range(2):  # it asks between the claim and the moment when the worker knows where it goes on
        with page.expect_response(
            lambda answer: "/curves/" in answer.url and "after" not in answer.url
        ) as one:
            pass
        if one.value.json()["attempt"] == 2:
            break
    site.python(WENT_ON % {**run, "step": step})
    points = page.locator("#curves")
    expect(points).to_have_attribute("data-points", str(step // 10 + 3))
    expect(points).to_have_attribute("data-shown", f"10-{step + 30}")


def test_pictures_that_are_no_pairs_have_no_targets(
    follow: Callable[[str], tuple[Page, dict[str, Any]]], site: LiveStack
) -> None:
    """The guard of every page complains of a picture that is not there."""
    page, run = follow("cyclegan")
    section = page.locator("#samples")
    expect(section.get_by_text("drawn at every checkpoint")).to_be_visible()
    site.python(DREW % run)
    for _ in range(2):  # when they appear on the open page, and when it is opened
        for words in ("Inputs", "Made at the chosen step"):
            for at in range(2):
                picture = section.get_by_alt_text(words).nth(at)
                expect(picture).to_be_visible()
                expect(picture).to_have_js_property("naturalWidth", 512)
        assert not section.get_by_alt_text("Targets").first.is_visible()
        page.reload()
