"""The two layers the generators need and Keras does not have.

Everything else in :mod:`mapgan.networks` is a stock Keras layer, so the ONNX exporter can walk a
network layer by layer and know each one by its class.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="mapgan")
class InstanceNorm(keras.layers.Layer):
    """Normalise each channel of each image by its own mean and variance over height and width.

    ``y = gamma * (x - mean) / sqrt(variance + epsilon) + beta`` (Ulyanov et al. 2016), with the
    biased variance. The same in training and in use, and independent of who shares the batch.

    Args:
        affine: learn ``gamma`` and ``beta`` (one each a channel); without it they are 1 and 0.
        epsilon: added to the variance; 1e-5 as in the reference implementations.
        gamma_initializer: used when ``affine``; the networks pass N(1, 0.02).

    Input and output: ``(batch, height, width, channels)``. Statistics are taken in float32 under
    any mixed-precision policy, because bfloat16 sums over 65,536 pixels lose the variance.
    """

    def __init__(
        self,
        affine: bool = True,
        epsilon: float = 1e-5,
        gamma_initializer: Any = "ones",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.affine = affine
        self.epsilon = epsilon
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.gamma: Any = None
        self.beta: Any = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create ``gamma`` and ``beta`` of shape ``(channels,)`` when affine."""
        channels = input_shape[-1]
        if self.affine:
            self.gamma = self.add_weight(name="gamma", shape=(channels,), initializer=self.gamma_initializer)
            self.beta = self.add_weight(name="beta", shape=(channels,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """Normalise ``inputs``; written as one scale and one shift so that a CPU makes two passes."""
        x = ops.cast(inputs, "float32")
        mean, variance = ops.moments(x, axes=(1, 2), keepdims=True)
        scale = ops.rsqrt(variance + self.epsilon)
        if self.affine:
            scale = scale * ops.cast(self.gamma, "float32")
        shift = -mean * scale
        if self.affine:
            shift = shift + ops.cast(self.beta, "float32")
        return ops.cast(x * scale + shift, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape does not change."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        own = {
            "affine": self.affine,
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
        }
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(package="mapgan")
class ReflectPad(keras.layers.Layer):
    """Pad height and width by ``padding`` pixels on each side, mirroring without repeating the edge.

    ``(batch, h, w, c) -> (batch, h + 2 * padding, w + 2 * padding, c)``; height and width must be
    greater than ``padding``.
    """

    def __init__(self, padding: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if padding < 1:
            raise ValueError(f"padding must be at least 1, not {padding}")
        self.padding = padding

    def call(self, inputs: Any) -> Any:
        """Mirror the borders of ``inputs``."""
        around = (self.padding, self.padding)
        return ops.pad(inputs, ((0, 0), around, around, (0, 0)), mode="reflect")

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Two paddings more on each spatial side; unknown stays unknown."""
        batch, height, width, channels = input_shape
        more = 2 * self.padding
        return (
            batch,
            None if height is None else height + more,
            None if width is None else width + more,
            channels,
        )

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "padding": self.padding}
