"""``mapgan train`` as a person or a supervisor runs it: its own process, signals, JSON lines, errors."""

from __future__ import annotations

import json
import random
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mapgan import checkpoints, runlock, traindata, training
from mapgan.cli import main
from mapgan.config import TrainConfig
from mapgan.runlock import InUseError
from tests.mapgan.pairs import REAL_MAPS, write_maps
from tests.mapgan.processes import everything, inspected, killed_at, read_until, start
from tests.support.waiting import wait_until

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
@pytest.mark.timeout(900)  # four processes that each compile their step
def test_killed_and_resumed_equals_uninterrupted(maps: Path, tmp_path: Path) -> None:
    """SIGKILL at a random step after the first checkpoint, SIGTERM after that, then to the end."""
    whole = start(arguments(maps, tmp_path / "whole"))
    heard = everything(whole)
    assert whole.returncode == 0
    assert heard[0]["event"] == "started"
    assert (heard[0]["images"], heard[0]["validation"]) == (6, 1)
    assert heard[-1] == {**heard[-1], "event": "finished", "step": 30, "reason": "completed"}
    assert not [event for event in heard if event["event"] in ("alarm", "warning")]

    broken = tmp_path / "broken"
    at = random.randint(11, 29)  # noqa: S311 - whichever step it is
    killed_at(at, arguments(maps, broken, "--set", "log_every=1"))
    last = max(checkpoints.steps(broken))
    assert last in (10, 20)

    stopped = start(arguments(maps, broken, "--set", "log_every=1", "--resume"))
    heard = read_until(stopped, lambda event: event["event"] in ("step", "finished"))
    assert heard[0] == {**heard[0], "event": "resumed", "step": last}
    stopped.send_signal(signal.SIGTERM)
    heard += everything(stopped)
    assert stopped.returncode == 0
    assert heard[-1]["event"] == "finished"
    assert heard[-1]["step"] == checkpoints.find(broken).step

    assert everything(start(arguments(maps, broken, "--resume")))[-1]["step"] == 30
    assert inspected(tmp_path / "whole") == inspected(broken)
    one, other = (checkpoints.find(tmp_path / name) for name in ("whole", "broken"))
    assert one.arrays_sha256 == other.arrays_sha256
    for folder in ("step-00000030", "input", "target"):
        made = [
            path.read_bytes()
            for run in ("whole", "broken")
            for path in (tmp_path / run / "samples" / folder).rglob("*.png")
        ]
        assert made[0] == made[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("loading", signal.SIGTERM),
        ("started", signal.SIGTERM),
        ("started", signal.SIGINT),
        ("checkpoint", signal.SIGTERM),
    ],
)
def test_a_signal_in_any_phase(maps: Path, tmp_path: Path, phase: str, number: signal.Signals) -> None:
    """While pictures are read, the step is compiled or a checkpoint is judged: it ends well and says so."""
    run = tmp_path / "run"
    process = start(arguments(maps, run, steps=100_000))
    heard = []
    if phase == "loading":
        wait_until((run / ".lock").exists, seconds=120, what="the run's lock")
    else:
        heard = read_until(process, lambda event: event["event"] == phase)
    process.send_signal(number)
    heard += everything(process)
    assert process.returncode == 0
    step = max(checkpoints.steps(run), default=0)
    assert heard[-1] == {**heard[-1], "event": "finished", "step": step, "reason": "stopped"}
    if phase == "checkpoint":
        assert step >= 10
        # What was cut short is made up for, and nothing is in the way of it.
        result = CliRunner().invoke(main, _in_process(arguments(maps, run, "--resume", steps=step)))
        assert result.exit_code == 0, result.output
        assert (run / "samples" / f"step-{step:08d}").is_dir()


@pytest.mark.slow
def test_a_supervisor_that_is_gone(maps: Path, tmp_path: Path) -> None:
    """Nobody reads the events: the run saves and ends, so that another supervisor finds the folder free."""
    process = start(arguments(maps, tmp_path / "run", steps=100_000))
    read_until(process, lambda event: event["event"] == "started")
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    step = checkpoints.find(tmp_path / "run").step
    assert 0 < step < 100_000
    assert lines[-1] == {**lines[-1], "event": "finished", "step": step, "reason": "stopped"}


def test_a_full_disk_ends_the_run_and_leaves_the_last_good_checkpoint(maps: Path, tmp_path: Path) -> None:
    """The limit on a file's size is the kernel's own; a person reads what to do, a script an exit code."""
    run = tmp_path / "run"
    common = arguments(maps, run, "--resume", steps=4)
    assert CliRunner().invoke(main, _in_process([*common, "--steps", "2"])).exit_code == 0
    before = (run / "checkpoints" / "step-00000002" / "arrays.npz").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        result = CliRunner().invoke(main, _in_process(common))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert result.exit_code == 4, result.output
    reason = json.loads(result.stdout.splitlines()[-1])["reason"]
    assert "checkpoint of step 4 cannot be written" in reason
    assert "File too large; the last good checkpoint is that of step 2. Make room" in reason
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000002"]
    assert (run / "checkpoints" / "step-00000002" / "arrays.npz").read_bytes() == before
    assert CliRunner().invoke(main, _in_process(common)).exit_code == 0
    assert checkpoints.find(run).step == 4


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
    assert [line["event"] for line in lines] == [
        "started", "baselines", "step", "checkpoint", "sample", "evaluation", "finished"
    ]  # fmt: skip
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
    assert "resumed at step 2\nthis run is finished: 2 of 2 steps are made" in result.output


def test_nobody_comes_between_the_data_and_the_training(
    maps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who decided the split is who learns from it: the folder is held from the first to the last."""
    run, held = tmp_path / "run", []

    def train(config: TrainConfig, *_: Any, **__: Any) -> None:
        with pytest.raises(InUseError):
            traindata.open_training_data(config, maps, run)
        held.append(run)

    monkeypatch.setattr(training, "train", train)
    result = CliRunner().invoke(main, _in_process(arguments(maps, run)))
    assert (result.exit_code, held) == (0, [run]), result.output
    with runlock.held(run):
        result = CliRunner().invoke(main, _in_process(arguments(maps, run)))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["reason"] == f"another process is training in {run}"


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
