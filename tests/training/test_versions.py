"""A version that was examined: it never changes, goes only when nothing needs it, then without a trace."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.db import connections, transaction
from pytest_django import Settings

from accounts.models import User
from jobs import lifecycle
from jobs.models import JobState
from mapgan.presets import preset
from tests.mapgan.pairs import write_maps
from tests.pages.helpers import links_of, text_of
from tests.training.conftest import Clients, brought, uploaded, zipped
from tests.training.test_examine import examined
from training_jobs import tasks
from training_jobs.models import Checkpoint, Dataset, DatasetVersion, Publication, TrainingRun, Upload
from training_jobs.services import (
    DatasetInUse,
    DatasetRefused,
    Source,
    SplitChoice,
    dataset_create,
    dataset_delete,
    version_create,
    version_delete,
    version_retry,
)
from training_jobs.services.datasets import About
from training_jobs.services.runs import run_delete, run_start
from translator.storage import read, walk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ready(carol: User, archive: bytes) -> DatasetVersion:
    """A version that is examined, with a split."""
    source = Source(upload=uploaded(carol, archive), split=SplitChoice(kind="grouped", share=0.2, seed=1))
    about = About(name="Maps", attribution="The city", licence="CC BY", ground_resolution=0.6)
    return examined(dataset_create(by=carol, about=about, source=source))


@pytest.fixture
def used(carol: User, ready: DatasetVersion) -> TrainingRun:
    """A run on it, of whose only checkpoint something is published."""
    run = run_start(by=carol, name="First try", dataset_version=ready, config=preset("draft"))
    checkpoint = Checkpoint.objects.create(run=run, step=1, attempt=1, size_bytes=1, weights_sha256="0" * 64)
    Publication.objects.create(checkpoint=checkpoint, direction="map2sat", name="town", title="The town")
    return run


def contents(version: DatasetVersion) -> dict[str, str]:
    """Hashes of everything that is stored of it."""
    return {key: hashlib.sha256(read(key)).hexdigest() for key in version.storage_keys}


def test_nothing_changes_a_version(
    clients: Clients, carol: User, ready: DatasetVersion, archive: bytes
) -> None:
    """Editing what is said of it, another version, a retry, a worker that comes too late, and the admin."""
    before = DatasetVersion.objects.filter(pk=ready.pk).values().get()
    stored = contents(ready)
    assert ready.archive_sha256 == hashlib.sha256(archive).hexdigest()
    fields = {"name": "Other", "a_side": "right", "split_kind": "kept", "split_seed": "9"}
    clients["carol"].post(f"/training/datasets/{ready.dataset_id}/edit/", fields)
    assert Dataset.objects.get().name == "Other"
    version_create(dataset=ready.dataset, by=carol, source=Source(upload=uploaded(carol, archive)))
    assert not version_retry(version=ready, by=carol)
    tasks.examine(str(ready.pk))  # a message that comes twice
    for attempt in (ready.attempt, ready.attempt + 1):
        assert not lifecycle.write(DatasetVersion, ready.pk, attempt, summary={})
    change = clients["carol"].post(f"/admin/training/datasetversion/{ready.pk}/change/", {"number": "7"})
    assert change.status_code == 403
    assert DatasetVersion.objects.filter(pk=ready.pk).values().get() == before
    assert contents(ready) == stored


def test_what_uses_it_is_named(
    clients: Clients, carol: User, ready: DatasetVersion, used: TrainingRun
) -> None:
    with pytest.raises(DatasetInUse, match=r"training run First try, publication The town"):
        dataset_delete(dataset=ready.dataset, by=carol)
    with pytest.raises(DatasetRefused, match="only version"):
        version_delete(version=ready, by=carol)
    address = f"/training/datasets/{ready.dataset_id}/delete/"
    run_page = used.get_absolute_url()
    for answer, status in (
        (clients["carol"].get(address), 200),
        (clients["carol"].post(address), 409),
    ):
        assert answer.status_code == status
        assert "is in use" in text_of(answer)
        assert "First try" in text_of(answer)
        assert "The town" in text_of(answer)
        assert run_page in links_of(answer)
        assert "Delete the dataset" not in text_of(answer)
    assert run_page in links_of(clients["carol"].get(ready.get_absolute_url()))
    assert contents(ready)


def test_whose_pictures_another_version_waits_for_stays(
    clients: Clients, carol: User, ready: DatasetVersion, archive: bytes
) -> None:
    other = version_create(dataset=ready.dataset, by=carol, source=Source(version=ready, a_side="right"))
    with pytest.raises(DatasetInUse, match="dataset version Maps v2"):
        version_delete(version=ready, by=carol)
    page = clients["carol"].get(f"/training/versions/{ready.pk}/delete/")
    assert other.get_absolute_url() in links_of(page)
    dataset_delete(dataset=ready.dataset, by=carol)  # both go: nothing is left that waits
    assert not DatasetVersion.objects.exists()


def test_of_two_who_bring_one_upload_the_second_is_refused(
    carol: User, ready: DatasetVersion, archive: bytes
) -> None:
    source = Source(upload=uploaded(carol, archive))

    def bring() -> str:
        try:
            version_create(dataset=ready.dataset, by=carol, source=source)
        except DatasetRefused as refusal:
            return str(refusal)
        finally:
            connections.close_all()
        return "made"

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            version_create(dataset=ready.dataset, by=carol, source=source)
            second = pool.submit(bring)
            wait([second], timeout=0.5)  # it has looked, or waits: nothing of the first one is to be seen yet
        assert second.result() == "This upload is a dataset already."
    assert DatasetVersion.objects.filter(upload=source.upload).count() == 1


def test_what_is_free_goes_without_a_trace(
    clients: Clients, carol: User, ready: DatasetVersion, used: TrainingRun, archive: bytes
) -> None:
    second = examined(
        version_create(dataset=ready.dataset, by=carol, source=Source(upload=uploaded(carol, archive)))
    )
    answer = clients["carol"].post(f"/training/versions/{ready.pk}/delete/")
    assert answer.status_code == 409
    assert "is in use" in text_of(answer)
    assert clients["carol"].post(f"/training/versions/{second.pk}/delete/").status_code == 302
    assert not DatasetVersion.objects.filter(pk=second.pk).exists()
    assert set(walk("datasets")) == set(ready.storage_keys)
    third = version_create(dataset=ready.dataset, by=carol, source=Source(upload=uploaded(carol, archive)))
    assert third.number == 3  # what was called 2 was something else
    run_delete(run=used, by=carol)
    assert clients["carol"].post(f"/training/datasets/{ready.dataset_id}/delete/").status_code == 302
    assert not Dataset.objects.exists()
    assert not Upload.objects.exists()
    assert list(walk("datasets")) == list(walk("uploads")) == []


def test_deleting_is_for_staff(clients: Clients, ready: DatasetVersion) -> None:
    for address in (f"/training/versions/{ready.pk}/delete/", f"/training/versions/{ready.pk}/report/"):
        for name, client in clients.items():
            assert client.get(address).status_code == (200 if name == "carol" else 404), (address, name)
            if name != "carol":
                assert client.post(address).status_code == 404
    assert clients["carol"].get(f"/training/versions/{uuid4()}/report/").status_code == 404


def test_stored_pictures_that_changed_are_not_trained_on(
    carol: User, ready: DatasetVersion, settings: Settings
) -> None:
    run = run_start(by=carol, name="Run", dataset_version=ready, config=preset("draft"))
    path = Path(settings.MEDIA_ROOT) / ready.archive
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    tasks.train(str(run.pk))
    run.refresh_from_db()
    assert (run.state, run.error_code) == (JobState.FAILED, "dataset_damaged")


def test_a_run_takes_the_version_s_split(carol: User, ready: DatasetVersion) -> None:
    """What the child held out is what was drawn when the pictures came, whatever share its settings name."""
    config = preset(
        "draft", steps=1, checkpoint_every=1, generator="unet_32", generator_width=2, discriminator_width=2,
        image_size=32, load_size=36, decay_steps=0, validation_share=0.0, samples=1, evaluate_tiles=1,
    )  # fmt: skip
    run = run_start(by=carol, name="Run", dataset_version=ready, config=config)
    tasks.train(str(run.pk))
    run.refresh_from_db()
    assert (run.state, run.error_details) == (JobState.SUCCEEDED, "")
    wanted, made = json.loads(read(ready.split)), json.loads(read(run.files["split.json"]))
    assert made["given"] is True
    assert {**made["val"], **made["train"]} == {**wanted["val"], **wanted["train"]}
    assert made["val"] == wanted["val"]
    assert len(made["val"]["pairs"]) == 2
    assert len(made["train"]["pairs"]) == 10


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        ({"share": 0.0}, "split_share"),
        ({"share": float("nan")}, "split_share"),
        ({"share": 0.6, "test_share": 0.4}, "split_test_share"),
        ({"seed": -1}, "split_seed"),
        ({"seed": 2**40}, "split_seed"),
        ({"kind": "random"}, "split_kind"),
    ],
)
def test_splits_that_make_no_sense(carol: User, archive: bytes, choice: dict[str, Any], field: str) -> None:
    source = Source(upload=uploaded(carol, archive), split=SplitChoice(**{"kind": "grouped", **choice}))
    with pytest.raises(DatasetRefused) as refusal:
        dataset_create(by=carol, about=About(name="X"), source=source)
    assert refusal.value.field == field
    assert not Dataset.objects.exists()


def test_the_form_takes_a_split(clients: Clients, carol: User, archive: bytes) -> None:
    fields = {
        "name": "X",
        "a_side": "left",
        "archive": str(uploaded(carol, archive).pk),
        "split_kind": "grouped",
    }
    bad = clients["carol"].post("/training/datasets/new/", {**fields, "split_share": "95"})
    assert "less than or equal to 90" in text_of(bad)
    bad = clients["carol"].post(
        "/training/datasets/new/", {**fields, "split_share": "60", "split_test_share": "40"}
    )
    assert "must leave some" in text_of(bad)
    good = {"split_share": "15", "split_test_share": "5", "split_seed": "12"}
    assert clients["carol"].post("/training/datasets/new/", {**fields, **good}).status_code == 302
    version = DatasetVersion.objects.get()
    assert (version.split_kind, version.split_share, version.split_test_share, version.split_seed) == (
        "grouped", 0.15, 0.05, 12,
    )  # fmt: skip


def test_the_report_page(clients: Clients, carol: User, ready: DatasetVersion) -> None:
    page = clients["carol"].get(ready.get_absolute_url())
    text, html = text_of(page), page.content.decode()
    assert ready.archive_sha256 in text
    for words in ("The city", "CC BY", "0.6 m per pixel", "40 x 40 px", "seed 1: 20 % were asked"):
        assert words in text
    assert html.count('class="pair"') == 12
    assert '<svg class="alignment"' in html
    assert html.count('<svg class="histogram"') == 2
    assert "style=" not in html  # the policy would drop it
    report = clients["carol"].get(f"/training/versions/{ready.pk}/report/")
    assert report["Content-Type"] == "application/json"
    assert report.getvalue() == read(ready.report)


def test_each_problem_shows_its_tiles(clients: Clients, carol: User, tmp_path: Path) -> None:
    folder = write_maps(tmp_path / "pairs" / "train", 12)
    (folder / "3.png").write_bytes(b"no picture")
    (folder / "99.png").write_bytes((folder / "5.png").read_bytes())
    version = examined(brought(carol, zipped(tmp_path / "pairs")))
    report = json.loads(read(version.report))
    assert report["sheets"]["tiles"]["names"][0] == "train/3"
    page = clients["carol"].get(version.get_absolute_url()).content.decode()
    for label in ("train/3, A beside B", "train/5, A beside B", "train/99, A beside B"):
        assert label in page
    assert f"/training/versions/{version.pk}/sheets/problems/" in page


def test_nothing_can_be_held_out(clients: Clients, carol: User, tmp_path: Path) -> None:
    """Copies of one picture are one group, and that is too large for any share."""
    folder = write_maps(tmp_path / "pairs" / "train", 1)
    for number in range(2, 9):
        (folder / f"{number}.png").write_bytes((folder / "1.png").read_bytes())
    source = Source(upload=uploaded(carol, zipped(tmp_path / "pairs")), split=SplitChoice(kind="grouped"))
    version = examined(dataset_create(by=carol, about=About(name="X"), source=source))
    assert version.state == JobState.SUCCEEDED
    assert "Nothing could be held out" in text_of(clients["carol"].get(version.get_absolute_url()))


def test_what_is_held_out_does_not_depend_on_the_run(
    clients: Clients, carol: User, ready: DatasetVersion, archive: bytes
) -> None:
    """So a sweep may vary the seed, which otherwise would hold out other tiles."""
    assert ready.says_what_is_held_out
    assert not examined(brought(carol, archive, name="Other")).says_what_is_held_out
    page = clients["carol"].get(f"/training/runs/new/?dataset_version={ready.pk}").content.decode()
    assert f'<option value="{ready.pk}" selected>' in page
    assert clients["carol"].get("/training/runs/new/?dataset_version=nonsense").status_code == 200


def test_a_report_that_is_gone(clients: Clients, ready: DatasetVersion) -> None:
    default_storage.delete(ready.report)
    page = clients["carol"].get(ready.get_absolute_url())
    assert page.status_code == 200
    assert "no longer stored" in text_of(page)
