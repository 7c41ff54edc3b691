"""Measures of whole sets, similarity at five scales, and intervals: against hand-worked and other code."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
from scipy.ndimage import convolve

from mapgan import metrics
from mapgan.metrics import kernel, wasserstein
from mapgan.metrics.palette import pool_palette
from mapgan.metrics.pixels import pool_pixels


def noise(seed: int, shape: tuple[int, ...] = (3, 32, 32, 3)) -> np.ndarray:
    """Random uint8 pictures."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(seed: int, count: int = 8, side: int = 64) -> np.ndarray:
    """Soft random pictures: noise of a quarter of the size, enlarged."""
    coarse = noise(seed, (count, side // 8, side // 8, 3))
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.mark.parametrize("side", [176, 200])
def test_ms_ssim_against_tensorflow(side: int) -> None:
    """TensorFlow's own, in float32."""
    import tensorflow as tf

    real = smooth(0, 2, side)
    made = np.clip(real.astype(int) + np.random.default_rng(1).integers(-40, 41, real.shape), 0, 255).astype(
        np.uint8
    )
    expected = tf.image.ssim_multiscale(tf.constant(real), tf.constant(made), 255).numpy().mean()
    assert metrics.ms_ssim(real, made) == pytest.approx(float(expected), abs=2e-5)
    assert metrics.ms_ssim(real, real) == pytest.approx(1)


def test_ms_ssim_of_small_pictures_has_fewer_scales() -> None:
    """32 pixels allow two scales, 16 one, which is SSIM; 10 none."""
    real, made = noise(0), noise(0) // 2 + noise(1) // 4
    small = slice(None, 16)
    assert metrics.ms_ssim(real[:, small, small], made[:, small, small]) == pytest.approx(
        metrics.ssim(real[:, small, small], made[:, small, small])
    )
    assert metrics.ms_ssim(real, real) == pytest.approx(1)
    with pytest.raises(ValueError, match="at least 11"):
        metrics.ssim(real[:, :10], made[:, :10])


def test_kid_by_hand() -> None:
    """Features of one number: the kernel is (xy + 1)^3, written out."""
    real, made = np.array([[0.0], [1.0], [2.0]]), np.array([[1.0], [1.0], [0.0]])
    # Within real: 1, 1, 27 of the pairs (0,1) (0,2) (1,2); within made: 8, 1, 1.
    # Between: rows 1 1 1, 8 8 1, 27 27 1; without its diagonal the sum is 65, with it 75.
    paired = (1 + 1 + 27) / 3 + (8 + 1 + 1) / 3 - 2 * 65 / 6
    assert metrics.kid(real, made).value == pytest.approx(paired)
    unpaired = (1 + 1 + 27) / 3 + (8 + 1 + 1) / 3 - 2 * 75 / 9
    assert metrics.kid(real, made, paired=False).value == pytest.approx(unpaired)


@pytest.mark.parametrize("paired", [True, False])
def test_kid_interval_is_the_jackknifes(paired: bool) -> None:
    """From estimates that really leave out one each."""
    random = np.random.default_rng(0)
    real, made = random.normal(size=(7, 5)), random.normal(0.3, 1, size=(7 if paired else 9, 5))
    found = metrics.kid(real, made, paired=paired)

    def estimates(*, of_real: bool, of_made: bool, count: int) -> list[float]:
        return [
            metrics.kid(
                np.delete(real, i, axis=0) if of_real else real,
                np.delete(made, i, axis=0) if of_made else made,
                paired=paired,
            ).value
            for i in range(count)
        ]

    if paired:
        variance = 6 * np.var(estimates(of_real=True, of_made=True, count=7))
    else:
        variance = 6 * np.var(estimates(of_real=True, of_made=False, count=7))
        variance += 8 * np.var(estimates(of_real=False, of_made=True, count=9))
    assert found.high - found.value == pytest.approx(1.959964 * math.sqrt(variance))
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_kid_is_unbiased_and_its_interval_covers() -> None:
    """Two samples of one distribution give 0 on average; 95 % of the intervals hold it, more or less."""
    random = np.random.default_rng(0)
    found = [metrics.kid(random.normal(size=(20, 4)), random.normal(size=(20, 4))) for _ in range(400)]
    values = np.array([kid.value for kid in found])
    assert abs(values.mean()) < 3 * values.std() / math.sqrt(len(values))
    assert np.mean([kid.low <= 0 <= kid.high for kid in found]) > 0.85


def test_the_random_network_is_the_same_everywhere() -> None:
    """Its weights, and what it sees of a picture: a change here would end all comparisons with old values."""
    weights = kernel._network()[0].weights
    assert weights[0, :3].tolist() == pytest.approx([0.009388154, -0.08244893, 0.11700158], rel=1e-5)
    features = kernel.random_features(smooth(3, 1))
    assert features.shape == (1, 960)
    assert features.mean() == pytest.approx(0.44386485, rel=1e-5)
    assert features.std() == pytest.approx(0.15873693, rel=1e-5)


def test_convolution_against_a_plain_one() -> None:
    """The unfolded product is the sum over windows 4x4 of stride 2 with repeated edges."""
    random = np.random.default_rng(0)
    plane = random.normal(size=(8, 6, 3)).astype(np.float32)
    weights = random.normal(size=(48, 5)).astype(np.float32)
    padded = np.pad(plane, ((1, 1), (1, 1), (0, 0)), mode="edge")
    # The order of the rows of `weights`: quarter of the window, row and column inside it, channel.
    kernel_4x4 = weights.reshape(2, 2, 2, 2, 3, 5).transpose(0, 2, 1, 3, 4, 5).reshape(4, 4, 3, 5)
    expected = np.array(
        [
            [np.tensordot(padded[2 * y : 2 * y + 4, 2 * x : 2 * x + 4], kernel_4x4, 3) for x in range(3)]
            for y in range(4)
        ]
    )
    np.testing.assert_allclose(kernel._convolve(plane, weights), expected, rtol=1e-4, atol=1e-4)


def test_kid_and_swd_order_damage() -> None:
    """More blur and more noise are farther off; equal sets are at 0."""
    real = noise(0, (8, 64, 64, 3)) // 4 + smooth(1) // 2
    features = kernel.random_features(real)
    assert metrics.kid(features, features).value == pytest.approx(0, abs=1e-12)
    assert metrics.swd(real, real) == 0
    harm = [real // 8 * 8, real // 32 * 32, real // 128 * 128]
    distances = [metrics.kid(features, kernel.random_features(made)).value for made in harm]
    assert 0 < distances[0] < distances[1] < distances[2]
    patches = [metrics.swd(real, made) for made in harm]
    assert 0 < patches[0] < patches[1] < patches[2]


def test_swd_is_blind_to_tint_as_in_the_paper() -> None:
    """Channels are normalised over the set, so a shift of all values is not seen."""
    real = noise(0, (4, 32, 32, 3)) // 2
    assert metrics.swd(real, real + 40) == pytest.approx(0, abs=0.01)
    assert metrics.swd(real, noise(1, (6, 32, 32, 3)) // 2) > 0
    with pytest.raises(ValueError, match="at least 16"):
        metrics.swd(real[:, :8, :8], real[:, :8, :8])


def test_laplacian_pyramid_against_scipy() -> None:
    """The filters of the published code, by scipy; and the levels add up to the picture again."""
    picture = noise(0, (64, 64, 3)).astype(np.float32)
    fine, middle, coarse = wasserstein._pyramid(picture)
    row = np.array([1, 4, 6, 4, 1]) / 16
    mask = (row[:, None] * row[None, :])[:, :, None]
    smaller = convolve(picture.astype(float), mask, mode="mirror")[::2, ::2]
    enlarged = np.zeros_like(picture, float)
    enlarged[::2, ::2] = smaller
    np.testing.assert_allclose(fine, picture - 4 * convolve(enlarged, mask, mode="mirror"), atol=1e-3)
    back = middle + wasserstein._enlarge(coarse, middle.shape)
    np.testing.assert_allclose(fine + wasserstein._enlarge(back, fine.shape), picture, atol=1e-3)
    assert coarse.shape == (16, 16, 3)


def test_one_dimension_of_swd_by_hand() -> None:
    """Sorted values 0 2 and 1 5 are 1 and 3 apart, along a direction of length 1: its part of them."""
    first, second = np.array([[2.0, 0], [0, 0]], np.float32), np.array([[1.0, 0], [5, 0]], np.float32)
    distance = wasserstein._distance(first, second, 0)
    assert distance == pytest.approx(2 * 2 / math.pi, rel=0.05)  # the mean |cos| of directions in a plane


def test_frechet_distance() -> None:
    """By hand in one dimension, by scipy's matrix root in five, and with more features than pictures."""
    real, made = np.array([[0.0], [2.0]]), np.array([[1.0], [7.0]])
    assert metrics.frechet_distance(real, made) == pytest.approx(
        (4 - 1) ** 2 + (math.sqrt(18) - math.sqrt(2)) ** 2
    )
    random = np.random.default_rng(0)
    for count in (40, 4):
        real, made = random.normal(size=(count, 5)), random.normal(1, 2, size=(count + 3, 5))
        covariances = np.cov(real, rowvar=False), np.cov(made, rowvar=False)
        # Singular covariances have an exact root only in the limit.
        root = scipy.linalg.sqrtm(covariances[0] @ covariances[1] + 1e-12 * np.eye(5)).real
        expected = np.square(real.mean(0) - made.mean(0)).sum()
        expected += np.trace(covariances[0] + covariances[1] - 2 * root)
        assert metrics.frechet_distance(real, made) == pytest.approx(float(expected), rel=1e-4)
        assert metrics.frechet_distance(real, real) == pytest.approx(0, abs=1e-9)


@pytest.mark.slow
def test_fid_with_weights_from_a_file(tmp_path: Path) -> None:
    """A random Inception's weights in the format of the published file; a foreign file is refused."""
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    keras.utils.set_random_seed(0)
    network = keras.applications.InceptionV3(include_top=False, weights=None, pooling="avg")
    foreign = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    for name, source in (("notop.h5", network), ("other.h5", foreign)):
        with h5py.File(tmp_path / name, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, source)
    real, made = noise(0, (2, 299, 299, 3)), noise(1, (2, 299, 299, 3)) // 2
    inception = metrics.Inception(tmp_path / "notop.h5")
    features = inception.features(real)
    expected = network(real / np.float32(127.5) - 1, training=False)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-6)
    distance = metrics.frechet_distance(features, inception.features(made))
    measured = metrics.measure(real, made, maps=False, inception=inception)
    assert measured.values["fid_keras_inception"] == pytest.approx(distance) != 0
    (tmp_path / "text.h5").write_text("not weights")
    for name in ("text.h5", "other.h5", "missing.h5"):
        with pytest.raises(metrics.InceptionError, match=name):
            metrics.Inception(tmp_path / name)


def test_intervals_are_those_of_drawn_tiles() -> None:
    """RMSE and mIoU of 1,000 sets of tiles drawn again, measured from their pixels."""
    real = smooth(0, 5, 32)
    made = real // 2 + smooth(1, 5, 32) // 2
    drawn = np.random.RandomState(0).randint(0, 5, (1000, 5))
    for name, again in (
        ("rmse", metrics.rmse),
        ("palette_miou", lambda r, m: metrics.palette_scores(r, m).mean_iou),
    ):
        pooled = (pool_pixels(real, made) | pool_palette(real, made))[name]
        values = [again(real[tiles], made[tiles]) for tiles in drawn]
        assert pooled.interval() == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
        assert pooled.interval()[0] < pooled.value < pooled.interval()[1]


def test_measure_has_what_the_registry_says() -> None:
    """Every value has its row, lies in its range, and its interval around it."""
    real, made = noise(0, (4, 32, 32, 3)), noise(1, (4, 32, 32, 3))
    for maps in (True, False):
        found = metrics.measure(real, made, maps=maps)
        numbers = {name for name, value in found.values.items() if isinstance(value, float)}
        expected = {
            name
            for name, row in metrics.MEASURES.items()
            if name != "fid_keras_inception" and row.only in ("", "map" if maps else "aerial")
        }
        assert numbers - {"sharpness"} == expected
        for name in expected:
            assert metrics.MEASURES[name].low <= found.values[name] <= metrics.MEASURES[name].high
        assert set(found.intervals) == numbers - {"swd"}
        for name, (low, high) in found.intervals.items():
            assert low <= found.values[name] <= high or name == "spectrum_distance"
    assert metrics.MEASURES["acc5"].text(0.19) == "19.0"
    assert metrics.MEASURES["psnr"].text(math.inf) == metrics.MEASURES["psnr"].text(None) == "-"


def test_sets_that_are_no_pairs() -> None:
    """Numbers may differ, and nothing that needs a counterpart is there."""
    found = metrics.measure(noise(0, (4, 32, 32, 3)), noise(1, (3, 32, 32, 3)), maps=True, paired=False)
    assert set(found.values) == {
        "images", "spectrum_distance", "sharpness", "sharpness_ratio", "swd", "kid_random_cnn",
    }  # fmt: skip
    assert set(found.intervals) == {"kid_random_cnn"}
    for first, second in itertools.permutations([noise(0), noise(1)[:, :16]]):
        with pytest.raises(ValueError, match="cannot compare"):
            metrics.measure(first, second, maps=False, paired=False)


def test_the_document_lists_every_measure() -> None:
    """Name, key, direction and both sentences, as the registry has them."""
    document = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    for row in metrics.MEASURES.values():
        better = "nearest 1" if row.better == "one" else row.better
        start, end = (
            f"| {row.title} | `{row.name}` |",
            f"| {better} | {row.unit or '-'} | {row.sees} | {row.misses} |",
        )
        assert any(line.startswith(start) and line.endswith(end) for line in document.splitlines()), row.name
