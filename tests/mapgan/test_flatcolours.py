"""Common colours of maps are found in spite of compression, and what is near to one becomes it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mapgan.flatcolours import APART, NEAR, Colour, common_colours, flatten, from_text, to_text

LAND, HOUSE, WATER = (233, 229, 223), (243, 239, 234), (177, 208, 254)


def _drawn(rng: np.random.Generator, shares: dict[Colour, float], side: int = 200) -> npt.NDArray[np.uint8]:
    """Pixels of these colours, moved by up to three levels, and the rest anything."""
    count = side * side
    pixels = rng.integers(0, 256, (count, 3))
    start = 0
    for colour, share in shares.items():
        stop = start + int(share * count)
        pixels[start:stop] = np.array(colour) + rng.integers(-3, 4, (stop - start, 3))
        start = stop
    return rng.permutation(pixels.clip(0, 255).astype(np.uint8)).reshape(side, side, 3)


def test_the_colours_are_found_the_most_frequent_first() -> None:
    found = common_colours(_drawn(np.random.default_rng(1), {LAND: 0.5, HOUSE: 0.2, WATER: 0.1}))
    assert len(found) == 3
    for colour, wanted in zip(found, (LAND, HOUSE, WATER), strict=True):
        assert np.abs(np.subtract(colour, wanted)).max() <= 1


def test_shades_of_a_colour_are_none_of_their_own() -> None:
    """A border between two areas has many pixels of a colour in between."""
    shade = tuple(level + APART - 1 for level in LAND)
    found = common_colours(_drawn(np.random.default_rng(2), {LAND: 0.5, shade: 0.2}))
    assert len(found) == 1


def test_noise_and_nothing_have_no_common_colours() -> None:
    assert common_colours(np.random.default_rng(3).integers(0, 256, (99, 99, 3), np.uint8)) == []
    assert common_colours(np.empty((0, 8, 8, 3), np.uint8)) == []


def test_a_single_picture_of_one_colour() -> None:
    assert common_colours(np.full((4, 4, 3), 255, np.uint8)) == [(255, 255, 255)]


def test_flat_is_the_nearest_colour_within_reach() -> None:
    """The quick way in bytes against the definition, with colours at both ends of the scale."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        colours = [(0, 255, 3), *(tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(11))]
        pixels = rng.integers(0, 256, (40, 30, 3), np.uint8)
        near = np.array(colours)[rng.integers(0, 12, (20, 30))] + rng.integers(-15, 16, (20, 30, 3))
        pixels[:20] = near.clip(0, 255)
        distance = np.abs(pixels[..., None, :].astype(int) - np.array(colours)).max(axis=-1)
        wanted = np.array(colours, np.uint8)[distance.argmin(axis=-1)]
        wanted = np.where((distance.min(axis=-1) <= NEAR)[..., None], wanted, pixels)
        np.testing.assert_array_equal(flatten(pixels, colours), wanted)


def test_what_was_given_stays_as_it_was() -> None:
    pixels = np.full((2, 2, 3), 230, np.uint8)
    assert flatten(pixels, [LAND])[0, 0].tolist() == list(LAND)
    assert (pixels == 230).all()
    np.testing.assert_array_equal(flatten(pixels, []), pixels)


def test_as_text() -> None:
    assert to_text([LAND, (0, 1, 255)]) == "e9e5df 0001ff"
    assert from_text(to_text([LAND, WATER])) == [LAND, WATER]
    assert from_text("") == []
