"""``mapgan train`` on an archive: to a checkpoint, resumed from it, and refused where it must be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mapgan.cli import main
from tests.mapgan.hostile import pack, pack_folder
from tests.mapgan.pairs import write_maps

SMALL = [
    "generator=unet_32",
    "image_size=32",
    "load_size=36",
    "generator_width=2",
    "discriminator_width=2",
    "evaluate_tiles=0",
]


def train(data: Path, run: Path, *more: str) -> Result:
    """A run of a few steps on tiny networks."""
    settings = [part for value in SMALL for part in ("--set", value)]
    options = [
        "--preset",
        "draft",
        "--data",
        str(data),
        "--out",
        str(run),
        "--checkpoint-every",
        "2",
        "--events",
    ]
    return CliRunner().invoke(main, ["train", *options, *settings, *more])


def events(result: Result) -> dict[str, dict[str, Any]]:
    """What was printed, by name; the last of each."""
    lines = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    return {line["event"]: line for line in lines}


def test_from_a_zip_to_a_resumed_run(tmp_path: Path) -> None:
    """The same tiles are held out; nothing of the archive stays; other tiles are another run."""
    tiles = write_maps(tmp_path / "data" / "train", 8)
    run = tmp_path / "run"
    archive = pack_folder(tmp_path / "maps.zip", tmp_path / "data", top="maps/")
    result = train(archive, run, "--steps", "2")
    assert result.exit_code == 0, result.output
    assert {"started", "checkpoint", "finished"} <= set(events(result))
    split = (run / "split.json").read_text()
    assert not (run / ".data-part").exists()

    archive = pack_folder(tmp_path / "maps.tar.gz", tmp_path / "data")
    result = train(archive, run, "--steps", "4", "--resume")
    assert result.exit_code == 0, result.output
    assert (events(result)["resumed"]["step"], events(result)["finished"]["step"]) == (2, 4)
    assert (run / "split.json").read_text() == split

    (tiles / "8.png").unlink()
    result = train(pack_folder(tmp_path / "less.zip", tmp_path / "data"), run, "--steps", "6", "--resume")
    assert result.exit_code == 1
    assert "split.json (gone: 8)" in result.stdout


@pytest.mark.parametrize("name", ["../1.png", "readme.txt"])
def test_a_refused_archive(tmp_path: Path, name: str) -> None:
    """One sentence, exit code 1, no folder of a run."""
    result = train(pack(tmp_path / "maps.zip", {name: b"x"}), tmp_path / "run", "--steps", "2")
    assert result.exit_code == 1
    assert "maps.zip: " in result.stdout
    assert "Traceback" not in result.output
    assert not (tmp_path / "run").exists()
