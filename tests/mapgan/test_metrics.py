"""The measures against hand-worked numbers and scikit-image."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage import metrics as reference

from mapgan import metrics


def noise(seed: int, shape: tuple[int, ...] = (3, 32, 32, 3)) -> np.ndarray:
    """Random uint8 pictures."""
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def flat(*colour: int, side: int = 16, count: int = 1) -> np.ndarray:
    """Pictures of one colour."""
    return np.broadcast_to(np.array(colour, np.uint8), (count, side, side, 3)).copy()


def test_distances_by_hand() -> None:
    """Two pictures, errors of 3 and 4 in every value: pooled, not averaged by picture."""
    real = np.concatenate([flat(10, 10, 10), flat(250, 250, 250)])
    made = np.concatenate([flat(13, 13, 13), flat(246, 246, 246)])
    assert metrics.l1(real, made) == 3.5
    assert metrics.rmse(real, made) == pytest.approx(math.sqrt(12.5))
    assert metrics.psnr(real, made) == pytest.approx(20 * math.log10(255 / math.sqrt(12.5)))
    assert metrics.psnr(real, real) == math.inf


def test_distances_do_not_wrap_around() -> None:
    """0 and 255 are 255 apart although both are uint8."""
    assert metrics.l1(flat(0, 0, 0), flat(255, 255, 255)) == 255
    assert metrics.rmse(flat(255, 0, 255), flat(0, 255, 0)) == 255


def test_against_ten_lines_of_numpy() -> None:
    """RMSE and both accuracies over everything at once."""
    real = noise(0)
    made = np.clip(real.astype(int) + np.random.default_rng(1).integers(-12, 13, real.shape), 0, 255).astype(
        np.uint8
    )
    difference = np.abs(real.astype(float) - made.astype(float))
    assert metrics.rmse(real, made) == pytest.approx(np.sqrt((difference**2).mean()), rel=1e-12)
    for threshold in (5, 10):
        assert metrics.accuracy(real, made, threshold) == (difference.max(-1) < threshold).mean()


def test_accuracy_is_strict_and_takes_the_worst_channel() -> None:
    """A difference of 5 is not below 5; one bad channel spoils the pixel."""
    real = flat(100, 100, 100)
    assert metrics.accuracy(real, flat(104, 96, 100), 5) == 1
    assert metrics.accuracy(real, flat(105, 100, 100), 5) == 0
    assert metrics.accuracy(real, flat(105, 100, 100), 10) == 1


def test_psnr_and_ssim_against_scikit_image() -> None:
    """One picture each, noisy and shifted."""
    real = noise(3, (1, 48, 40, 3))
    for made in (np.roll(real, 1, axis=2), (real // 2 + 60).astype(np.uint8)):
        assert metrics.psnr(real, made) == pytest.approx(
            reference.peak_signal_noise_ratio(real[0], made[0], data_range=255)
        )
        expected = reference.structural_similarity(
            real[0], made[0], channel_axis=-1, data_range=255,
            gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )  # fmt: skip
        assert metrics.ssim(real, made) == pytest.approx(expected, abs=1e-9)
    assert metrics.ssim(real, real) == pytest.approx(1)


def test_palette_classes() -> None:
    """Each colour is its own class, and a near one belongs to the nearest."""
    colours = np.array(list(metrics.PALETTE.values()), np.uint8)
    assert metrics.classify(colours).tolist() == list(range(len(colours)))
    names = list(metrics.PALETTE)
    near = np.array([(180, 205, 250), (240, 150, 50), (255, 255, 255), (200, 220, 180)], np.uint8)
    assert [names[index] for index in metrics.classify(near)] == ["water", "motorway", "street", "park"]


def test_palette_classes_are_the_nearest_colours() -> None:
    """The expanded square gives the same as the distances themselves."""
    pixels = noise(5, (500, 3))
    distances = [[math.dist(p, c) for c in metrics.PALETTE.values()] for p in pixels.astype(float)]
    assert metrics.classify(pixels).tolist() == np.argmin(distances, axis=1).tolist()


def test_palette_scores_by_hand() -> None:
    """Half land, half water, made as all land: IoU 1/2 and 0, and classes that never occur do not count."""
    real = flat(*metrics.PALETTE["land"], side=16)
    real[:, :, 8:] = metrics.PALETTE["water"]
    scores = metrics.palette_scores(real, flat(*metrics.PALETTE["land"], side=16))
    assert scores.accuracy == 0.5
    assert scores.iou == {"land": 0.5, "water": 0.0}
    assert scores.mean_iou == 0.25
    assert metrics.palette_scores(real, real).mean_iou == 1


def test_sharpness_by_hand() -> None:
    """One bright pixel in a 5x5 grey: |-4| and four times |1| over nine inner pixels."""
    picture = np.full((1, 5, 5, 3), 100, np.uint8)
    assert metrics.sharpness(picture) == pytest.approx(0, abs=1e-9)
    picture[0, 2, 2] = 110
    assert metrics.sharpness(picture) == pytest.approx(10 * 8 / 9)
    green = np.zeros((1, 5, 5, 3), np.uint8)
    green[0, 2, 2, 1] = 10
    assert metrics.sharpness(green) == pytest.approx(0.587 * 10 * 8 / 9)


def test_spectrum_finds_the_frequency() -> None:
    """A wave of 8 periods peaks in ring 8; a checkerboard lifts the last ring."""
    side = 64
    wave = np.rint(127.5 + 100 * np.sin(2 * np.pi * 8 * np.arange(side) / side)).astype(np.uint8)
    picture = np.broadcast_to(wave[None, None, :, None], (1, side, side, 3))
    rings = metrics.spectrum(picture)
    assert rings.shape == (32,)
    assert rings.argmax() + 1 == 8
    smooth = noise(0, (2, side, side, 3)) // 4 + 96
    board = smooth + 20 * (np.indices((side, side))[1] % 2).astype(np.uint8)[None, :, :, None]
    assert metrics.spectrum_distance(smooth, smooth) == 0
    assert metrics.spectrum(board)[-1] > 4 * metrics.spectrum(smooth)[-1]
    assert metrics.spectrum_distance(smooth, board) > 0
    with pytest.raises(ValueError, match="square"):
        metrics.spectrum(noise(0, (1, 32, 30, 3)))


def test_median_colour() -> None:
    """By channel, over all pictures, as NumPy's lower median."""
    pictures = noise(0, (3, 9, 9, 3))
    assert metrics.median_colour(pictures).tolist() == np.median(pictures.reshape(-1, 3), axis=0).tolist()


def test_evaluate() -> None:
    """Perfect work is perfect in all of them; palette measures are for maps."""
    real = noise(0, (2, 32, 32, 3))
    perfect = metrics.evaluate(real, real, maps=True)
    assert perfect["images"] == 2
    assert {perfect[name] for name in ("l1", "rmse", "spectrum_distance")} == {0}
    assert {perfect[name] for name in ("acc5", "acc10", "sharpness_ratio", "palette_miou")} == {1}
    assert "palette_miou" not in metrics.evaluate(real, real, maps=False)
    with pytest.raises(ValueError, match="cannot compare"):
        metrics.evaluate(real, real[:1], maps=True)
    with pytest.raises(ValueError, match="cannot compare"):
        metrics.evaluate(real[:0], real[:0], maps=True)
