"""The image pool: filling, then half of the time an earlier picture; its state is its variables."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mapgan.image_pool import ImagePool


def numbered(*numbers: int) -> np.ndarray:
    """Pictures of 2x2 pixels that are all their number."""
    return np.stack([np.full((2, 2, 3), number, np.float32) for number in numbers])


def show(pool: ImagePool, *numbers: int) -> list[int]:
    """The numbers of the pictures that came back, each of one piece."""
    found = np.asarray(pool.exchange(numbered(*numbers)))
    assert found.shape == (len(numbers), 2, 2, 3)
    assert (found == found[:, :1, :1, :1]).all()
    return [int(picture[0, 0, 0]) for picture in found]


def stored(pool: ImagePool) -> list[int]:
    """The numbers of the pictures in the pool."""
    variables = pool.variables()
    return [int(number) for number in variables["images"].numpy()[: int(variables["count"].numpy()), 0, 0, 0]]


def test_while_filling_every_picture_comes_back() -> None:
    """And is kept, in order."""
    pool = ImagePool(4, image_size=2, seed=0)
    for number in range(1, 5):
        assert show(pool, number) == [number]
        assert stored(pool) == list(range(1, number + 1))


def test_a_full_pool_returns_the_new_or_swaps_an_old() -> None:
    """Nothing is lost or doubled: what comes back is either the new one or the one it replaced."""
    pool = ImagePool(3, image_size=2, seed=1)
    show(pool, 1, 2, 3)
    kept, swapped = set(stored(pool)), 0
    for number in range(4, 60):
        (back,) = show(pool, number)
        if back != number:
            swapped += 1
            assert back in kept
            kept = kept - {back} | {number}
        assert set(stored(pool)) == kept
        assert len(stored(pool)) == 3
    assert 10 < swapped < 46


def test_one_batch_is_shown_picture_by_picture() -> None:
    """A batch that fills the pool and goes beyond equals the same pictures one at a time."""
    together, apart = (ImagePool(2, image_size=2, seed=5) for _ in range(2))
    for first in range(1, 40, 3):
        numbers = (first, first + 1, first + 2)
        assert show(together, *numbers) == [show(apart, number)[0] for number in numbers]
    assert stored(together) == stored(apart)


def test_half_of_them_and_every_place_alike() -> None:
    """4,000 draws: within four standard deviations of 1/2 and of a fifth for each of five places."""
    pool = ImagePool(5, image_size=2, seed=2)
    show(pool, *range(5))
    exchange = tf.function(pool.exchange, autograph=False)
    images = pool.variables()["images"]
    draws, swaps, places = 4_000, 0, np.zeros(5)
    before = images.numpy()[:, 0, 0, 0]
    for number in range(5, 5 + draws):
        back = exchange(tf.constant(numbered(number))).numpy()[0, 0, 0, 0]
        after = images.numpy()[:, 0, 0, 0]
        swaps += back != number
        places += before != after
        before = after
    assert swaps == places.sum()
    assert abs(swaps - draws / 2) < 4 * np.sqrt(draws / 4)
    assert (np.abs(places - swaps / 5) < 4 * np.sqrt(swaps * 0.2 * 0.8)).all()


def test_a_pool_of_none_is_not_there() -> None:
    """Every picture comes back, and there is nothing to save."""
    pool = ImagePool(0, image_size=2, seed=0)
    assert [show(pool, number) for number in range(5)] == [[number] for number in range(5)]
    assert pool.variables() == {}


@pytest.mark.parametrize("after", [1, 7])
def test_the_variables_are_the_whole_state(after: int) -> None:
    """Copied into a pool of another seed, filling or full, they make it go on as the first would."""
    first, second = ImagePool(3, image_size=2, seed=1), ImagePool(3, image_size=2, seed=9)
    show(first, *range(after))
    for name, variable in first.variables().items():
        second.variables()[name].assign(variable.numpy())
    numbers = range(100, 140)
    assert [show(first, number) for number in numbers] == [show(second, number) for number in numbers]
    other = ImagePool(3, image_size=2, seed=9)
    show(other, *range(after))
    assert [show(other, number) for number in numbers] != [show(second, number) for number in numbers]
