"""CycleGAN's networks, its losses by hand, and its fused step against one written out plainly."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mapgan import engine
from mapgan.config import TrainConfig
from mapgan.cyclegan import CycleGAN
from mapgan.engine.state import TrainState
from mapgan.presets import preset

SIDE = 32
SMALL: dict[str, Any] = {
    "model": "cyclegan",
    "generator": "resnet_6",
    "generator_width": 4,
    "generator_norm": "instance",
    "discriminator_width": 4,
    "discriminator_norm": "instance",
    "gan_loss": "lsgan",
    "dropout": 0.0,
    "image_size": SIDE,
    "load_size": SIDE,
    "pool_size": 2,
    "seed": 3,
}


def pictures(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random uint8 batches of one."""
    first, second = np.random.default_rng(seed).integers(0, 256, (2, 1, SIDE, SIDE, 3), dtype=np.uint8)
    return first, second


@pytest.mark.parametrize(("generator", "count"), [("resnet_9", 11_378_179), ("resnet_6", 7_837_699)])
def test_sizes_are_those_published(generator: str, count: int) -> None:
    """Two generators and two PatchGANs of three channels, all with biases and plain instance norm."""
    networks = CycleGAN(preset("seed", model="cyclegan", generator=generator, pool_size=0)).networks
    found = {
        name: sum(math.prod(weight.shape) for weight in network.trainable_weights)
        for name, network in networks.items()
    }
    assert found == {
        "a_to_b": count, "b_to_a": count, "discriminator_a": 2_764_737, "discriminator_b": 2_764_737
    }  # fmt: skip
    assert all(network.count_params() == found[name] for name, network in networks.items())
    assert networks["discriminator_a"].output_shape == (None, 30, 30, 1)


def test_no_two_networks_start_alike() -> None:
    """One seed, four networks and two pools, none of them with another's numbers."""
    model = CycleGAN(TrainConfig(**SMALL))
    kernels = [weight.numpy().ravel() for net in model.networks.values() for weight in net.trainable_weights]
    heads = {tuple(kernel[:4]) for kernel in kernels if kernel.any()}
    assert len(heads) == sum(kernel.any() for kernel in kernels)
    draws = [variable.numpy() for path, variable in model.variables().items() if path.endswith("draws")]
    assert len(draws) == 2
    assert (draws[0] != draws[1]).any()


def test_losses_by_hand() -> None:
    """Networks a pencil can follow: F(x) = x/2, G(x) = -x, D_a(x) = x + 1, D_b(x) = 2x; a = .4, b = -.2.

    Both fakes are .2. g_a = (1.2 - 1)^2, g_b = (.4 - 1)^2; cycles |G(.2) - .4| and |F(.2) + .2|;
    identities |G(.4) - .4| and |F(-.2) + .2|; D_a: ((1.4 - 1)^2 + 1.2^2) / 2, D_b: ((-.4 - 1)^2 + .4^2) / 2.
    """
    model = CycleGAN(TrainConfig(**SMALL))
    model.networks = {
        "a_to_b": lambda x, training: x / 2,
        "b_to_a": lambda x, training: -x,
        "discriminator_a": lambda x, training: x + 1,
        "discriminator_b": lambda x, training: 2 * x,
    }
    first, second = (np.full((1, 2, 2, 3), value, np.float32) for value in (0.4, -0.2))
    outputs = model.generate(first, second)
    total, terms = model.generator_losses(first, second, outputs)
    assert {name: float(value) for name, value in terms.items()} == pytest.approx(
        {"g_a": 0.04, "g_b": 0.36, "cycle_a": 0.6, "cycle_b": 0.3, "identity_a": 0.8, "identity_b": 0.1},
        rel=1e-5,
    )
    assert float(total) == pytest.approx(0.4 + 10 * 0.9 + 0.5 * 10 * 0.9, rel=1e-5)
    total, terms = model.discriminator_losses(first, second, outputs)
    assert {name: float(value) for name, value in terms.items()} == pytest.approx({"d_a": 0.8, "d_b": 1.06})
    assert float(total) == pytest.approx(1.86)


def test_weights_of_the_terms_are_the_configuration_s() -> None:
    """Without the identity its term is neither computed nor logged."""
    first, second = (np.full((1, SIDE, SIDE, 3), value, np.float32) for value in (0.4, -0.2))
    model = CycleGAN(TrainConfig(**SMALL, cycle_weight=3.0, identity_weight=0.0))
    total, terms = model.generator_losses(first, second, model.generate(first, second))
    assert set(terms) == {"g_a", "g_b", "cycle_a", "cycle_b"}
    value = {name: float(term) for name, term in terms.items()}
    assert float(total) == pytest.approx(
        value["g_a"] + value["g_b"] + 3 * (value["cycle_a"] + value["cycle_b"]), rel=1e-5
    )


class PlainPool:
    """The authors' ``util/image_pool.py`` for one picture at a time, with the model's own draws."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.images, self.replaced = size, [], 0
        self._draws = keras.random.SeedGenerator(seed)

    def query(self, image: Any) -> Any:
        """A new picture in, a picture for D out."""
        chance, place = keras.random.uniform((2,), seed=self._draws).numpy()
        if len(self.images) < self.size:
            self.images.append(image)
            return image
        if chance > 0.5:
            index = int(place * self.size)
            old, self.images[index] = self.images[index], image
            self.replaced += 1
            return old
        return image


def plain_steps(config: TrainConfig, count: int) -> tuple[list[dict[str, float]], Any, list[PlainPool]]:
    """CycleGAN as its authors' code tells it, eager, with Keras's own Adam."""
    nets = CycleGAN(config).networks
    f, g, d_a, d_b = (nets[name] for name in ("a_to_b", "b_to_a", "discriminator_a", "discriminator_b"))
    seeds = [int(seed) for seed in np.random.SeedSequence(config.seed).generate_state(6)]
    pools = [PlainPool(config.pool_size, seed) for seed in seeds[4:]]
    adams = [keras.optimizers.Adam(config.learning_rate, 0.5, 0.999, epsilon=1e-8) for _ in range(2)]
    square = keras.losses.MeanSquaredError()
    mean = keras.losses.MeanAbsoluteError()
    history = []
    for step in range(count):
        a, b = (tf.constant(picture, tf.float32) / 127.5 - 1 for picture in pictures(step))
        with tf.GradientTape() as tape:
            fake_b, fake_a = f(a, training=True), g(b, training=True)
            on_b, on_a = d_b(fake_b, training=True), d_a(fake_a, training=True)
            terms = {
                "g_a": square(tf.ones_like(on_a), on_a),
                "g_b": square(tf.ones_like(on_b), on_b),
                "cycle_a": mean(a, g(fake_b, training=True)),
                "cycle_b": mean(b, f(fake_a, training=True)),
                "identity_a": mean(a, g(a, training=True)),
                "identity_b": mean(b, f(b, training=True)),
            }
            loss = (
                terms["g_a"] + terms["g_b"] + 10 * (terms["cycle_a"] + terms["cycle_b"])
                + 10 * 0.5 * (terms["identity_a"] + terms["identity_b"])
            )  # fmt: skip
        weights = f.trainable_variables + g.trainable_variables
        adams[0].apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        shown_a, shown_b = pools[0].query(fake_a), pools[1].query(fake_b)
        with tf.GradientTape() as tape:
            for name, judge, real, fake in (("d_a", d_a, a, shown_a), ("d_b", d_b, b, shown_b)):
                on_real, on_fake = judge(real, training=True), judge(fake, training=True)
                real_loss = square(tf.ones_like(on_real), on_real)
                terms[name] = (real_loss + square(tf.zeros_like(on_fake), on_fake)) * 0.5
            loss = terms["d_a"] + terms["d_b"]
        weights = d_a.trainable_variables + d_b.trainable_variables
        adams[1].apply(tape.gradient(loss, [weight.value for weight in weights]), weights)
        history.append({name: float(value) for name, value in terms.items()})
    return history, nets, pools


def test_fused_step_equals_the_plain_one() -> None:
    """Eight steps from equal weights, pools of two that were swapped: equal losses, weights and pools."""
    config = TrainConfig(**SMALL, learning_rate=1e-4)
    expected, plain, plain_pools = plain_steps(config, 8)
    assert all(pool.replaced for pool in plain_pools)
    model = CycleGAN(config)
    state = TrainState(model, config)
    update = engine.select().compile_step(state)
    for step, wanted in enumerate(expected):
        losses = update(*pictures(step), config.learning_rate)
        assert {k: float(v) for k, v in losses.items()} == pytest.approx(wanted, rel=1e-4, abs=1e-6)
    for name, network in plain.items():
        for ours, theirs in zip(
            model.networks[name].trainable_weights, network.trainable_weights, strict=True
        ):
            if "bias" in ours.path and "head" not in ours.path and "patch1" not in ours.path:
                continue  # before a norm: the gradient is zero and Adam moves it by rounding noise
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=5e-5, err_msg=ours.path)
    for name, pool in zip(("a", "b"), plain_pools, strict=True):
        ours = model.pools[name].variables()["images"].numpy()
        np.testing.assert_allclose(ours, np.concatenate(pool.images), atol=1e-3)


def test_discriminators_see_the_pool() -> None:
    """With fakes of one value in the pool, D's loss is that of those, not of what was just made."""
    config = TrainConfig(**{**SMALL, "pool_size": 1})
    model = CycleGAN(config)
    state = TrainState(model, config)
    update = engine.select().compile_step(state)
    update(*pictures(0), 0.0)
    seen = []
    for step in range(1, 13):
        for pool in model.pools.values():
            pool.variables()["images"].assign(np.full((1, SIDE, SIDE, 3), 0.9, np.float32))
        a, _ = (picture.astype(np.float32) / 127.5 - 1 for picture in pictures(step))
        losses = update(*pictures(step), 0.0)  # at rate zero the networks stay as they are
        kept = model.pools["a"].variables()["images"].numpy()
        fresh = np.asarray(model.generate(a, pictures(step)[1].astype(np.float32) / 127.5 - 1)["fake_a"])
        swapped = bool((kept != np.float32(0.9)).any())
        shown = np.full_like(fresh, 0.9) if swapped else fresh
        _, terms = model.discriminator_losses(a, a, {"fake_a": shown, "fake_b": shown})
        assert float(losses["d_a"]) == pytest.approx(float(terms["d_a"]), rel=1e-4)
        if swapped:
            np.testing.assert_allclose(kept, fresh, atol=1e-5)
        seen.append(swapped)
    assert set(seen) == {True, False}


def test_state_has_the_pools() -> None:
    """Contents, counts and draws, under paths that are the same in every process."""
    config = TrainConfig(**SMALL, ema_decay=0.9)
    first, second = (set(TrainState(CycleGAN(config), config).variables()) for _ in range(2))
    assert first == second
    assert {path for path in first if path.startswith("pools/")} == {
        f"pools/{domain}/{part}" for domain in "ab" for part in ("images", "count", "draws")
    }
    assert any(path.startswith("ema/b_to_a/") for path in first)
