"""Draws: pinned values, passes, evenness, crops."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mapgan.draws import BLOCK, Draw, Draws, cut

PINNED = [
    (614, 23, 8, False),
    (37, 3, 9, True),
    (483, 12, 6, True),
    (218, 21, 27, True),
    (800, 23, 12, True),
    (158, 8, 3, False),
]


def test_pinned() -> None:
    """The same on every machine: a change here changes what every resumed run sees."""
    draws = Draws(1000, offsets=31, flip=True, seed=(7,))
    assert [tuple(draws[number]) for number in (0, 1, 999, 1000, BLOCK, 109_699)] == PINNED


def test_any_sequence() -> None:
    """Across the borders of passes and blocks, forwards, backwards and by another object."""
    forward, other = (Draws(7, offsets=5, flip=True, seed=(3, 2)) for _ in range(2))
    numbers = [*range(20), *range(BLOCK - 10, BLOCK + 10), 3 * BLOCK - 1, 3 * BLOCK]
    expected = [forward[number] for number in numbers]
    assert [other[number] for number in reversed(numbers)] == expected[::-1]
    assert [Draws(7, offsets=5, flip=True, seed=(3, 3))[number] for number in numbers] != expected


def test_several_threads() -> None:
    """One asks here, another far ahead, and neither gets the other's."""
    draws = Draws(7, offsets=5, flip=True, seed=(3,))
    numbers = [at * BLOCK + at for at in range(6)] * 20
    expected = [Draws(7, offsets=5, flip=True, seed=(3,))[number] for number in numbers[:6]] * 20
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(draws.__getitem__, numbers)) == expected


@pytest.mark.parametrize("count", [1, 2, 300])
def test_passes(count: int) -> None:
    """Every pass has every picture once, blocks or not, and the orders differ."""
    draws = Draws(count, offsets=1, flip=False, seed=(0,))
    places = [draws[number].place for number in range(count * 8)]
    passes = [places[start : start + count] for start in range(0, len(places), count)]
    assert all(sorted(one) == list(range(count)) for one in passes)
    assert count == 1 or len({tuple(one) for one in passes}) > 1


def test_even() -> None:
    """Every corner and either side as often as the others."""
    draws = Draws(3, offsets=4, flip=True, seed=(0,))
    drawn = [draws[number] for number in range(16_000)]
    corners = Counter((draw.top, draw.left) for draw in drawn)
    assert len(corners) == 16
    assert all(850 < times < 1150 for times in corners.values())  # 1000 and 31 in the mean
    assert 7700 < sum(draw.mirror for draw in drawn) < 8300
    plain = Draws(3, offsets=1, flip=False, seed=(0,))
    assert {plain[number][1:] for number in range(100)} == {(0, 0, False)}


def test_cut() -> None:
    """The crop, and its mirror image, as a contiguous copy."""
    pictures = np.random.default_rng(0).integers(0, 256, (2, 9, 9, 3), dtype=np.uint8)
    out = np.empty((4, 4, 3), np.uint8)
    cut(pictures, Draw(1, 2, 5, mirror=False), out)
    np.testing.assert_array_equal(out, pictures[1, 2:6, 5:9])
    cut(pictures, Draw(1, 2, 5, mirror=True), out)
    np.testing.assert_array_equal(out, pictures[1, 2:6, 5:9][:, ::-1])
