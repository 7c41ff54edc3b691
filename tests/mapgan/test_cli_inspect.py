"""``mapgan inspect`` and ``mapgan evaluate``: runs, presets, files, and figures beside two baselines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from mapgan import checkpoints, datasets
from mapgan.cli import main
from mapgan.config import TrainConfig
from tests.mapgan.pairs import write_maps


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six drawn pairs, two of them held out."""
    folder = tmp_path_factory.mktemp("maps")
    write_maps(folder / "train", 6, side=64)
    (folder / "holdout.tsv").write_text("2\n5\n")
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


def test_evaluate_agrees_with_ten_lines_of_numpy(maps: Path, generator: Path, tmp_path: Path) -> None:
    """RMSE and accuracies of the held-out tiles, from the files the translate command wrote."""
    report = tmp_path / "report.json"
    options = ["--generator", str(generator), "--data", str(maps), "--tiles", str(maps / "holdout.tsv")]
    result = CliRunner().invoke(main, ["evaluate", *options, "--direction", "sat2map", "--json", str(report)])
    assert result.exit_code == 0, result.output
    for column in ("generator", "median_colour", "input_copied", "palette_miou"):
        assert column in result.output
    measured = json.loads(report.read_text())["generator"]

    from PIL import Image

    pairs = datasets.select_pairs(datasets.find_pairs(maps), ["2", "5"])
    differences = []
    for pair in pairs:
        a, b = datasets.load_pair(pair)
        Image.fromarray(a).save(tmp_path / "a.png")
        command = ["translate", str(tmp_path / "a.png"), "--generator", str(generator)]
        assert CliRunner().invoke(main, [*command, "--out", str(tmp_path / "b.png")]).exit_code == 0
        differences.append(np.abs(np.asarray(Image.open(tmp_path / "b.png"), float) - b))
    pooled = np.stack(differences)
    assert measured["rmse"] == pytest.approx(np.sqrt((pooled**2).mean()), rel=1e-5)
    assert measured["acc5"] == pytest.approx((pooled.max(-1) < 5).mean(), rel=1e-5)
    assert measured["acc10"] == pytest.approx((pooled.max(-1) < 10).mean(), rel=1e-5)


def test_evaluate_wrong_use(maps: Path, generator: Path, tmp_path: Path) -> None:
    """The other direction, unknown tiles, no val/ to fall back on."""
    options = ["evaluate", "--generator", str(generator), "--data", str(maps)]
    run = CliRunner().invoke
    result = run(main, [*options, "--direction", "map2sat"])
    assert result.exit_code == 2
    assert "translates sat2map, not map2sat" in result.output
    (tmp_path / "tiles.txt").write_text("77\n")
    result = run(main, [*options, "--tiles", str(tmp_path / "tiles.txt")])
    assert (result.exit_code, "no such tiles: 77" in result.output) == (1, True)
    assert "no folder 'val'" in run(main, options).output


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
