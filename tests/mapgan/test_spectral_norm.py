"""The discriminator's kernels divided by their largest singular value, in the reparameterised form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from mapgan.config import TrainConfig
from mapgan.engine.state import TrainState
from mapgan.layers import SpectralConv2D
from mapgan.networks import build_discriminator
from mapgan.pix2pix import Pix2Pix


def built(**options: Any) -> Any:
    """A layer with a 3x3 kernel from 4 to 6 channels."""
    layer = SpectralConv2D(6, 3, start="random_normal", **options)
    layer.build((None, 8, 8, 4))
    layer.kernel.assign(np.random.default_rng(0).normal(size=layer.kernel.shape))
    return layer


def picture() -> Any:
    """One random input of the layer above."""
    return np.random.default_rng(1).normal(size=(1, 8, 8, 4)).astype(np.float32)


def largest(kernel: Any) -> float:
    """The largest singular value, by NumPy."""
    return float(np.linalg.svd(kernel.numpy().reshape(-1, kernel.shape[-1]), compute_uv=False)[0])


def test_sigma_is_the_largest_singular_value() -> None:
    """After sixty power iterations; the convolution is that of the divided kernel, in use and in training."""
    layer = built()
    for _ in range(60):
        layer(picture(), training=True)
    kernel = layer.kernel.numpy() / largest(layer.kernel)
    expected = np.asarray(tf.nn.conv2d(picture(), kernel, 1, "VALID")) + layer.bias.numpy()
    for training in (True, False):
        np.testing.assert_allclose(
            np.asarray(layer(picture(), training=training)), expected, rtol=1e-4, atol=1e-5
        )
    u = np.linalg.svd(layer.kernel.numpy().reshape(-1, 6))[2][0]
    assert abs(float(u @ layer.u.numpy())) == pytest.approx(1, abs=1e-5)


def test_one_call_is_one_power_iteration_and_leaves_the_kernel() -> None:
    """Algorithm 1 of the paper, in NumPy; in use nothing moves."""
    layer = built()
    kernel, u = layer.kernel.numpy(), layer.u.numpy()
    matrix = kernel.reshape(-1, 6)
    layer(picture(), training=False)
    np.testing.assert_array_equal(layer.u.numpy(), u)
    output = np.asarray(layer(picture(), training=True))
    v = matrix @ u / np.linalg.norm(matrix @ u)
    u = matrix.T @ v / np.linalg.norm(matrix.T @ v)
    np.testing.assert_allclose(layer.u.numpy(), u, rtol=1e-5)
    plain = np.asarray(tf.nn.conv2d(picture(), kernel, 1, "VALID"))
    np.testing.assert_allclose(output, plain / (v @ matrix @ u), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(layer.kernel.numpy(), kernel)


def test_the_gradient_takes_u_and_v_for_constants() -> None:
    """d/dW of <conv(W / sigma), c> is G / sigma - <G, W> / sigma^2 * v u^T where G is that of conv(W)."""
    layer, weights = built(use_bias=False), np.random.default_rng(2).normal(size=(1, 6, 6, 6))
    u = layer.u.numpy()
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(picture(), training=True) * weights)
    found = tape.gradient(total, layer.kernel.value).numpy().reshape(-1, 6)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(tf.nn.conv2d(picture(), layer.kernel.value, 1, "VALID") * weights)
    plain = tape.gradient(total, layer.kernel.value).numpy().reshape(-1, 6)
    matrix = layer.kernel.numpy().reshape(-1, 6)
    v = matrix @ u / np.linalg.norm(matrix @ u)
    u = matrix.T @ v / np.linalg.norm(matrix.T @ v)
    sigma = v @ matrix @ u
    expected = plain / sigma - (plain * matrix).sum() / sigma**2 * np.outer(v, u)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("channels", "norm", "count"), [(6, "batch", 2_768_705), (3, "instance", 2_764_737)])
def test_the_discriminator_keeps_its_size_and_its_paths(channels: int, norm: str, count: int) -> None:
    """The same trained weights under the same names, and one u a convolution beside them."""
    plain = build_discriminator(channels=channels, norm=norm)
    divided = build_discriminator(channels=channels, norm=norm, spectral_norm=True, seed=1)
    assert sum(int(np.prod(weight.shape)) for weight in divided.trainable_weights) == count
    assert [w.path for w in divided.trainable_weights] == [w.path for w in plain.trainable_weights]
    added = {weight.path for weight in divided.weights} - {weight.path for weight in plain.weights}
    assert added == {f"patch{level}_conv/u" for level in range(1, 6)}
    starts = [divided.get_layer(f"patch{level}_conv").u.numpy() for level in (1, 2)]
    assert np.abs(starts[0] - starts[1][:64]).max() > 0


def test_u_is_in_the_checkpoint_and_no_moment_is() -> None:
    """A resumed run goes on from it; Adam does not know it."""
    config = TrainConfig(
        generator="unet_32", generator_width=2, discriminator_width=2, image_size=32, load_size=32,
        spectral_norm=True,
    )  # fmt: skip
    paths = [path for path in TrainState(Pix2Pix(config), config).variables() if path.endswith("/u")]
    assert paths == [f"networks/discriminator/patch{level}_conv/u" for level in range(1, 6)]


def test_the_layer_survives_its_configuration() -> None:
    """from_config(get_config()) is the same layer."""
    layer = SpectralConv2D(6, 3, strides=2, start="ones")
    assert SpectralConv2D.from_config(layer.get_config()).get_config() == layer.get_config()
