"""The two layers the generators need and Keras does not have, and one for the discriminators.

Everything else in :mod:`mapgan.networks` is a stock Keras layer, so the ONNX exporter can walk a
generator layer by layer and know each one by its class.
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
            # Not cast to the layer's compute type: the arithmetic below is float32.
            self.gamma = self.add_weight(
                name="gamma", shape=(channels,), initializer=self.gamma_initializer, autocast=False
            )
            self.beta = self.add_weight(name="beta", shape=(channels,), initializer="zeros", autocast=False)
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


@keras.saving.register_keras_serializable(package="mapgan")
class SpectralConv2D(keras.layers.Conv2D):
    """A convolution whose kernel is divided by its largest singular value (Miyato et al. 2018).

    The kernel ``(kh, kw, in, out)`` is read as the matrix ``W`` of ``kh * kw * in`` rows and ``out``
    columns. One power iteration a training call (algorithm 1 of the paper) follows its first singular
    pair: ``v = W u / |W u|``, ``u' = W^T v / |W^T v|``, ``sigma = v^T W u'``; the convolution is that of
    ``W / sigma``. Gradients pass through ``W`` in both places and not through ``u`` and ``v``. In use
    ``u`` stays and ``sigma = |W u|``.

    Before a normalisation the division cancels out of what the network computes, for any positive
    factor does; there it only scales the gradient. It binds in the PatchGAN's first and last layers.

    ``keras.layers.SpectralNormalization`` writes the divided kernel over the learnt one at every call,
    so that an optimiser's step starts from what another call left. Here ``kernel`` stays what the
    optimiser made of it, under the same path as in a plain convolution.

    Args:
        start: initialiser of ``u``, a variable of shape ``(out,)`` that is not trained but kept in
            checkpoints. Needed to be random: a ``u`` at right angles to the singular vector stays there.
        **kwargs: those of ``keras.layers.Conv2D``.
    """

    def __init__(self, *args: Any, start: Any = "random_normal", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.start = keras.initializers.get(start)
        self.u: Any = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create kernel and bias as a convolution does, and ``u``."""
        super().build(input_shape)
        self.u = self.add_weight(
            name="u",
            shape=(self.filters,),
            initializer=self.start,
            trainable=False,
            dtype="float32",
            autocast=False,
        )

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """The convolution with ``kernel / sigma``; moves ``u`` on when ``training``."""
        kernel = ops.cast(self.kernel, "float32")
        scaled = kernel / self._sigma(kernel, moving=bool(training))
        outputs = self.convolution_op(inputs, ops.cast(scaled, self.compute_dtype))
        if self.bias is not None:
            outputs = outputs + ops.cast(self.bias, self.compute_dtype)
        return self.activation(outputs)

    def _sigma(self, kernel: Any, *, moving: bool) -> Any:
        """The estimate of the largest singular value, a float32 scalar."""
        matrix = ops.reshape(kernel, (-1, self.filters))
        constant = ops.stop_gradient(matrix)
        u = ops.convert_to_tensor(self.u)
        v = _unit(ops.matmul(constant, u))
        if moving:
            u = _unit(ops.matmul(v, constant))
            self.u.assign(u)
        return ops.sum(v * ops.matmul(matrix, u))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "start": keras.initializers.serialize(self.start)}


def _unit(vector: Any) -> Any:
    """``vector`` at length 1, and zero where it is zero."""
    return vector * ops.rsqrt(ops.sum(ops.square(vector)) + 1e-24)
