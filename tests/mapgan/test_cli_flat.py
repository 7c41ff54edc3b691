"""`mapgan export --flat-colours`: a generator file that draws maps in the colours of the training maps."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import pytest

from mapgan import checkpoints
from mapgan.card import read_card
from mapgan.flatcolours import NEAR, flatten, from_text
from mapgan.inference import Generator
from mapgan.networks import build_generator
from tests.mapgan.images import save
from tests.mapgan.test_cli_serve import CONFIG, run

GREY, WHITE = (128, 128, 128), (255, 255, 255)


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A run of an untrained generator of maps: all it draws is near to grey."""
    model = build_generator("unet_32", width=4, image_size=32, seed=1)
    variables = {f"networks/generator/{weight.path}": weight.numpy() for weight in model.weights}
    config = replace(CONFIG, direction="sat2map")
    checkpoints.save(tmp_path / "run", step=7, config=config, variables=variables, environment={})
    return tmp_path / "run"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Six pairs: noise on the left, a map in two colours on the right."""
    (tmp_path / "maps" / "train").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for stem in range(6):
        pair = rng.integers(0, 256, (32, 64, 3), dtype=np.uint8)
        pair[:, 32:] = GREY
        pair[:8, 32:] = WHITE
        (tmp_path / "maps" / "train" / f"{stem}.png").write_bytes(save(pair, "PNG"))
    (tmp_path / "held.tsv").write_text("0\n3\n")
    return tmp_path / "maps"


def test_what_is_near_to_a_common_colour_becomes_it(tmp_path: Path, drawn: Path, data: Path) -> None:
    """In one pass and in windows; the card says so, and its figures are of what it draws."""
    measured = ("--evaluate", data, "--tiles", tmp_path / "held.tsv")
    plain, flat = tmp_path / "plain.onnx", tmp_path / "flat.onnx"
    for out, more in ((plain, ()), (flat, ("--flat-colours",))):
        done = run("export", drawn, "--out", out, *measured, *more)
        assert done.exit_code == 0, done.output
    assert read_card(plain).flat_colours == ""
    colours = from_text(read_card(flat).flat_colours)
    assert colours == [GREY, WHITE]
    for height, width in ((32, 32), (50, 90)):
        image = np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)
        before, after = (Generator(path).translate(image) for path in (plain, flat))
        np.testing.assert_array_equal(after, flatten(before, colours))
        assert (np.abs(before.astype(int) - 128).max(axis=-1) <= NEAR).any()
        assert not np.array_equal(before, after)
    assert read_card(flat).metrics["generator"] != read_card(plain).metrics["generator"]


def test_where_it_makes_no_sense(tmp_path: Path, drawn: Path, data: Path) -> None:
    out = tmp_path / "a.onnx"
    done = run("export", drawn, "--out", out, "--flat-colours")
    assert (done.exit_code, "--flat-colours needs --evaluate" in done.output) == (2, True)
    model = build_generator("unet_32", width=4, image_size=32, seed=1)
    variables = {f"networks/generator/{weight.path}": weight.numpy() for weight in model.weights}
    checkpoints.save(tmp_path / "photos", step=7, config=CONFIG, variables=variables, environment={})
    done = run("export", tmp_path / "photos", "--out", out, "--flat-colours", "--evaluate", data)
    assert (done.exit_code, "photographs have none" in done.output) == (2, True)
    for path in (data / "train").iterdir():
        noise = np.random.default_rng(int(path.stem)).integers(0, 256, (32, 64, 3), dtype=np.uint8)
        path.write_bytes(save(noise, "PNG"))
    chosen = ("--evaluate", data, "--tiles", tmp_path / "held.tsv")
    done = run("export", drawn, "--out", out, "--flat-colours", *chosen)
    assert (done.exit_code, "no common colours" in done.output) == (1, True)
    assert not out.exists()
