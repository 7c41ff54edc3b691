"""What is measured on which tiles: unpaired sets, data without training pictures, damaged candidates."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mapgan.ranking import kept, ranking_key
from mapgan.scoring import evaluate
from mapgan.scoring.candidates import Candidate, Translate
from mapgan.scoring.tiles import open_tiles
from tests.mapgan.test_traindata import config

SIDE = 32


def candidate(name: str, translate: Translate, *, direction: str = "sat2map") -> Candidate:
    """One that needs no network."""

    @contextmanager
    def opened() -> Iterator[Translate]:
        yield translate

    return Candidate(name, "generator", name, None, direction, SIDE, opened)


def write(folder: Path, count: int, *, low: int, high: int, seed: int = 0) -> None:
    """Pictures 1.png ... of noise between two levels."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(1, count + 1):
        picture = rng.integers(low, high, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")


@pytest.mark.parametrize("direction", ["sat2map", "map2sat"])
def test_unpaired_sets_rank_by_texture(tmp_path: Path, direction: str) -> None:
    """Neither direction has a measure of pairs then; the one whose set looks like the targets is the best."""
    for split in ("train", "test"):
        write(tmp_path / f"{split}A", 3, low=0, high=120)
        write(tmp_path / f"{split}B", 4, low=100, high=220, seed=1)
    towards = 100 if direction == "sat2map" else -100
    far = candidate("far", lambda pictures: pictures // 8 + 20, direction=direction)
    near = candidate(
        "near", lambda pictures: (pictures.astype(int) + towards).astype(np.uint8), direction=direction
    )
    with open_tiles(tmp_path) as source:
        result = evaluate([far, near], source)
    assert [row.name for row in result.rows[direction][:2]] == ["near", "far"]
    assert result.best(direction).measured.values.get("rmse") is None
    assert result.rule(direction).startswith("KID")


def test_retention_keeps_the_best_of_unpaired_maps() -> None:
    """By the texture; of two that are equal the earlier, as the ranking has it."""
    measures = {
        step: {"sat2map": {"kid_random_cnn": value, "swd": 5.0}}
        for step, value in ((1, 0.3), (2, 0.1), (3, 0.1), (4, 0.2))
    }
    settings = config(keep_checkpoints=1, keep_best=1, keep_every=0, direction="sat2map")
    assert kept(range(1, 6), measures, settings) == {2, 5}
    keys = [ranking_key(measures[step]["sat2map"], maps=True) for step in (1, 4, 2)]
    assert keys == sorted(set(keys))
