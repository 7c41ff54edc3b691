"""Normalisations as TensorFlow's fused kernel, for a CPU.

Batch normalisation and, for one picture, instance normalisation are the same arithmetic. Spelled out in
`keras.ops` it is a dozen passes over the memory forwards and back, each made and thrown away again; the fused
kernel needs a third to a half of their time.

The same sums in another order, one after the other and not in pairs. Of many numbers they lose digits, and of
few channels the kernel gains nothing; both are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import keras
import tensorflow as tf

from mapgan.engine.replacing import replaced
from mapgan.layers import InstanceNorm

_kernel: Final = tf.raw_ops.FusedBatchNormV3
MIN_CHANNELS: Final = 32
MAX_VALUES: Final = 128 * 128
"""Most numbers that a channel's statistics are taken over: there the result is off by 5e-6 at most."""


@contextmanager
def used(networks: Iterable[Any]) -> Iterator[None]:
    """Trace the networks inside with the fused kernel in those layers that it can stand for."""
    with ExitStack() as stack:
        for network in networks:
            for layer in network.layers:
                if layer.compute_dtype != "float32":
                    continue
                if type(layer) is InstanceNorm:
                    stack.enter_context(replaced(layer, "call", _instance_norm(layer)))
                elif type(layer) is keras.layers.BatchNormalization and _fits(layer):
                    stack.enter_context(replaced(layer, "call", _batch_norm(layer)))
        yield


def _fits(layer: Any) -> bool:
    """Whether a batch normalisation is of the kind that our networks have."""
    return bool(layer.axis in (-1, 3) and layer.scale and layer.center and layer.trainable)


def _instance_norm(layer: Any) -> Callable[[Any], Any]:
    """``call`` of an instance normalisation."""
    original = layer.call

    def call(inputs: Any) -> Any:
        if inputs.shape[0] != 1 or not _gains(inputs.shape):
            return original(inputs)
        channels = inputs.shape[-1]
        gamma = tf.ones((channels,)) if layer.gamma is None else tf.convert_to_tensor(layer.gamma)
        beta = tf.zeros((channels,)) if layer.beta is None else tf.convert_to_tensor(layer.beta)
        return _fused(inputs, gamma, beta, layer.epsilon)[0]

    return call


def _batch_norm(layer: Any) -> Callable[..., Any]:
    """``call`` of a batch normalisation; moves the running statistics as Keras does."""
    original = layer.call

    def call(inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        if not training or mask is not None or not _gains(inputs.shape):
            return original(inputs, training=training, mask=mask)
        gamma, beta = tf.convert_to_tensor(layer.gamma), tf.convert_to_tensor(layer.beta)
        made, mean, variance = _fused(inputs, gamma, beta, layer.epsilon)
        count = float(_values(inputs.shape))
        # The kernel tells the variance of the population that these values are a sample of.
        biased = variance * ((count - 1) / count)
        for running, value in ((layer.moving_mean, mean), (layer.moving_variance, biased)):
            running.assign(running * layer.momentum + tf.stop_gradient(value) * (1 - layer.momentum))
        return made

    return call


def _gains(shape: Any) -> bool:
    """Whether the kernel is the better way for tensors of this shape; not where it is open."""
    return None not in shape and 1 < _values(shape) <= MAX_VALUES and shape[-1] >= MIN_CHANNELS


def _values(shape: Any) -> int:
    """How many numbers a channel's statistics are taken over."""
    batch, height, width, _ = shape
    return int(batch * height * width)


def _fused(x: Any, gamma: Any, beta: Any, epsilon: float) -> tuple[Any, Any, Any]:
    """``gamma * (x - mean) / sqrt(variance + epsilon) + beta``, the mean and the sample's variance."""
    none = tf.zeros((0,))  # running statistics are not the kernel's business
    made = _kernel(x=x, scale=gamma, offset=beta, mean=none, variance=none, epsilon=epsilon, is_training=True)
    return made.y, made.batch_mean, made.batch_variance
