"""Convolutions as matrix products give what TensorFlow's own give, in both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mapgan.engine import products
from mapgan.networks import build_generator

TOLERANCE = 2e-5  # of the largest element: sums of some thousand products in another order


def values_and_gradients(function: Callable[[Any, Any], Any], x: Any, kernel: Any) -> list[Any]:
    """The output and the gradients of a sum in which every element has a weight of its own."""
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        made = function(x, kernel)
        weights = np.random.default_rng(2).standard_normal(made.shape).astype(np.float32)
        total = tf.reduce_sum(made * weights)
    return [made.numpy(), *(gradient.numpy() for gradient in tape.gradient(total, [x, kernel]))]


def random(*shape: int) -> Any:
    return tf.constant(np.random.default_rng(len(shape) + sum(shape)).standard_normal(shape), tf.float32)


def compare(found: list[Any], expected: list[Any]) -> None:
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= TOLERANCE * np.abs(theirs).max()


@pytest.mark.parametrize(
    ("side", "stride", "padding"),
    [(2, 2, "SAME"), (8, 2, "SAME"), (32, 2, "SAME"), (6, 1, "VALID"), (23, 1, "VALID")],
)
def test_down_is_conv2d(side: int, stride: int, padding: str) -> None:
    x, kernel = random(2, side, side + 2, 3), random(4, 4, 3, 5)
    compare(
        values_and_gradients(lambda x, k: products.down(x, k, stride, padding), x, kernel),
        values_and_gradients(lambda x, k: tf.nn.conv2d(x, k, stride, padding), x, kernel),
    )


@pytest.mark.parametrize("side", [1, 2, 4, 16])
def test_up_is_conv2d_transpose(side: int) -> None:
    x, kernel = random(2, side, side + 1, 3), random(4, 4, 5, 3)
    sizes = [2, 2 * side, 2 * side + 2, 5]
    compare(
        values_and_gradients(products.up, x, kernel),
        values_and_gradients(lambda x, k: tf.nn.conv2d_transpose(x, k, sizes, 2, "SAME"), x, kernel),
    )


def test_a_network_keeps_its_output_and_gets_its_layers_back() -> None:
    network = build_generator("unet_32", width=32, image_size=32, dropout=0, seed=0)
    picture = random(1, 32, 32, 3)
    before = network(picture, training=True).numpy()
    calls = []
    with products.used([network]):
        deep = [layer.name for layer in network.layers if {"call", "convolution_op"} & set(vars(layer))]
        calls.append(network(picture, training=True).numpy())
    assert deep == ["down4_conv", "down5_conv", "up5_conv", "up4_conv"]
    assert not any({"call", "convolution_op"} & set(vars(layer)) for layer in network.layers)
    np.testing.assert_allclose(calls[0], before, atol=1e-5)


def test_layers_of_another_kind_are_left_alone() -> None:
    image = keras.Input((8, 8, 128))
    own = keras.layers.Conv2D(128, 3, padding="same", name="three")(image)
    own = keras.layers.Conv2D(128, 4, dilation_rate=2, padding="same", name="dilated")(own)
    network = keras.Model(image, keras.layers.Conv2D(3, 4, padding="same", name="few")(own))
    with products.used([network]):
        assert not any("convolution_op" in vars(layer) for layer in network.layers)
