"""A convolution that pads by itself gives what the layer before it and the convolution gave together."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mapgan.engine import paddings, products
from mapgan.networks import build_discriminator


def values_and_gradients(network: Any, x: Any) -> list[Any]:
    """The output, and the gradients of a sum in which every element has a weight of its own."""
    weights = [weight.value for weight in network.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(x)
        made = network(x, training=True)
        total = tf.reduce_sum(made * np.random.default_rng(2).standard_normal(made.shape).astype(np.float32))
    return [made.numpy(), *(each.numpy() for each in tape.gradient(total, [x, *weights]))]


@pytest.mark.parametrize("side", [64, 66, 37])  # 37 is odd at once, 66 after the first halving
def test_a_discriminator_is_the_same(side: int) -> None:
    network = build_discriminator(channels=6, width=4, norm="instance", image_size=side, seed=0)
    x = tf.constant(np.random.default_rng(1).standard_normal((2, side, side, 6)), tf.float32)
    expected = values_and_gradients(network, x)
    with products.used([network]), paddings.used([network]):
        changed = [layer.name for layer in network.layers if {"call", "convolution_op"} & set(vars(layer))]
        found = values_and_gradients(network, x)
    assert changed == [f"patch{level}_{part}" for level in (1, 2, 3) for part in ("pad", "conv")]
    assert not any({"call", "convolution_op"} & set(vars(layer)) for layer in network.layers)
    for ours, theirs in zip(found, expected, strict=True):
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max() + 1e-6


def test_what_others_see_is_padded_still() -> None:
    image = keras.Input((8, 8, 3))
    padded = keras.layers.ZeroPadding2D(1, name="pad")(image)
    made = keras.layers.Conv2D(4, 4, strides=2)(padded)
    network = keras.Model(image, [made, keras.layers.ReLU()(padded)])
    with paddings.used([network]):
        assert "call" not in vars(network.get_layer("pad"))
        assert network(np.zeros((1, 8, 8, 3), np.float32))[1].shape == (1, 10, 10, 3)
