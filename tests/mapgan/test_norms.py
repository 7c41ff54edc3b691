"""The fused normalisation gives what the spelled-out one gives: values, gradients, running statistics."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from mapgan.engine import norms
from mapgan.layers import InstanceNorm

TOLERANCE = 2e-5  # of the largest element: sums in another order


def random(*shape: int, seed: int = 0) -> Any:
    rng = np.random.default_rng((seed, *shape))
    return tf.constant(rng.standard_normal(shape) * 3 + 5, tf.float32)


def network(layer: Any, side: int | None = 6) -> Any:
    image = keras.Input((side, side, norms.MIN_CHANNELS))
    return keras.Model(image, layer(image))


def parts(model: Any, x: Any) -> dict[str, Any]:
    """What a training call gives and leaves behind, by name."""
    weights = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        tape.watch(x)
        made = model(x, training=True)
        total = tf.reduce_sum(made * random(*made.shape, seed=1))
    gradients = tape.gradient(total, [x, *weights])
    found = {"made": made, "to_x": gradients[0]}
    found |= {f"to_{at}": gradient for at, gradient in enumerate(gradients[1:])}
    found |= {weight.path: weight for weight in model.non_trainable_weights}
    return {name: keras.ops.convert_to_numpy(value).copy() for name, value in found.items()}


def layers(kind: str) -> Any:
    if kind == "batch":
        return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="norm")
    return InstanceNorm(affine=kind == "instance_affine", name="norm")


def spy(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every use of the kernel from here on."""
    calls: list[Any] = []
    kernel = tf.raw_ops.FusedBatchNormV3
    monkeypatch.setattr(norms, "_kernel", lambda **how: calls.append(how) or kernel(**how))
    return calls


@pytest.mark.parametrize("kind", ["batch", "instance", "instance_affine"])
@pytest.mark.parametrize("batch", [1, 3])
def test_the_fused_kernel_gives_the_same(kind: str, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, fused = (network(layers(kind)) for _ in range(2))
    for model in (plain, fused):
        for at, weight in enumerate(model.trainable_weights):
            weight.assign(random(*weight.shape) + at)
    x = random(batch, 6, 6, norms.MIN_CHANNELS)
    calls = spy(monkeypatch)
    expected = parts(plain, x)
    assert not calls
    with norms.used([fused]):
        assert "call" in vars(fused.layers[1])
        found = parts(fused, x)
    assert bool(calls) is (kind == "batch" or batch == 1)
    assert "call" not in vars(fused.layers[1])
    assert found.keys() == expected.keys()
    assert len(found) == {"batch": 6, "instance": 2, "instance_affine": 4}[kind]
    for name, values in expected.items():
        assert np.abs(found[name] - values).max() <= TOLERANCE * np.abs(values).max(), name


def test_what_the_kernel_cannot_do_is_left_to_keras() -> None:
    x = random(1, 6, 6, norms.MIN_CHANNELS)
    in_use = network(layers("batch"))
    with norms.used([in_use]):
        found = in_use(x, training=False)  # by the running statistics, which are 0 and 1 here
    np.testing.assert_allclose(found, x / np.sqrt(1 + 1e-5), rtol=1e-6)
    half = network(InstanceNorm(dtype="mixed_bfloat16"))
    with norms.used([half]):
        assert "call" not in vars(half.layers[1])
    single = network(layers("batch"), side=None)
    with norms.used([single]):  # one number a channel has no variance: beta is left
        made = single(random(1, 1, 1, norms.MIN_CHANNELS), training=True)
    np.testing.assert_allclose(made, np.zeros(made.shape), atol=1e-5)
