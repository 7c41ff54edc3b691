"""A worker's local datasets: those asked for lately stay, and no other worker's bytes are touched."""

from __future__ import annotations

import os
import time
from pathlib import Path

from pytest_django import Settings

from accounts.models import User
from tests.training.tiny import examined
from training_jobs.worker.scratch import dataset_file


def test_two_containers_that_share_the_folder_do_not_write_one_file(
    carol: User, archive: bytes, tmp_path: Path, settings: Settings
) -> None:
    """Their process numbers are equal; what one brings is not the other's to write or to remove."""
    version = examined(carol, archive, tmp_path)
    folder: Path = settings.TRAINING_WORK_DIR / "datasets"
    seen: list[set[str]] = []

    def other(_: float) -> None:
        if not seen:
            seen.append({path.name for path in folder.iterdir()})
            assert dataset_file(version, other).read_bytes() == archive
            seen.append({path.name for path in folder.iterdir()})

    assert dataset_file(version, other).read_bytes() == archive
    assert seen[0] < seen[1]
    assert [path.suffix for path in folder.iterdir()] == [".zip"]


def test_what_is_on_its_way_counts_for_nothing_and_what_was_left_goes(
    carol: User, archive: bytes, tmp_path: Path, settings: Settings
) -> None:
    folder: Path = settings.TRAINING_WORK_DIR / "datasets"
    folder.mkdir(parents=True)
    now = time.time()
    for name, age in {
        "a.zip": 50,
        "b.zip": 40,
        "c.zip": 30,
        ".x-1.part": 1,
        ".y-2.part": 20,
        ".z-3.part": 9_000,
    }.items():
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (now - age, now - age))
    brought = dataset_file(examined(carol, archive, tmp_path), lambda _: None)
    assert {path.name for path in folder.iterdir()} == {
        brought.name,
        "b.zip",
        "c.zip",
        ".x-1.part",
        ".y-2.part",
    }
