"""The committed sample maps are what the script draws, small, and in the style of the training maps."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mapgan.imageio import decode
from mapgan.metrics import PALETTE, classify
from scripts.draw_sample_maps import FOLDER, TOWNS
from scripts.townmap import Grid, Town, beside, smooth

NAMES = [town.__name__.replace("_", "-") for town in TOWNS]


def test_every_town_is_committed_and_nothing_else():
    assert sorted(path.stem for path in FOLDER.glob("*.png")) == sorted(NAMES)


@pytest.mark.parametrize("town", TOWNS, ids=NAMES)
def test_the_script_draws_the_committed_file(town):
    path = FOLDER / f"{town.__name__.replace('_', '-')}.png"
    assert path.stat().st_size < 150 * 1024
    committed = decode(path.read_bytes()).rgb
    drawn = np.asarray(town().render())
    assert committed.shape == drawn.shape
    # Its palette may move colours a little, soft edges above all.
    difference = np.abs(committed.astype(int) - drawn)
    assert difference.mean() < 0.5
    assert difference.max() < 24
    np.testing.assert_array_equal(np.asarray(town().render()), drawn)


@pytest.mark.parametrize("name", NAMES)
def test_the_colours_are_those_of_the_training_maps(name):
    picture = decode((FOLDER / f"{name}.png").read_bytes()).rgb
    classes = classify(picture)
    colours = np.array(list(PALETTE.values()))
    distance = np.abs(picture.astype(int) - colours[classes]).max(axis=-1)
    assert (distance < 16).mean() > 0.9
    shares = {colour: (classes == index).mean() for index, colour in enumerate(PALETTE)}
    assert shares["land"] > 0.1
    assert shares["street"] > 0.05


def test_houses_keep_off_streets_and_areas():
    town = Town(200, 1)
    town.grid(Grid((100, 100), 10, 90, 70))
    town.area([(0, 0), (100, 0), (100, 200), (0, 200)])
    for outline in town._free_houses():
        assert all(x > 99 for x, _ in outline)


def test_curves_go_through_their_points_and_beside_keeps_its_distance():
    points = [(0.0, 0.0), (50.0, 10.0), (90.0, 80.0)]
    curve = smooth(points)
    for x, y in points:
        assert min(np.hypot(x - a, y - b) for a, b in curve) < 1e-9
    line = [(0.0, 0.0), (10.0, 0.0), (20.0, 0.0)]
    assert beside(line, 5) == [(0, 5), (10, 5), (20, 5)]


def test_the_script_saves_rgb_that_browsers_show():
    for path in FOLDER.glob("*.png"):
        with Image.open(path) as image:
            assert image.size in {(600, 600), (1024, 1024)}
            assert not image.info.get("transparency")
