"""The whole product on machines that share PostgreSQL, Redis and S3, and no path; some of them vanish."""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image

from tests.mapgan.pairs import write_maps
from tests.support.fleet import Browser, Fleet, Machine
from tests.support.live import ROOT
from tests.support.postgres import Postgres
from tests.support.s3 import S3Server
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

EVERY, STEPS = 40, 160
TINY = {
    "generator": "unet_32", "generator_width": "2", "discriminator_width": "2", "image_size": "32",
    "load_size": "36", "steps": str(STEPS), "decay_steps": "0", "checkpoint_every": str(EVERY),
    "samples": "2", "evaluate_tiles": "2", "seed": "3", "validation_share": "0.2",
}  # fmt: skip
CACHES = re.compile(
    r"var/cache/generators/[0-9a-f]{64}\.onnx|var/beat-schedule.*|work/datasets/[0-9a-f]{64}.*"
)
"""What a machine may keep: the clock's notes, and copies that are known by their hash."""


@dataclass
class Site:
    """The machines, and two people."""

    fleet: Fleet
    staff: Browser
    person: Browser
    translators: list[Machine]
    trainers: list[Machine]

    def running_on(self, table: str, row: str) -> Machine:
        """The machine whose process works on a job."""
        worker = self.fleet.query(f"SELECT worker FROM {table} WHERE id = %s", row)[0][0]  # noqa: S608
        pid = worker_pid(worker)
        return next(machine for machine in self.fleet.machines if machine.process.pid == pid)


def worker_pid(worker: str) -> int:
    """Of the process that a row names, as ``host:pid``."""
    return int(worker.rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def site(postgres: Postgres, s3_server: S3Server) -> Iterator[Site]:
    fleet = Fleet(postgres, s3_server, "fleet")
    try:
        password = fleet.prepare()
        translators, trainers = ([fleet.add(role) for _ in range(2)] for role in ("translate", "train"))
        for role in ("web", "data", "maintenance", "beat"):
            fleet.add(role)
        wait_until(fleet.answers, seconds=180, what="every machine", every=0.3)
        staff, person = Browser(fleet.url), Browser(fleet.url)
        staff.fill("/accounts/login/", login="admin", password=password)
        secret = "a-long-way-to-the-sea"
        person.fill("/accounts/signup/", username="ada", email="", password1=secret, password2=secret)
        yield Site(fleet, staff, person, translators, trainers)
    finally:
        fleet.close()


def submit(site: Site, picture: Path, **values: str) -> str:
    """A translation of the picture by the person; returns its id."""
    with picture.open("rb") as file:
        answer = site.person.fill("/translate/", files={"image": file}, sample="", **values)
    found = re.search(r"/translations/([0-9a-f-]{36})/", answer.headers["Location"])
    assert found
    return found[1]


def finished(site: Site, table: str, row: str) -> tuple[Any, ...]:
    """Wait for a job to end well; returns its attempt and worker."""
    over = f"SELECT state IN ('succeeded', 'failed', 'cancelled') FROM {table} WHERE id = %s"  # noqa: S608
    site.fleet.wait(over, row, what=f"{table} to end")
    columns = "state, error_message, error_details, attempt, worker"
    state, *words, attempt, worker = site.fleet.query(
        f"SELECT {columns} FROM {table} WHERE id = %s",  # noqa: S608
        row,
    )[0]
    assert state == "succeeded", f"{words}\n{site.fleet.logs()}"
    return attempt, worker


def test_from_sign_up_to_the_gallery(site: Site) -> None:
    row = submit(site, ROOT / "samples" / "old-town.png", visibility="public")
    finished(site, "translator_translation", row)
    stranger = Browser(site.fleet.url)
    assert f"/translations/{row}/" in stranger.page("/gallery/").text
    link = stranger.get(
        f"{site.fleet.url}/translations/{row}/files/result/", allow_redirects=False, timeout=20
    )
    assert (link.status_code, link.headers["Cache-Control"]) == (302, "no-store")
    address = link.headers["Location"]
    assert address.startswith(f"{site.fleet.s3.endpoint_url}/{site.fleet.bucket}/translations/")
    picture = requests.get(address, timeout=20)
    assert picture.content.startswith(b"\x89PNG")
    assert picture.headers["Content-Type"] == "image/png"
    assert "no-store" in picture.headers["Cache-Control"]
    assert picture.headers["Content-Disposition"].startswith("inline")


def test_a_translate_machine_vanishes_and_the_other_one_finishes(site: Site, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    with Image.open(ROOT / "samples" / "metropolis.png") as image:
        image.convert("RGB").resize((1400, 1400)).save(large)
    row = submit(site, large, visibility="private")
    progress = "SELECT progress > 0.1 AND state = 'running' FROM translator_translation WHERE id = %s"
    site.fleet.wait(progress, row, what="the translation to be under way")
    dead = site.running_on("translator_translation", row)
    dead.vanish()
    attempt, worker = finished(site, "translator_translation", row)
    assert attempt > 1, "it was through before its machine vanished: this run shows nothing"
    assert worker_pid(worker) in {each.process.pid for each in site.translators if each != dead}


def test_from_a_dataset_to_a_published_generator_though_a_train_machine_vanishes(
    site: Site, tmp_path: Path
) -> None:
    # --- A dataset
    write_maps(tmp_path / "pairs" / "train", 12)
    archive = Path(shutil.make_archive(str(tmp_path / "pairs"), "zip", tmp_path / "pairs"))
    with archive.open("rb") as file:
        site.staff.fill("/training/datasets/new/", files={"archive": file}, name="Harbour", archive=None)
    version = str(site.fleet.query("SELECT id FROM training_datasetversion")[0][0])
    finished(site, "training_datasetversion", version)

    # --- A run, whose machine vanishes after a checkpoint
    site.staff.fill("/training/runs/new/", name="Harbour", **TINY)
    run = str(site.fleet.query("SELECT id FROM training_trainingrun")[0][0])
    stored = "SELECT max(step) FROM training_checkpoint WHERE run_id = %s"
    site.fleet.wait(stored, run, what="a checkpoint")
    dead = site.running_on("training_trainingrun", run)
    dead.vanish()
    attempt, worker = finished(site, "training_trainingrun", run)
    assert attempt > 1, "it was through before its machine vanished: this run shows nothing"
    assert worker_pid(worker) in {each.process.pid for each in site.trainers if each != dead}
    columns = "SELECT step, resumed_step FROM training_trainingrun WHERE id = %s"
    step, resumed = site.fleet.query(columns, run)[0]
    assert step == STEPS
    assert resumed % EVERY == 0
    assert 0 < resumed < STEPS, "it went on from what the dead machine had stored"

    # --- A generator, and what it makes
    checkpoint = site.fleet.query(
        "SELECT id FROM training_checkpoint WHERE run_id = %s ORDER BY step DESC", run
    )[0][0]
    site.staff.fill(
        f"/training/checkpoints/{checkpoint}/publish/", title="Harbour", name="harbour", everyone="on"
    )
    publication = str(site.fleet.query("SELECT id FROM training_publication")[0][0])
    finished(site, "training_publication", publication)
    generator, state = site.fleet.query(
        "SELECT id, state FROM translator_generator WHERE name = %s", "harbour"
    )[0]
    assert state == "published"
    row = submit(site, ROOT / "samples" / "harbour.png", visibility="public", generator=str(generator))
    finished(site, "translator_translation", row)
    site.fleet.wait(
        "SELECT sample_output FROM translator_generator WHERE id = %s", generator, what="its sample"
    )


def test_everything_is_in_s3_and_nothing_on_a_disk(site: Site) -> None:
    """After all of the above."""
    referenced: dict[str, str] = site.fleet.python(
        "from translator.services import objects_referenced\nresult = objects_referenced()"
    )
    folders = {key.partition("/")[0] for key in referenced}
    assert {"translations", "generators", "datasets", "runs", "checkpoints"} <= folders

    def swept() -> bool:  # the dead machines' own objects wait for the hourly sweep
        return set(site.fleet.stored()) >= set(referenced)

    wait_until(swept, seconds=20, what="every object that a row names")
    client = site.fleet.s3.client()
    for key, sha256 in referenced.items():
        if sha256:
            content = client.get_object(Bucket=site.fleet.bucket, Key=key)["Body"].read()
            assert hashlib.sha256(content).hexdigest() == sha256, key
    for machine in site.fleet.machines:
        left = {name for name in machine.files() if not CACHES.fullmatch(name)}
        if machine.process.poll() is None or machine.role == "prepare":
            assert left == set(), f"{machine.folder.name} keeps {sorted(left)[:10]}"
