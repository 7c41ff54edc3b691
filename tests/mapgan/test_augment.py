"""DiffAugment: what it does to a picture by hand, its gradient, its draws, and who sees its work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mapgan import engine
from mapgan.augment import DiffAugment, cut, recolour, shift
from mapgan.config import AUGMENTATIONS, TrainConfig
from mapgan.cyclegan import CycleGAN
from mapgan.engine.state import TrainState
from mapgan.pix2pix import Pix2Pix
from mapgan.training import MODELS

ALL = "color,translation,cutout"
SMALL: dict[str, Any] = {
    "generator": "unet_32",
    "generator_width": 2,
    "discriminator_width": 2,
    "image_size": 32,
    "load_size": 32,
}
CYCLE: dict[str, Any] = {
    "model": "cyclegan", "generator_norm": "instance", "discriminator_norm": "instance",
    "gan_loss": "lsgan", "dropout": 0.0, "pool_size": 2,
}  # fmt: skip


def noise(*shape: int, seed: int = 0) -> Any:
    """Random pictures in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def numbers(*rows: tuple[float, ...]) -> Any:
    """The draws of a batch, one row a picture."""
    return np.array(rows, np.float32)


def test_none_is_the_identity() -> None:
    """The very same tensor, and nothing to keep."""
    augment, pictures = DiffAugment("none", seed=0), noise(2, 8, 8, 3)
    assert augment(pictures) is pictures
    assert augment.variables() == {}
    with pytest.raises(ValueError, match="policy must be one of"):
        DiffAugment("colour", seed=0)


def test_shift_by_hand() -> None:
    """An eighth of 16 is 2: five distances from -2 to 2 down and right, zeros coming in."""
    pictures = noise(3, 16, 16, 2)
    moved = np.asarray(shift(pictures, numbers((0.0, 0.999), (0.5, 0.5), (0.65, 0.2))))
    expected = np.zeros_like(pictures)
    expected[0, :14, 2:] = pictures[0, 2:, :14]  # two up, two right
    expected[1] = pictures[1]
    expected[2, 1:, :15] = pictures[2, :15, 1:]  # one down, one left
    np.testing.assert_array_equal(moved, expected)


def test_cut_by_hand() -> None:
    """Half of 8 is 4: rows and columns first to first + 3 where first = place - 2, place 0 to 8."""
    pictures = np.ones((3, 8, 8, 1), np.float32)
    found = np.asarray(cut(pictures, numbers((0.5, 0.5), (0.0, 0.99), (0.3, 0.8))))[..., 0]
    expected = np.ones((3, 8, 8), np.float32)
    expected[0, 2:6, 2:6] = 0  # in the middle: place 4
    expected[1, 0:2, 6:8] = 0  # a corner: places 0 and 8 leave half of each side
    expected[2, 0:4, 5:8] = 0  # places 2 and 7
    np.testing.assert_array_equal(found, expected)


def test_colour_by_hand() -> None:
    """Two pixels (.2, .4, .6) and (0, 0, 0); +.1, saturation 1.5, contrast .7, in this order.

    Brighter: (.3, .5, .7), (.1, .1, .1). Their greys .5 and .1, so (.2, .5, .8) and (.1, .1, .1).
    The mean of all six is .3: .3 + .7 * (x - .3) gives (.23, .44, .65) and (.16, .16, .16).
    """
    picture = np.array([[[[0.2, 0.4, 0.6], [0.0, 0.0, 0.0]]]], np.float32)
    found = np.asarray(recolour(picture, numbers((0.6, 0.75, 0.2))))
    np.testing.assert_allclose(found[0, 0], [[0.23, 0.44, 0.65], [0.16, 0.16, 0.16]], atol=1e-6)


@pytest.mark.parametrize("policy", AUGMENTATIONS[1:])
def test_both_halves_of_a_pair_are_changed_alike(policy: str) -> None:
    """Two equal halves stay equal; every picture of a batch is changed differently."""
    half = np.repeat(noise(1, 32, 32, 3), 4, axis=0)
    found = np.asarray(DiffAugment(policy, seed=1)(np.concatenate([half, half], axis=-1)))
    assert found.shape == (4, 32, 32, 6)
    np.testing.assert_array_equal(found[..., :3], found[..., 3:])
    assert len({picture.tobytes() for picture in found}) == 4
    assert np.abs(found[..., :3] - half).max() > 0.01
    if "cutout" in policy:
        assert all((picture == 0).all(axis=-1).sum() >= 32 * 32 / 16 for picture in found)


def test_a_half_is_coloured_as_if_it_came_alone() -> None:
    """Its greys are its own, whatever lies beside it."""
    first, second = noise(2, 16, 16, 3), noise(2, 16, 16, 3, seed=1)
    pair = np.asarray(DiffAugment("color", seed=3)(np.concatenate([first, second], axis=-1)))
    alone = np.asarray(DiffAugment("color", seed=3)(second))
    np.testing.assert_array_equal(pair[..., 3:], alone)


def test_draws_repeat_from_their_state_and_differ_from_call_to_call() -> None:
    """Equal seeds, equal pictures; the variable is all there is to go on from."""
    pictures = noise(1, 32, 32, 6)
    first, second = DiffAugment(ALL, seed=5), DiffAugment(ALL, seed=5)
    made = [np.asarray(first(pictures)) for _ in range(4)]
    for expected in made[:2]:
        np.testing.assert_array_equal(np.asarray(second(pictures)), expected)
    assert len({picture.tobytes() for picture in made}) == 4
    third = DiffAugment(ALL, seed=99)
    third.variables()["random/augment"].assign(second.variables()["random/augment"].numpy())
    np.testing.assert_array_equal(np.asarray(third(pictures)), made[2])


def test_every_distance_is_drawn() -> None:
    """Over 900 pictures all 9 shifts of 32 pixels each way, about equally often."""
    augment = DiffAugment("color,translation", seed=0)
    picture = np.zeros((900, 32, 32, 3), np.float32)
    picture[:, 16, 16] = 1
    found = np.asarray(augment(picture))[..., 0]
    # The dot is what differs most from its surroundings, whatever the colour did to both.
    inner = found[:, 8:25, 8:25]
    middle = np.median(inner, axis=(1, 2), keepdims=True)
    places = np.abs(inner - middle).reshape(900, -1).argmax(axis=1)
    for distances in np.unravel_index(places, (17, 17)):
        values, counts = np.unique(distances - 8, return_counts=True)
        assert values.tolist() == list(range(-4, 5))
        assert counts.min() > 60


@pytest.mark.parametrize("xla", [False, True])
def test_gradient_flows(xla: bool) -> None:
    """Both changes of place are linear, and their gradient is the way back: <f(x), w> = <x, f'(w)>.

    The colour's numbers multiply, so its gradient is checked by a difference.
    """
    pictures, weights = noise(2, 16, 16, 3), noise(2, 16, 16, 3, seed=1)
    draws = numbers((0.1, 0.8, 0.2), (0.7, 0.4, 0.9))

    def slope(function: Any, x: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(function(x) * weights)
        return total, tape.gradient(total, x)

    for change in (shift, cut):
        compiled = tf.function(lambda x, f=change: slope(lambda y: f(y, draws[:, :2]), x), jit_compile=xla)
        total, gradient = compiled(tf.constant(pictures))
        assert float(total) == pytest.approx(float((gradient.numpy() * pictures).sum()), rel=1e-4)
        kept = np.asarray(change(np.ones_like(pictures), draws[:, :2])).sum()
        assert np.count_nonzero(gradient) == kept > 0
    coloured = tf.function(lambda x: slope(lambda y: recolour(y, draws), x), jit_compile=xla)
    total, gradient = coloured(tf.constant(pictures))
    step = noise(2, 16, 16, 3, seed=2)
    ahead, _ = coloured(tf.constant(pictures + step))  # affine in the picture: exact at any distance
    assert float(ahead - total) == pytest.approx(float((gradient.numpy() * step).sum()), rel=1e-3)


def seen_by(model: Any, name: str) -> list[Any]:
    """Puts a network in the discriminator's place that returns what it is shown; the list fills."""
    seen: list[Any] = []

    def judge(pictures: Any, training: bool) -> Any:
        seen.append(np.asarray(pictures))
        return pictures

    model.networks[name] = judge
    return seen


def test_pix2pix_shows_nothing_unchanged() -> None:
    """The real pair and the made one, in D's loss and in G's, each with numbers of its own."""
    model = Pix2Pix(TrainConfig(**SMALL, diff_augment="color,translation"))
    seen = seen_by(model, "discriminator")
    source, target = noise(1, 32, 32, 3), noise(1, 32, 32, 3, seed=1)
    model.discriminator_losses(source, target, {"fake": target})
    model.generator_losses(source, target, {"fake": target})
    pair = np.concatenate([source, target], axis=-1)
    assert len(seen) == 3
    assert len({picture.tobytes() for picture in [pair, *seen]}) == 4
    # The distance to the target is taken from the picture as it is.
    assert float(model.generator_losses(source, target, {"fake": target})[1]["g_l1"]) == 0


def test_cyclegan_shows_nothing_unchanged_and_pools_nothing_changed() -> None:
    """Four pictures in the discriminators' losses, two in the generators'."""
    options = {**SMALL, **CYCLE, "generator": "resnet_6"}
    model = CycleGAN(TrainConfig(**options, diff_augment=ALL))
    seen = [seen_by(model, f"discriminator_{domain}") for domain in "ab"]
    first, second = noise(1, 32, 32, 3), noise(1, 32, 32, 3, seed=1)
    shown = model.shown({"fake_a": first, "fake_b": second})
    np.testing.assert_array_equal(np.asarray(shown["fake_a"]), first)
    np.testing.assert_array_equal(model.pools["a"].variables()["images"].numpy()[:1], first)
    model.discriminator_losses(first, second, {"fake_a": first, "fake_b": second})
    model.generator_losses(first, second, {"fake_a": first, "fake_b": second})
    assert [len(pictures) for pictures in seen] == [3, 3]
    pictures = [first, second, *seen[0], *seen[1]]
    assert len({picture.tobytes() for picture in pictures}) == 8


@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
def test_a_resumed_step_is_the_same_step(model: str) -> None:
    """With augmentation and spectral norm, three steps equal one step, a copy of the state, and two more."""
    options = {**SMALL, **(CYCLE if model == "cyclegan" else {})}
    config = TrainConfig(**options, diff_augment=ALL, spectral_norm=True)
    make = MODELS[model]
    engine.select().prepare(deterministic=True, threads=None)
    batches = np.random.default_rng(0).integers(0, 256, (3, 2, 1, 32, 32, 3), dtype=np.uint8)
    whole, resumed = TrainState(make(config), config), TrainState(make(config), config)
    assert "random/augment" in whole.variables()
    update = engine.select().compile_step(whole)
    drawn = []
    for step, (first, second) in enumerate(batches):
        losses = update(first, second, 2e-4)
        drawn.append(whole.variables()["random/augment"].numpy().tobytes())
        if step == 0:
            for path, variable in resumed.variables().items():
                variable.assign(whole.variables()[path].numpy())
    assert len(set(drawn)) == 3
    again = engine.select().compile_step(resumed)
    for first, second in batches[1:]:
        found = again(first, second, 2e-4)
    assert {k: float(v) for k, v in found.items()} == {k: float(v) for k, v in losses.items()}
    for path, variable in resumed.variables().items():
        np.testing.assert_array_equal(variable.numpy(), whole.variables()[path].numpy(), err_msg=path)
