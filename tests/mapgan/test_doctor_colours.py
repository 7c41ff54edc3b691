"""Halves in the wrong colours, among halves of two kinds of ground."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mapgan.doctor.colours import LEAST, exchanged, inverted
from mapgan.doctor.examine import examine
from mapgan.doctor.looks import thirds
from mapgan.doctor.report import Finding
from tests.mapgan import faults

SIDE = 48


def ground(rng: np.random.Generator, *, water: bool) -> np.ndarray:
    """Land is warm where it is bright and green in between, water dark and blue-green: ``(s, s, 3)``."""
    bright = rng.random((SIDE, SIDE, 1)) * rng.uniform(0.8, 1.2)
    colour = (20, 34, 30) if water else (30, 32, 34)
    light = (14, 16, 18) if water else (150, 138, 118)
    noise = rng.normal(0, 3, (SIDE, SIDE, 3)) + rng.normal(0, 2, 3)
    return np.clip(np.array(colour) + bright * np.array(light) + noise, 0, 255).astype(np.uint8)


def write_ground(folder: Path, count: int) -> list[Path]:
    """Pairs of a ground, every third of water, and a drawing that is everywhere the same in its colours."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        rng = np.random.default_rng(number)
        drawn = np.full((SIDE, SIDE, 3), (233, 229, 223), np.uint8)
        drawn[rng.integers(4, 40) :, :6] = (255, 255, 255)
        drawn[:8] = rng.integers(0, 3, (8, SIDE, 1)) * 40 + 100
        paths.append(folder / f"{number}.png")
        faults.write(paths[-1], np.concatenate([ground(rng, water=number % 3 == 0), drawn], axis=1))
    return paths


def told(folder: Path) -> dict[str, Finding]:
    """What is said of colours, by tile."""
    return {each.tiles[0]: each for each in examine(folder).findings if each.kind == "colour_outlier"}


@pytest.mark.parametrize(
    ("plant", "looks"),
    [
        (faults.channels_exchanged, "exchanged"),
        (faults.inverted, "inverted"),
        (faults.tinted, "unusual"),
        (faults.overexposed, "unusual"),
    ],
)
def test_wrong_colours_are_named(tmp_path: Path, plant: Callable[[Path, int], None], looks: str) -> None:
    """Of land and of water, though the one half of the set is no mean of the other."""
    paths = write_ground(tmp_path, 90)
    for number in (10, 12):
        plant(paths[number], 2)
    found = {tile: each for tile, each in told(tmp_path).items() if each.values["half"] == "A"}
    assert set(found) >= {"10", "12"}
    assert {found["10"].values["looks"], found["12"].values["looks"]} == {looks}
    assert found["10"].severity == "warning"
    assert len(found) <= 4


def test_grey_sets_and_small_ones_are_left_alone(tmp_path: Path) -> None:
    paths = write_ground(tmp_path / "few", LEAST - 1)
    faults.inverted(paths[3], 0)
    assert told(tmp_path / "few") == {}
    for index, path in enumerate(write_ground(tmp_path / "grey", LEAST + 20)):
        faults.grey_in_colour(path, 2 * index + 1)
    assert not {each.values["looks"] for each in told(tmp_path / "grey").values()} - {"unusual"}


def test_changed_figures_are_those_of_changed_pictures() -> None:
    """Nobody needs the picture again to know what it would look like."""
    picture = ground(np.random.default_rng(0), water=False)
    figures = thirds(picture)[None]
    np.testing.assert_allclose(exchanged(figures)[0], thirds(picture[..., ::-1]), atol=1e-9)
    np.testing.assert_allclose(inverted(figures)[0], thirds(255 - picture), atol=0.5)
    dark, middle, light = figures[0, :3]
    assert dark < middle < light
