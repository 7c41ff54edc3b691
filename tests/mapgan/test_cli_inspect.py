"""``mapgan inspect``: runs, presets, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from mapgan import checkpoints
from mapgan.cli import main
from mapgan.config import TrainConfig
from tests.mapgan.pairs import write_maps


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn pairs."""
    folder = tmp_path_factory.mktemp("maps")
    write_maps(folder / "train", 6, side=64)
    return folder


@pytest.fixture(scope="module")
def short_run(maps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps of a small net."""
    run = tmp_path_factory.mktemp("run")
    settings = {
        "generator": "unet_64", "image_size": 64, "load_size": 64, "generator_width": 4,
        "discriminator_width": 4, "decay_steps": 0,
    }  # fmt: skip
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    command = ["train", "--preset", "draft", "--direction", "AtoB", "--data", str(maps), "--out", str(run)]
    result = CliRunner().invoke(main, [*command, "--steps", "2", *options])
    assert result.exit_code == 0, result.output
    return run


@pytest.fixture(scope="module")
def generator(short_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run's generator as a file."""
    path = tmp_path_factory.mktemp("generator") / "small.onnx"
    result = CliRunner().invoke(main, ["export", str(short_run), "--out", str(path)])
    assert result.exit_code == 0, result.output
    return path


def test_inspect_a_run(short_run: Path) -> None:
    """The newest checkpoint at the top, with what the generator's card would say."""
    result = CliRunner().invoke(main, ["inspect", str(short_run), "--json"])
    found = json.loads(result.output)
    checkpoint = checkpoints.find(short_run)
    assert (found["kind"], found["step"]) == ("run", 2)
    assert found["weights_sha256"] == checkpoint.weights_sha256
    assert found["weights_sha256"] == checkpoints.weights_sha256(checkpoints.read_arrays(checkpoint))
    assert found["parameters"] == sum(found["networks"].values()) > 0
    assert found["config"]["direction"] == found["card"]["direction"] == "sat2map"
    assert found["directions"] == ["sat2map"]
    by_step = CliRunner().invoke(main, ["inspect", str(checkpoint.path), "--json"])
    assert json.loads(by_step.output)["step"] == 2
    assert "direction: sat2map" in CliRunner().invoke(main, ["inspect", str(short_run)]).output


def test_inspect_a_preset() -> None:
    """The seed's 55 checkpoints."""
    found = json.loads(CliRunner().invoke(main, ["inspect", "--preset", "seed", "--json"]).output)
    assert (found["steps"], found["checkpoints"]) == (109_700, 55)
    assert found["networks"] == {"generator": 54_413_955, "discriminator": 2_768_705}
    assert TrainConfig.from_dict(found["config"]).generator_norm == "batch"


def test_inspect_a_preset_for_cyclegan() -> None:
    """Two ResNets and two PatchGANs of three channels, and as many steps."""
    command = ["inspect", "--preset", "seed", "--model", "cyclegan", "--json"]
    found = json.loads(CliRunner().invoke(main, command).output)
    assert (found["steps"], found["checkpoints"]) == (109_700, 55)
    assert found["networks"] == {
        "a_to_b": 11_378_179,
        "b_to_a": 11_378_179,
        "discriminator_a": 2_764_737,
        "discriminator_b": 2_764_737,
    }
    assert found["parameters"] == 28_285_832
    assert found["config"]["model"] == "cyclegan"


def test_inspect_a_file(generator: Path) -> None:
    """The same keys at the top as for a run."""
    found = json.loads(CliRunner().invoke(main, ["inspect", str(generator), "--json"]).output)
    assert (found["kind"], found["step"], found["card"]["direction"]) == ("generator", 2, "sat2map")
    assert found["parameters"] > 0


def test_inspect_wrong_use(tmp_path: Path) -> None:
    """Nothing, too much, an empty folder, and a file that is no generator."""
    run = CliRunner().invoke
    assert run(main, ["inspect"]).exit_code == 2
    assert run(main, ["inspect", str(tmp_path), "--preset", "draft"]).exit_code == 2
    assert run(main, ["inspect", str(tmp_path), "--model", "cyclegan"]).exit_code == 2
    assert "no checkpoint" in run(main, ["inspect", str(tmp_path)]).output
    path = tmp_path / "x.onnx"
    path.write_bytes(b"not a model")
    result = run(main, ["inspect", str(path)])
    assert result.exit_code == 1
    assert "x.onnx" in result.output
