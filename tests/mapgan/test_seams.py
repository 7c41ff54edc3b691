"""Joints hide a step in brightness and keep the detail; the score sees the seams that are planted."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mapgan.inference import Generator
from mapgan.seams import SeamMeter, cheapest_paths, join, raised_cosine, seam_score
from mapgan.tiling import plan_axis, translate_bands

ROOT = Path(__file__).parents[2]
rng = np.random.default_rng(0)
ROUGH = rng.integers(100, 110, (256, 640, 3), dtype=np.uint8)


def test_seam_score_of_straight_borders():
    image = ROUGH[:90, :120]
    assert seam_score(image, [30, 60], [40, 80]) == pytest.approx(1, abs=0.1)
    stepped = image.copy()
    stepped[:, 40:80] += 30
    assert seam_score(stepped, [], [40, 80]) > 5
    assert seam_score(stepped, [30, 60], []) == pytest.approx(1, abs=0.2)
    slight = image.copy()
    slight[:, 40:80] += 4  # what an eye sees only just
    assert seam_score(slight, [], [40, 80]) > 1.2
    blurred = image.copy()
    blurred[:, 38:42] = 105
    assert seam_score(blurred, [], [40]) < 0.5
    assert seam_score(image, [], []) == 1
    flat = np.zeros((20, 20, 3), np.uint8)
    assert seam_score(flat, [10], [10]) == 1
    flat[10:] = 9
    assert seam_score(flat, [10], []) == np.inf


def test_the_meter_follows_crooked_borders_and_needs_no_whole_image():
    owners = (np.arange(640) + 3 * np.arange(256)[:, None] > 700).astype(np.uint16)
    image = ROUGH + 20 * owners[..., None].astype(np.uint8)
    scores = []
    for step in (256, 7):
        meter = SeamMeter()
        for top in range(0, 256, step):
            meter.add(image[top : top + step], owners[top : top + step])
        scores.append(meter.score)
    assert scores[0] == pytest.approx(scores[1])
    assert scores[0] > 3
    assert seam_score(image, [128], [320]) < 1.2  # straight lines miss most of it


@settings(deadline=None, max_examples=30)
@given(height=st.integers(1, 6), columns=st.integers(1, 5), seed=st.integers(0, 99))
def test_no_path_is_cheaper(height, columns, seed):
    cost = np.random.default_rng(seed).random((2, height, columns)).astype(np.float32)
    for one, path in zip(cost, cheapest_paths(cost), strict=True):
        assert (np.abs(np.diff(path)) <= 1).all()
        best = min(
            sum(one[row, column] for row, column in enumerate(columns_))
            for columns_ in itertools.product(range(columns), repeat=height)
            if all(abs(b - a) <= 1 for a, b in itertools.pairwise(columns_))
        )
        assert sum(one[row, column] for row, column in enumerate(path)) == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize("overlap", [2, 4, 10, 64])
def test_equal_paintings_are_joined_to_themselves(overlap):
    picture = rng.uniform(-1, 1, (3, 40, overlap, 3)).astype(np.float32)
    joined, takes_first = join(picture, picture)
    np.testing.assert_allclose(joined, picture, atol=1e-6)
    assert takes_first[:, :, 0].all()
    assert not takes_first[:, :, -1].any()


def test_a_step_becomes_a_raised_cosine():
    dark, light = np.zeros((1, 30, 64, 3), np.float32), np.full((1, 30, 64, 3), 0.5, np.float32)
    joined, _ = join(dark, light)
    np.testing.assert_allclose(joined[0, 5, :, 1], 0.5 * raised_cosine(64), atol=1e-6)


def test_detail_is_not_averaged():
    first, second = rng.normal(0, 0.3, (2, 2, 60, 64, 3)).astype(np.float32)
    joined, takes_first = join(first, second)
    assert joined.std() > 0.97 * first.std()
    half = (first + second) / 2
    assert half.std() < 0.75 * first.std()
    away = np.where(takes_first[..., None], first, second)
    assert np.abs(joined - away).mean() < 0.05


def test_a_border_goes_around_what_differs():
    """Both agree but for a block in the middle, which lies wholly in one of the two."""
    first = rng.normal(0, 0.3, (1, 80, 64, 3)).astype(np.float32)
    second = first.copy()
    second[:, 20:60, 20:44] += rng.normal(0, 0.6, (1, 40, 24, 3))
    _, takes_first = join(first, second)
    block = takes_first[0, 20:60, 20:44]
    assert block.mean() < 0.05 or block.mean() > 0.95


def test_joints_hide_a_step_that_hard_borders_show():
    """Windows that differ in brightness: side by side they score high, joined near one."""

    def uneven(windows):
        uneven.calls += 1
        return (windows.astype(np.float32) + 12 * (uneven.calls % 2)) / 127.5 - 1

    scores = {}
    for overlap in (0, 64):
        uneven.calls = 0
        bands = list(translate_bands(ROUGH, uneven, window=256, overlap=overlap))
        result = np.rint((np.concatenate([band.pixels for band in bands]) + 1) * 127.5).astype(np.uint8)
        meter = SeamMeter()
        meter.add(result, np.concatenate([band.owners for band in bands]))
        scores[overlap] = meter.score
        cuts = plan_axis(640, 256, overlap).cuts
        assert seam_score(result, [], cuts) == pytest.approx(meter.score, rel=0.3)
    assert scores[0] > 3
    assert scores[64] == pytest.approx(1, abs=0.15)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pix2pix-map2sat", "pix2pix-sat2map", "cyclegan-map2sat"])
def test_the_bundled_generators_join_within_ten_per_cent(name):
    """Must show: on a map of several windows the borders change as the interior does."""
    sample = "metropolis.png" if name.endswith("map2sat") else "satellite/canal-quarter.png"
    with Image.open(ROOT / "samples" / sample) as picture:
        image = np.asarray(picture.convert("RGB"))
    image = np.tile(image, (4, 4, 1))[:1500, :1500]
    generator = Generator(ROOT / "generators" / f"{name}.onnx", threads=2)
    _, report = generator.translate_with_report(image)
    assert report.windows > 10
    assert report.seam_score == pytest.approx(1, abs=0.1)
