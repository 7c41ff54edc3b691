"""From training to a translated picture: averaged weights in the file, and noise that a seed repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import numpy_helper
from PIL import Image

from mapgan import checkpoints
from mapgan.card import read_card
from mapgan.cli import main
from mapgan.imageio import to_unit
from mapgan.inference import Generator
from mapgan.translating import translator
from tests.mapgan.pairs import write_maps


def mapgan(*arguments: str | Path) -> Result:
    """The command, in this process."""
    done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six steps of a Pix2Pix with BatchNorm, dropout and averages; the narrowest U-Net with a dropout."""
    folder = tmp_path_factory.mktemp("served")
    write_maps(folder / "maps" / "train", 3, side=64)
    settings = (
        "generator=unet_64", "image_size=64", "load_size=64", "generator_width=2", "discriminator_width=2",
        "generator_norm=batch", "discriminator_norm=batch", "dropout=0.5", "ema_decay=0.5", "samples=0",
        "evaluate_tiles=0", "learning_rate=0.01",
    )  # fmt: skip
    mapgan(
        "train", "--preset", "seed", "--data", folder / "maps", "--out", folder / "run", "--steps", "6",
        "--checkpoint-every", "1", "--validation-share", "0",
        *(part for value in settings for part in ("--set", value)),
    )  # fmt: skip
    return folder / "run"


@pytest.fixture(scope="module")
def picture(run: Path) -> Path:
    """A colourful picture of the network's size."""
    path = run.parent / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def tensors(path: Path) -> dict[str, np.ndarray]:
    """The kernels, scales and shifts in a file, by their path in the network."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def test_the_file_has_the_averages(run: Path, tmp_path: Path) -> None:
    """Each weight is the checkpoint's average, bit for bit; with --no-ema it is the last weight."""
    arrays = checkpoints.read_arrays(checkpoints.find(run))
    for options, part in (((), "ema"), (("--no-ema",), "networks")):
        mapgan("export", run, "--out", tmp_path / f"{part}.onnx", "--precision", "fp32", *options)
        found = tensors(tmp_path / f"{part}.onnx")
        assert len(found) == sum(path.startswith("ema/generator/") for path in arrays)
        for path, tensor in found.items():
            # The graph may keep a kernel's numbers in another order; that they are in their place is what
            # the test of parity shows.
            expected = arrays[f"{part}/generator/{path}"]
            np.testing.assert_array_equal(np.sort(tensor, None), np.sort(expected, None), err_msg=path)
    moved = [
        np.abs(a - b).max()
        for a, b in zip(*(tensors(tmp_path / f"{p}.onnx").values() for p in ("ema", "networks")), strict=True)
    ]
    assert min(moved) > 0


def test_the_averages_are_the_running_mean(run: Path) -> None:
    """``mean -= (1 - decay) * (mean - weight)`` at each step from the first one's checkpoint on; the decay
    is ``(1 + t) / (10 + t)`` after ``t`` updates while that is less."""
    saved = [
        checkpoints.read_arrays(checkpoints.find(run / "checkpoints" / f"step-{step:08d}"))
        for step in range(1, 7)
    ]
    averaged = [path.removeprefix("ema/") for path in saved[0] if path.startswith("ema/")]
    assert averaged
    for path in averaged:
        mean = saved[0][f"ema/{path}"]
        for made, arrays in enumerate(saved[1:], start=1):
            rate = np.float32(1 - min(0.5, (1 + made) / (10 + made)))
            mean = mean - rate * (mean - arrays[f"networks/{path}"])
        np.testing.assert_allclose(saved[-1][f"ema/{path}"], mean, rtol=1e-5, atol=1e-7, err_msg=path)


def test_noise_from_training_to_translation(run: Path, picture: Path, tmp_path: Path) -> None:
    """Exported with --noise, one seed gives one picture in any process; another seed another one."""
    file = tmp_path / "noisy.onnx"
    mapgan("export", run, "--out", file, "--noise")
    assert read_card(file).noise
    pictures = {}
    for name, options in (
        ("3", ["--noise", "3"]),
        ("3 again", ["--noise", "3"]),
        ("4", ["--noise", "4"]),
        ("none", []),
    ):
        mapgan("translate", picture, "--generator", file, "--out", tmp_path / f"{name}.png", *options)
        with Image.open(tmp_path / f"{name}.png") as image:
            pictures[name] = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(pictures["3"], pictures["3 again"])
    assert (pictures["3"] != pictures["4"]).any()
    assert (pictures["3"] != pictures["none"]).any()


def test_without_a_seed_the_file_is_the_still_network(run: Path, picture: Path, tmp_path: Path) -> None:
    """BatchNorm with the picture's own statistics, dropout off: to one grey level."""
    mapgan("export", run, "--out", tmp_path / "a.onnx", "--noise", "--precision", "fp32")
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))
    network, _, step = checkpoints.load_generator(run)
    assert step == 6
    with translator(network) as translate:
        expected = np.asarray(translate(pixels[None]))[0]
    found = Generator(tmp_path / "a.onnx", threads=1).translate(pixels)
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
    assert to_unit(found).std() > 0
