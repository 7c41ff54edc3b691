"""Made-up pairs on disk for the tests of training: no real imagery."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

REAL_MAPS = Path(__file__).parents[2] / ".." / "shared" / "data" / "maps"
"""The real tiles, which are not part of the repository; tests that need them skip without."""


def write_maps(folder: Path, count: int, *, side: int = 40, suffix: str = ".png", seed: int = 0) -> Path:
    """``count`` pictures of two halves: left all reds (A), right all blues (B), the number in green."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for index in range(1, count + 1):
        picture = np.zeros((side, 2 * side, 3), np.uint8)
        picture[:, :side, 0] = rng.integers(100, 256, (side, side))
        picture[:, side:, 2] = rng.integers(100, 256, (side, side))
        picture[..., 1] = index
        Image.fromarray(picture).save(folder / f"{index}{suffix}")
    return folder
