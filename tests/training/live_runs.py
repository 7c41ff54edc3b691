"""Trainings in a live system: brought about by its own services, looked at beside it."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import psutil

from tests.mapgan.pairs import write_maps
from tests.support.live import LiveStack
from tests.support.waiting import wait_until

TINY: dict[str, Any] = {
    "generator": "unet_32", "generator_width": 2, "discriminator_width": 2, "image_size": 32, "load_size": 36,
    "steps": 400, "checkpoint_every": 50, "log_every": 1, "samples": 2, "evaluate_tiles": 0, "seed": 3,
    "validation_share": 0.2,
}  # fmt: skip

BRING = """
from pathlib import Path
from accounts.models import User
from training_jobs.services import About, Source, dataset_create, upload_append, upload_begin
data, name = Path({archive!r}).read_bytes(), {staff!r}
by = User.objects.filter(username=name).first()
by = by or User.objects.create_user(name, "", name + "-password", is_staff=True)
upload = upload_begin(owner=by, filename="pairs.zip", size=len(data))
upload_append(upload=upload, offset=0, data=data)
result = dataset_create(by=by, about=About(name={name!r}), source=Source(upload=upload)).pk.hex
"""
START = """
import json
from accounts.models import User
from mapgan.config import TrainConfig
from training_jobs.models import DatasetVersion
from training_jobs.services.runs import run_start
by, version = User.objects.get(username={staff!r}), DatasetVersion.objects.get(pk={version!r})
result = []
for name, text in {runs!r}:
    config = TrainConfig.from_dict(json.loads(text))
    result.append(run_start(by=by, name=name, dataset_version=version, config=config).pk.hex)
"""


def query(stack: LiveStack, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    """Rows of the system's database, read beside it."""
    path = f"file:{stack.var / 'db.sqlite3'}?mode=ro"
    database = sqlite3.connect(path, uri=True, timeout=20)
    try:
        return database.execute(sql, values).fetchall()
    finally:
        database.close()


def bring(stack: LiveStack, folder: Path, *, staff: str, name: str) -> str:
    """A dataset of made-up pairs, examined by the system's data worker; returns its version's id."""
    write_maps(folder / "pairs" / "train", 12)
    archive = shutil.make_archive(str(folder / "pairs"), "zip", folder / "pairs")
    version: str = stack.python(BRING.format(staff=staff, name=name, archive=archive))

    def state() -> str:
        return str(query(stack, "SELECT state FROM training_datasetversion WHERE id = ?", version)[0][0])

    wait_until(lambda: state() == "succeeded", seconds=120, what="the dataset to be examined", every=0.3)
    return version


def start(stack: LiveStack, version: str, *, staff: str, **runs: dict[str, Any]) -> list[str]:
    """Queue tiny runs by name, each with changes of its own; returns their ids."""
    named = [(name, json.dumps({**TINY, **changes})) for name, changes in runs.items()]
    started: list[str] = stack.python(START.format(staff=staff, version=version, runs=named))
    return started


def row(stack: LiveStack, run: str) -> dict[str, Any]:
    """What the system knows of a run."""
    sql = "SELECT state, attempt, step, error_message, error_details FROM training_trainingrun WHERE id = ?"
    names = ("state", "attempt", "step", "error_message", "error_details")
    return dict(zip(names, query(stack, sql, run)[0], strict=True))


def checkpoints(stack: LiveStack, run: str) -> dict[int, str]:
    """Steps of the stored checkpoints, with the hash of their weights."""
    sql = "SELECT step, weights_sha256 FROM training_checkpoint WHERE run_id = ? ORDER BY step"
    return {int(step): str(digest) for step, digest in query(stack, sql, run)}


def notes(stack: LiveStack, run: str) -> list[tuple[str, int | None, int, str]]:
    """Kind, step, attempt and words of its story."""
    sql = "SELECT kind, step, attempt, message FROM training_runnote WHERE run_id = ? ORDER BY id"
    return query(stack, sql, run)  # type: ignore[return-value]


def child(stack: LiveStack) -> psutil.Process | None:
    """The training process of the system's train worker."""
    pid = stack.pid("train")
    if not pid:
        return None
    for each in psutil.Process(pid).children(recursive=True):
        if "mapgan.cli" in each.cmdline() and "train" in each.cmdline():
            return each
    return None
