"""A generator file translates any size into exactly that size, or says why not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mapgan.inference import Generator, InferenceError
from tests.mapgan.generators import FLIP, make_generator

ROOT = Path(__file__).parents[2]
RESNET = {"architecture": "resnet_9", "side_multiple": 4, "window": 512}


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "negative.onnx"


@pytest.mark.parametrize(
    ("height", "width", "passes"),
    [(16, 16, 1), (20, 256, 1), (256, 256, 1), (257, 256, 2), (600, 600, 9), (40, 700, 4), (1000, 300, 10)],
)
def test_unet_gives_back_the_size(path, height, width, passes):
    make_generator(path)
    generator = Generator(path, threads=1)
    image = picture(height, width)
    result = generator.translate(image)
    assert result.shape == image.shape
    assert result.dtype == np.uint8
    assert result.flags.c_contiguous
    assert np.abs(result.astype(int) - (255 - image.astype(int))).max() <= 1
    assert generator.windows(height, width) == passes


@pytest.mark.parametrize(
    ("height", "width", "passes"), [(17, 33, 1), (513, 511, 1), (600, 600, 1), (30, 900, 1), (900, 700, 4)]
)
def test_resnet_takes_whole_images_where_it_can(path, height, width, passes):
    make_generator(path, **RESNET)
    generator = Generator(path, threads=1)
    image = picture(height, width)
    assert np.abs(generator.translate(image).astype(int) - (255 - image.astype(int))).max() <= 1
    assert generator.windows(height, width) == passes


def test_progress_runs_from_zero_to_one(path):
    make_generator(path)
    generator = Generator(path, threads=1)
    for size, steps in ((256, 2), (600, 10)):
        shares: list[float] = []
        generator.translate(picture(size, size), on_progress=shares.append)
        assert len(shares) == steps
        assert shares[0] == 0
        assert shares[-1] == 1
        assert shares == sorted(shares)


def test_cancelling_ends_the_work_between_windows(path):
    class CancelledError(Exception):
        pass

    shares: list[float] = []

    def cancel(share: float) -> None:
        shares.append(share)
        if share > 0.3:
            raise CancelledError

    make_generator(path)
    generator = Generator(path, threads=1)
    with pytest.raises(CancelledError):
        generator.translate(picture(600, 600), on_progress=cancel)
    assert shares[-1] < 0.5
    assert generator.translate(picture(20, 20)).shape == (20, 20, 3)  # it still works


def test_batches_change_nothing(path):
    make_generator(path, brighten=True)
    generator = Generator(path, threads=1)
    image = picture(600, 700)
    np.testing.assert_array_equal(generator.translate(image), generator.translate(image, batch=4))


def test_noise_follows_the_seed(path):
    make_generator(path, noise=True)
    generator = Generator(path, threads=1)
    image = picture(400, 400)
    still = generator.translate(image)
    assert np.abs(still.astype(int) - (255 - image.astype(int))).max() <= 1
    first, again, other = (generator.translate(image, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, generator.translate(image, seed=1, batch=3))
    assert (first != other).any()
    assert (first != still).any()


def test_without_noise_a_seed_changes_nothing(path):
    make_generator(path)
    generator = Generator(path, threads=1)
    np.testing.assert_array_equal(
        generator.translate(picture(64, 64), seed=5), generator.translate(picture(64, 64))
    )


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((20, 20), np.uint8),
        np.zeros((20, 20, 4), np.uint8),
        np.zeros((20, 20, 3)),
        np.zeros((0, 20, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(path, image):
    make_generator(path)
    with pytest.raises(ValueError, match="uint8"):
        Generator(path, threads=1).translate(image)


def test_broken_files(path, tmp_path):
    with pytest.raises(InferenceError, match="cannot be read"):
        Generator(tmp_path / "missing.onnx")
    path.write_bytes(b"not a model")
    with pytest.raises(InferenceError, match="cannot be used"):
        Generator(path)
    make_generator(path, hash_of="1" * 64)
    with pytest.raises(InferenceError, match="weights"):
        Generator(path)
    make_generator(path)
    kernel = FLIP.tobytes()
    path.write_bytes(path.read_bytes().replace(kernel, (FLIP * 2).tobytes()))  # one weight changed
    with pytest.raises(InferenceError, match="weights"):
        Generator(path)
    make_generator(path)
    path.write_bytes(path.read_bytes().replace(b"MatMul", b"MatMix"))
    with pytest.raises(InferenceError, match="broken"):
        Generator(path)
    make_generator(path)
    path.write_bytes(path.read_bytes().replace(b"translated", b"translatex"))
    with pytest.raises(InferenceError, match="graph"):
        Generator(path)
    make_generator(path, noise=True)
    path.write_bytes(path.read_bytes().replace(b'{"mask": [4, 8', b'{"mask": [0, 8'))
    with pytest.raises(InferenceError, match="noise"):
        Generator(path)


def test_a_failing_run_is_an_inference_error(path):
    make_generator(path)
    generator = Generator(path, threads=1)
    generator._session = type("Session", (), {"run": lambda *_: (np.zeros((1, 2, 2, 3), np.float32),)})()
    with pytest.raises(InferenceError, match="another size"):
        generator.translate(picture(20, 20))


def test_serving_loads_no_training_framework(path):
    """What the workers and the web process import, seen from a fresh interpreter."""
    make_generator(path)
    code = (
        "import sys, numpy; from mapgan.inference import Generator;"
        "Generator(sys.argv[1]).translate(numpy.zeros((20, 20, 3), 'uint8'));"
        "heavy = {'tensorflow', 'keras', 'jax', 'onnx', 'django', 'torch'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
    code = (
        "import sys, mapgan.card, mapgan.imageio;"
        "print(sorted({'onnxruntime', 'onnx', 'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
