"""A zero pixel around a picture, left to the convolution that follows, for TensorFlow on a CPU.

The PatchGAN pads by a layer of its own, as its authors' code does, and then convolves what is "valid".
Where a 4x4 kernel takes two pixels a step of an even side, that is the padding which "same" means: the
convolution then does it inside, forwards and back, and no padded copy is made or cut. The very same sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import tensorflow as tf

from mapgan.engine.replacing import replaced


@contextmanager
def used(networks: Iterable[Any]) -> Iterator[None]:
    """Trace the networks inside without the padding layers that a convolution can do without."""
    with ExitStack() as stack:
        for network in networks:
            for layer in network.layers:
                follower = _convolution_after(layer)
                if follower is not None:
                    stack.enter_context(replaced(layer, "call", lambda inputs: inputs))
                    stack.enter_context(replaced(follower, "convolution_op", _padded(follower)))
        yield


def _convolution_after(layer: Any) -> Any:
    """The only layer that takes what this one pads, if it is a convolution of the kind handled here."""
    if type(layer) is not keras.layers.ZeroPadding2D or layer.padding != ((1, 1), (1, 1)):
        return None
    followers = [node.operation for node in layer._outbound_nodes]
    if len(followers) != 1 or type(followers[0]) is not keras.layers.Conv2D:
        return None
    (conv,) = followers
    fits = (
        tuple(conv.kernel_size) == (4, 4)
        and tuple(conv.strides) == (2, 2)
        and tuple(conv.dilation_rate) == (1, 1)
        and conv.groups == 1
        and conv.padding == "valid"
        and conv.data_format == layer.data_format == "channels_last"
    )
    return conv if fits else None


def _padded(layer: Any) -> Callable[[Any, Any], Any]:
    """``convolution_op`` of a convolution whose input comes without its zeros."""
    original = layer.convolution_op

    def convolve(x: Any, kernel: Any) -> Any:
        _, height, width, _ = x.shape
        if None in (height, width) or height % 2 or width % 2:
            return original(tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), kernel)
        return tf.nn.conv2d(x, tf.convert_to_tensor(kernel), 2, "SAME")

    return convolve
