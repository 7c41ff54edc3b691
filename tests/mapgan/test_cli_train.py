"""``mapgan train`` as a person or a supervisor runs it: its own process, signals, JSON lines, errors."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mapgan import checkpoints
from mapgan.cli import main
from mapgan.config import TrainConfig
from tests.mapgan.pairs import REAL_MAPS, write_maps
from tests.mapgan.processes import everything, is_checkpoint, read_until, start

SMALL = ["generator=unet_64", "image_size=64", "load_size=72", "generator_width=4", "discriminator_width=4"]


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pairs, one of them to be held out; the real tiles where they are at hand."""
    if REAL_MAPS.is_dir():
        folder = tmp_path_factory.mktemp("real")
        (folder / "train").mkdir()
        for number in range(1, 9):
            (folder / "train" / f"{number}.webp").symlink_to(
                (REAL_MAPS / "train" / f"{number}.webp").resolve()
            )
    else:
        folder = tmp_path_factory.mktemp("drawn")
        write_maps(folder / "train", 8, side=80)
    (folder / "holdout.tsv").write_text("# one\n8\n")
    return folder


def arguments(maps: Path, run: Path, *more: str, steps: int = 30) -> list[str]:
    """A small run with a checkpoint every ten steps."""
    settings = [part for value in SMALL for part in ("--set", value)]
    return [
        "train", "--preset", "draft", "--data", str(maps), "--out", str(run), "--steps", str(steps),
        "--set", "decay_steps=0", "--set", "log_every=5", "--checkpoint-every", "10", "--seed", "3",
        "--exclude", str(maps / "holdout.tsv"), "--threads", "1", "--events", *settings, *more,
    ]  # fmt: skip


@pytest.mark.slow
def test_killed_and_resumed_equals_uninterrupted(maps: Path, tmp_path: Path) -> None:
    """SIGKILL at an arbitrary step after the first checkpoint, SIGTERM after the next, then to the end."""
    whole = start(arguments(maps, tmp_path / "whole"))
    heard = everything(whole)
    assert whole.returncode == 0
    assert heard[0]["event"] == "started"
    assert heard[0]["images"] == 7
    assert heard[-1] == {**heard[-1], "event": "finished", "step": 30, "reason": "completed"}

    killed = start(arguments(maps, tmp_path / "broken"))
    read_until(killed, is_checkpoint)
    read_until(killed, lambda event: event["event"] == "step")
    killed.kill()
    killed.wait()
    last = checkpoints.find(tmp_path / "broken")
    assert last.step in (10, 20, 30)

    stopped = start(arguments(maps, tmp_path / "broken", "--resume"))
    heard = read_until(stopped, lambda event: event["event"] in ("step", "finished"))
    assert (heard[0]["event"], heard[0]["step"]) == ("resumed", last.step)
    stopped.send_signal(signal.SIGTERM)
    heard += everything(stopped)
    assert stopped.returncode == 0
    assert heard[-1]["event"] == "finished"
    assert heard[-1]["step"] == checkpoints.find(tmp_path / "broken").step

    assert everything(start(arguments(maps, tmp_path / "broken", "--resume")))[-1]["step"] == 30
    one, other = (checkpoints.find(tmp_path / name) for name in ("whole", "broken"))
    assert one.arrays_sha256 == other.arrays_sha256


@pytest.fixture(scope="module")
def short_run(maps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, in this process."""
    run = tmp_path_factory.mktemp("run")
    result = CliRunner().invoke(main, _in_process(arguments(maps, run, "--direction", "AtoB", steps=2)))
    assert result.exit_code == 0, result.output
    return run


def _in_process(arguments: list[str]) -> list[str]:
    """Without --threads: TensorFlow has started already in this process."""
    index = arguments.index("--threads")
    return arguments[:index] + arguments[index + 2 :]


def test_log_and_configuration_stay_beside_the_run(short_run: Path) -> None:
    """The events as JSON lines, and a config.toml that --config takes."""
    lines = [json.loads(line) for line in (short_run / "log.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["started", "step", "checkpoint", "finished"]
    assert TrainConfig.from_toml(short_run / "config.toml").seed == 3


def test_config_file_and_settings(short_run: Path, maps: Path, tmp_path: Path) -> None:
    """A run's own file is a start like a preset; options and --set go on top."""
    arguments = [
        "train",
        "--config",
        str(short_run / "config.toml"),
        "--data",
        str(maps),
        "--out",
        str(tmp_path),
    ]
    result = CliRunner().invoke(
        main, [*arguments, "--steps", "1", "--set", "gan_loss=lsgan", "--set", "l1_weight=10"]
    )
    assert result.exit_code == 0, result.output
    config = TrainConfig.from_toml(tmp_path / "config.toml")
    assert (config.gan_loss, config.l1_weight, config.steps, config.generator_width) == ("lsgan", 10.0, 1, 4)
    assert "1/1" in result.output


def test_resume_needs_no_preset(short_run: Path, maps: Path) -> None:
    """The run knows its own configuration; a finished one says so."""
    arguments = [
        "train",
        "--data",
        str(maps),
        "--exclude",
        str(maps / "holdout.tsv"),
        "--out",
        str(short_run),
    ]
    result = CliRunner().invoke(main, [*arguments, "--resume"])
    assert result.exit_code == 0, result.output
    assert "resumed at step 2" in result.output


def test_failure_is_an_event_a_line_and_exit_1(short_run: Path, maps: Path, tmp_path: Path) -> None:
    """Data errors and run errors alike."""
    result = CliRunner().invoke(main, _in_process(arguments(maps, short_run)))
    assert result.exit_code == 1
    assert "already has checkpoints" in json.loads(result.stdout.splitlines()[-1])["reason"]
    (tmp_path / "empty").mkdir()
    command = [
        "train",
        "--preset",
        "draft",
        "--data",
        str(tmp_path / "empty"),
        "--out",
        str(tmp_path / "run"),
    ]
    result = CliRunner().invoke(main, [*command, "--events"])
    failed = json.loads(result.stdout.splitlines()[-1])
    assert failed["event"] == "failed"
    assert "no pictures" in failed["reason"]
    assert not (tmp_path / "run").exists()
    result = CliRunner().invoke(main, command)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no pictures" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "choose --preset or --config"),
        (["--preset", "best"], "Invalid value for '--preset'"),
        (["--preset", "draft", "--config", "x.toml"], "exclude each other"),
        (["--config", "absent.toml"], "cannot read absent.toml"),
        (["--preset", "draft", "--direction", "up"], "direction must be one of"),
        (["--preset", "draft", "--set", "width"], "NAME=VALUE"),
        (["--preset", "draft", "--set", "colour=1"], "unknown setting: colour"),
        (["--preset", "draft", "--steps", "0"], "steps must be at least 1"),
        (["--preset", "draft", "--model", "stylegan"], "Invalid value for '--model'"),
    ],
)
def test_wrong_use_is_exit_2(tmp_path: Path, options: list[str], message: str) -> None:
    """Before anything is read or written."""
    run = tmp_path / "run"
    result = CliRunner().invoke(main, ["train", "--data", str(tmp_path), "--out", str(run), *options])
    assert result.exit_code == 2
    assert message in result.output
    assert not run.exists()


def test_help_is_quick_and_complete() -> None:
    """No framework is loaded to print it."""
    code = (
        "import sys; from click.testing import CliRunner; from mapgan.cli import main; "
        "print(CliRunner().invoke(main, ['--help']).output, "
        "'tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("False False")
    for command in ("train", "evaluate", "export", "translate", "inspect"):
        assert f"  {command}" in done.stdout
