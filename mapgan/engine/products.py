"""Small deep convolutions as matrix products, for TensorFlow on a CPU.

Near a U-Net's bottleneck a picture has few pixels and each kernel has millions of weights; there oneDNN's
convolutions reach a tenth of what the same machine's matrix product does, mostly because they rearrange the
kernel on every call. A kernel as Keras stores it, ``(height, width, in, out)``, already is a matrix, so
unfolding the few pixels into patches and multiplying costs less. Layers with many pixels stay as they are:
there the patches would be the expensive part. The measured limits are for one picture a step.

The same sums in another order: equal to the last bits only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import keras
import tensorflow as tf

from mapgan.engine.replacing import replaced

KERNEL: Final = 4
"""Side of the kernels that are handled, those of the U-Net and the PatchGAN."""
KERNEL_OVER_PATCHES: Final = 2
"""How many times as many numbers as the patches the kernel must have for unfolding. The patches have as many
rows as the layer has pixels (pictures times rows times columns) on its smaller side."""
FOLD_PIXELS: Final = 12 * 12
"""Most pixels for the opposite, which writes and adds the patches."""
KERNEL_FIRST_PIXELS: Final = 8
"""Fewest pixels for which folding multiplies with the kernel on the left, as it lies in the memory: on the
right it would be turned first, which costs more than the product."""
LEARN_PIXELS: Final = 16 * 16
"""Most pixels for the gradient of a kernel."""
MIN_CHANNELS: Final = 128
"""With fewer channels in or out the kernel is not what costs."""


@contextmanager
def used(networks: Iterable[Any]) -> Iterator[None]:
    """Trace the networks inside with the matrix forms of those layers that gain by them."""
    with ExitStack() as stack:
        for network in networks:
            for layer in network.layers:
                if type(layer) is keras.layers.Conv2D and _fits(layer):
                    stack.enter_context(replaced(layer, "convolution_op", _conv(layer)))
                elif type(layer) is keras.layers.Conv2DTranspose and _fits(layer) and layer.padding == "same":
                    stack.enter_context(replaced(layer, "call", _conv_transpose(layer)))
        yield


def _fits(layer: Any) -> bool:
    """Whether the layer is of the kind that is handled here, whatever the picture."""
    return bool(
        tuple(layer.kernel_size) == (KERNEL, KERNEL)
        and tuple(layer.strides) in {(1, 1), (2, 2)}
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.data_format == "channels_last"
        and min(layer.kernel.shape[2:]) >= MIN_CHANNELS
        and layer.compute_dtype == "float32"
        and getattr(layer, "groups", 1) == 1
        and getattr(layer, "output_padding", None) is None
    )


def _conv(layer: Any) -> Callable[[Any, Any], Any]:
    """``convolution_op`` of a convolution."""
    (stride, _), padding = layer.strides, layer.padding.upper()

    def convolve(x: Any, kernel: Any) -> Any:
        x, kernel = tf.convert_to_tensor(x), tf.convert_to_tensor(kernel)
        small = _small_side(x.shape, stride, padding, kernel.shape[-1])
        return down(x, kernel, stride, padding) if small else tf.nn.conv2d(x, kernel, stride, padding)

    return convolve


def _conv_transpose(layer: Any) -> Callable[[Any], Any]:
    """``call`` of a transposed convolution."""
    original = layer.call

    def call(x: Any) -> Any:
        if tuple(layer.strides) != (2, 2) or None in x.shape or not _gains(_pixels(x.shape), x.shape[-1]):
            return original(x)
        made = up(tf.convert_to_tensor(x), tf.convert_to_tensor(layer.kernel))
        made = made + layer.bias if layer.use_bias else made
        return layer.activation(made) if layer.activation is not None else made

    return call


def _small_side(shape: Any, stride: int, padding: str, filters: int) -> bool:
    """Whether a convolution's output has few enough pixels and its geometry is one handled here."""
    if None in shape or (stride == 2 and (padding != "SAME" or shape[1] % 2 or shape[2] % 2)):
        return False
    batch, height, width, _ = shape
    if stride == 1 and padding == "VALID":
        height, width = height - KERNEL + 1, width - KERNEL + 1
    return _gains(batch * (height // stride) * (width // stride), filters)


def _gains(pixels: int, columns: int) -> bool:
    """Whether unfolding pays for so many pixels on the smaller side of a layer, which has ``columns``
    channels there: patches and kernel have rows and columns of one length, ``pixels`` and ``columns``."""
    return pixels * KERNEL_OVER_PATCHES < columns


def down(x: Any, kernel: Any, stride: int, padding: str) -> Any:
    """``tf.nn.conv2d``: ``(n, h, w, in)`` and ``(4, 4, in, out)`` to ``(n, h', w', out)``."""

    @tf.custom_gradient  # type: ignore[untyped-decorator, unused-ignore]
    def function(x: Any, kernel: Any) -> Any:
        made = _times(_unfolded(x, stride, padding), kernel)

        def gradient(upstream: Any) -> tuple[Any, Any]:
            if stride == 2 and _pixels(upstream.shape) <= FOLD_PIXELS:
                to_x = _folded(upstream, kernel)
            else:
                to_x = tf.raw_ops.Conv2DBackpropInput(
                    input_sizes=x.shape,
                    filter=kernel,
                    out_backprop=upstream,
                    strides=[1, stride, stride, 1],
                    padding=padding,
                )
            return to_x, _to_kernel(x, kernel.shape, upstream, stride, padding)

        return made, gradient

    return function(x, kernel)


def up(x: Any, kernel: Any) -> Any:
    """``tf.nn.conv2d_transpose`` of stride 2, ``SAME``: ``(n, h, w, in)`` and ``(4, 4, out, in)`` to
    ``(n, 2 h, 2 w, out)``."""

    @tf.custom_gradient  # type: ignore[untyped-decorator, unused-ignore]
    def function(x: Any, kernel: Any) -> Any:
        batch, height, width, _ = x.shape
        if _pixels(x.shape) <= FOLD_PIXELS:
            made = _folded(x, kernel)
        else:
            sizes = [batch, 2 * height, 2 * width, kernel.shape[2]]
            made = tf.nn.conv2d_transpose(x, kernel, sizes, 2, "SAME")

        def gradient(upstream: Any) -> tuple[Any, Any]:
            to_x = _times(_unfolded(upstream, 2, "SAME"), kernel)
            return to_x, _to_kernel(upstream, kernel.shape, x, 2, "SAME")

        return made, gradient

    return function(x, kernel)


def _pixels(shape: Any) -> int:
    """Of all pictures of a batch."""
    batch, height, width, _ = shape
    return int(batch * height * width)


def _unfolded(x: Any, stride: int, padding: str) -> Any:
    """Patches, ``(n, h', w', 16 channels)``, in the order of a kernel's first three axes."""
    sizes, strides = [1, KERNEL, KERNEL, 1], [1, stride, stride, 1]
    return tf.raw_ops.ExtractImagePatches(
        images=x, ksizes=sizes, strides=strides, rates=[1, 1, 1, 1], padding=padding
    )


def _times(patches: Any, kernel: Any) -> Any:
    """``(n, h, w, 16 a)`` and ``(4, 4, a, b)`` to ``(n, h, w, b)``."""
    batch, height, width, depth = patches.shape
    product = tf.matmul(tf.reshape(patches, (-1, depth)), tf.reshape(kernel, (depth, -1)))
    return tf.reshape(product, (batch, height, width, kernel.shape[-1]))


def _folded(x: Any, kernel: Any) -> Any:
    """The transpose of unfolding with stride 2 and multiplying: ``(n, h, w, b)`` and ``(4, 4, a, b)`` to
    ``(n, 2 h, 2 w, a)``.

    Row 2 i of the result is tap 1 of row i and tap 3 of row i - 1, row 2 i + 1 is tap 2 of row i and tap 0 of
    row i + 1; the columns alike.
    """
    batch, height, width, depth = x.shape
    pixels, matrix = tf.reshape(x, (-1, depth)), tf.reshape(kernel, (-1, depth))
    if _pixels(x.shape) < KERNEL_FIRST_PIXELS:
        taps = tf.matmul(pixels, matrix, transpose_b=True)
    else:
        taps = tf.transpose(tf.matmul(matrix, pixels, transpose_b=True))
    taps = tf.reshape(taps, (batch, height, width, KERNEL, KERNEL, -1))
    rows = tf.stack(
        [
            taps[:, :, :, 1] + tf.pad(taps[:, :-1, :, 3], ((0, 0), (1, 0), (0, 0), (0, 0), (0, 0))),
            taps[:, :, :, 2] + tf.pad(taps[:, 1:, :, 0], ((0, 0), (0, 1), (0, 0), (0, 0), (0, 0))),
        ],
        axis=2,
    )  # n, h, 2, w, 4, a
    rows = tf.reshape(rows, (batch, 2 * height, width, KERNEL, -1))
    columns = tf.stack(
        [
            rows[:, :, :, 1] + tf.pad(rows[:, :, :-1, 3], ((0, 0), (0, 0), (1, 0), (0, 0))),
            rows[:, :, :, 2] + tf.pad(rows[:, :, 1:, 0], ((0, 0), (0, 0), (0, 1), (0, 0))),
        ],
        axis=3,
    )  # n, 2 h, w, 2, a
    return tf.reshape(columns, (batch, 2 * height, 2 * width, kernel.shape[2]))


def _to_kernel(large: Any, shape: Any, small: Any, stride: int, padding: str) -> Any:
    """Gradient of the kernel between the side with more pixels and the one with fewer, ``shape``."""
    if _pixels(small.shape) > LEARN_PIXELS:
        return tf.raw_ops.Conv2DBackpropFilter(
            input=large,
            filter_sizes=shape,
            out_backprop=small,
            strides=[1, stride, stride, 1],
            padding=padding,
        )
    patches = _unfolded(large, stride, padding)
    flat = tf.reshape(patches, (-1, patches.shape[-1])), tf.reshape(small, (-1, small.shape[-1]))
    return tf.reshape(tf.matmul(*flat, transpose_a=True), shape)
