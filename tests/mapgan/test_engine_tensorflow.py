"""The fused TensorFlow step against the same step written out plainly with Keras's own Adam."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mapgan import engine
from mapgan.config import TrainConfig
from mapgan.cyclegan import CycleGAN
from mapgan.engine import tensorflow
from mapgan.engine.state import TrainState
from mapgan.pix2pix import Pix2Pix
from mapgan.training import MODELS

SMALL: dict[str, Any] = {
    "generator": "unet_64",
    "generator_width": 8,
    "discriminator_width": 8,
    "image_size": 64,
    "load_size": 64,
    "dropout": 0.0,
    "seed": 3,
}


def pictures(seed: int, batch: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Two random uint8 batches of 64x64."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 256, (2, batch, 64, 64, 3), dtype=np.uint8)
    return first, second


def plain_steps(config: TrainConfig, count: int) -> tuple[list[dict[str, float]], Pix2Pix]:
    """Pix2Pix as its paper tells it, eager: the generator runs anew for each of the two updates."""
    model = Pix2Pix(config)
    generator, discriminator = model.networks["generator"], model.networks["discriminator"]
    g_adam, d_adam = (keras.optimizers.Adam(config.learning_rate, 0.5, 0.999, epsilon=1e-8) for _ in range(2))
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    history = []
    for step in range(count):
        x, y = (tf.constant(p, tf.float32) / 127.5 - 1 for p in pictures(step))
        with tf.GradientTape() as tape:
            fake = generator(x, training=True)
            on_real = discriminator(tf.concat([x, y], -1), training=True)
            on_fake = discriminator(tf.concat([x, fake], -1), training=True)
            real = cross_entropy(tf.ones_like(on_real), on_real)
            made = cross_entropy(tf.zeros_like(on_fake), on_fake)
            loss = (real + made) / 2
        weights = discriminator.trainable_variables
        d_adam.apply(tape.gradient(loss, [w.value for w in weights]), weights)
        with tf.GradientTape() as tape:
            fake = generator(x, training=True)
            judged = discriminator(tf.concat([x, fake], -1), training=True)
            gan = cross_entropy(tf.ones_like(judged), judged)
            distance = tf.reduce_mean(tf.abs(y - fake))
            loss = gan + 100.0 * distance
        weights = generator.trainable_variables
        g_adam.apply(tape.gradient(loss, [w.value for w in weights]), weights)
        history.append(
            {"d_real": float(real), "d_fake": float(made), "g_gan": float(gan), "g_l1": float(distance)}
        )
    return history, model


@pytest.mark.parametrize("norm", ["instance_affine", "batch"])
def test_fused_step_equals_the_plain_one(norm: str) -> None:
    """Five steps from equal weights: equal losses and equal weights, to float32 noise."""
    config = TrainConfig(**SMALL, generator_norm=norm, discriminator_norm=norm, learning_rate=1e-4)
    expected, plain = plain_steps(config, 5)
    state = TrainState(Pix2Pix(config), config)
    update = engine.select().compile_step(state)
    for step, wanted in enumerate(expected):
        losses = update(*pictures(step), config.learning_rate)
        assert {k: float(v) for k, v in losses.items()} == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    for name, network in plain.networks.items():
        for ours, theirs in zip(
            state.model.networks[name].trainable_weights, network.trainable_weights, strict=True
        ):
            # Not tighter: Adam moves a weight whose gradient is rounding noise by up to the rate.
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-5, err_msg=ours.path)


def test_average_follows_the_weights() -> None:
    """``decay * before + (1 - decay) * now``; the decay grows as (1 + t) / (10 + t) up to its setting."""
    config = TrainConfig(**SMALL, ema_decay=0.15)
    state = TrainState(Pix2Pix(config), config)
    update = engine.select().compile_step(state)
    weights = state.adams["generators"].weights
    before = {path: weight.numpy().copy() for path, weight in weights.items()}
    for step, decay in enumerate((1 / 10, 0.15)):  # 2 / 11 would be more than the setting
        update(*pictures(step), 1e-2)
        for path, average in state.averages.items():
            now = weights[path].numpy()
            assert np.abs(now - before[path]).max() > 0, path
            np.testing.assert_allclose(
                average.numpy(), decay * before[path] + (1 - decay) * now, atol=1e-6, err_msg=path
            )
        before = {path: average.numpy().copy() for path, average in state.averages.items()}
    assert int(state.adams["generators"].iterations.numpy()) == 2


def test_rate_zero_changes_no_weight() -> None:
    """The schedule's last rate is nearly zero; zero itself must leave the weights alone."""
    config = TrainConfig(**SMALL)
    state = TrainState(Pix2Pix(config), config)
    weights = {**state.adams["generators"].weights, **state.adams["discriminators"].weights}
    start = {path: weight.numpy().copy() for path, weight in weights.items()}
    engine.select().compile_step(state)(*pictures(0), 0.0)
    for path, weight in weights.items():
        np.testing.assert_array_equal(weight.numpy(), start[path], err_msg=path)


def test_unknown_backend_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend without an engine says so instead of failing somewhere inside."""
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    with pytest.raises(RuntimeError, match="torch"):
        engine.select()


def test_whole_step_compiles_under_xla() -> None:
    """What a GPU gets by default, on the CPU: equal losses and weights, for both models' ops."""
    config = TrainConfig(**SMALL, ema_decay=0.9)
    ends = []
    for xla in (False, True):
        state = TrainState(Pix2Pix(config), config)
        update = tensorflow.compile_step(state, xla=xla)
        losses = [update(*pictures(step), 1e-5) for step in range(2)]
        ends.append(({k: float(v) for k, v in losses[-1].items()}, state))
    (plain, here), (compiled, there) = ends
    assert compiled == pytest.approx(plain, abs=1e-5)
    for path, weight in here.averages.items():
        np.testing.assert_allclose(there.averages[path].numpy(), weight.numpy(), atol=5e-5, err_msg=path)


def test_a_cyclegan_compiles_under_xla() -> None:
    """Its pools are written inside the compiled step."""
    config = TrainConfig(
        **{**SMALL, "generator": "unet_16"}, model="cyclegan", gan_loss="lsgan", pool_size=1, ema_decay=0.9
    )
    model = CycleGAN(config)
    update = tensorflow.compile_step(TrainState(model, config), xla=True)
    for step in range(2):
        losses = update(*pictures(step), 1e-4)
    assert all(np.isfinite(float(value)) for value in losses.values())
    assert int(model.pools["a"].variables()["count"].numpy()) == 1


@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
def test_half_the_bits(model: str) -> None:
    """bfloat16 changes what the layers compute in: weights, outputs and losses stay float32."""
    own = {"model": model, "gan_loss": "lsgan", "generator": "unet_16", "batch_size": 2}
    configs = [TrainConfig(**{**SMALL, **own, "precision": each}) for each in ("float32", "bfloat16")]
    full, half = ([], [])
    for config, history in zip(configs, (full, half), strict=True):
        state = engine.build(engine.select(), MODELS[model], config)
        update = engine.select().compile_step(state)
        history += [update(*pictures(step, 2), 1e-4) for step in range(3)]
    name = state.model.generators[0]
    network = state.model.networks[name]
    assert network.layers[1].compute_dtype == "bfloat16"
    assert {str(value.dtype) for path, value in state.variables().items() if value.dtype != "int64"} == {
        "float32"
    }
    assert network(np.zeros((1, 64, 64, 3), np.float32)).dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    for ours, theirs in zip(half, full, strict=True):
        wanted = {key: float(value) for key, value in theirs.items()}
        assert {key: float(value) for key, value in ours.items()} == pytest.approx(wanted, rel=0.05, abs=0.01)
