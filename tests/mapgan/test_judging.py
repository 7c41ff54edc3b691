"""Which checkpoint is the better one, and the measures it is told by."""

from __future__ import annotations

import json

import numpy as np

from mapgan.judging import judge
from mapgan.ranking import passes_guard, ranking_key


def noise(seed: int, count: int = 3) -> np.ndarray:
    """Random uint8 pictures."""
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_judge_gives_finite_numbers() -> None:
    """A perfect generator has no finite PSNR; what is left goes into JSON as it is."""
    targets = noise(0)
    perfect = judge(lambda pictures: pictures, targets, targets, maps=True)
    assert perfect["palette_miou"] == perfect["acc5"] == 1
    assert "psnr" not in perfect
    assert json.loads(json.dumps(perfect, allow_nan=False)) == perfect
    worse = judge(lambda pictures: pictures // 2, targets, targets, maps=True)
    assert ranking_key(perfect, maps=True) > ranking_key(worse, maps=True)


def test_maps_rank_by_classes_then_pixels() -> None:
    """A lower RMSE does not help a map without streets."""
    flat = {"palette_miou": 0.1, "acc5": 0.36, "rmse": 19.0}
    streets = {"palette_miou": 0.3, "acc5": 0.2, "rmse": 25.0}
    assert ranking_key(streets, maps=True) > ranking_key(flat, maps=True)
    assert ranking_key(streets | {"acc5": 0.3}, maps=True) > ranking_key(streets, maps=True)
    assert ranking_key({}, maps=True) < ranking_key(flat, maps=True)


def test_photographs_rank_by_texture_behind_the_guard() -> None:
    """The best texture in the wrong place loses to a plain one in the right place."""
    wrong = {"kid_random_cnn": 0.01, "swd": 5.0, "psnr": 11.0, "psnr_other": 12.0}
    plain = {"kid_random_cnn": 0.09, "swd": 9.0, "psnr": 13.0, "psnr_other": 12.0}
    assert (passes_guard(wrong), passes_guard(plain)) == (False, True)
    assert ranking_key(plain, maps=False) > ranking_key(wrong, maps=False)
    assert ranking_key(plain | {"kid_random_cnn": 0.02}, maps=False) > ranking_key(plain, maps=False)
    assert ranking_key(plain | {"swd": 8.0}, maps=False) > ranking_key(plain, maps=False)


def test_a_generator_that_ignores_its_input_fails_the_guard() -> None:
    """Real targets of other tiles have a perfect texture, and lie as far off as others do."""
    targets = noise(1, 4)
    queue = iter(np.roll(targets, 1, axis=0))
    measured = judge(lambda _: next(queue)[None], noise(2, 4), targets, maps=False)
    assert measured["psnr"] == measured["psnr_other"]
    assert not passes_guard(measured)
    assert judge(lambda p: p, targets, (targets // 4 * 4), maps=False)["psnr"] > measured["psnr_other"]
