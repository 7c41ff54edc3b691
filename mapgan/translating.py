"""A network in memory as Pix2Pix runs it at test time, without leaving a trace in it.

Dropout is off, and whatever is normalised is normalised by the image's own statistics: an instance
norm does that anyway; batch normalisation does it in training mode with one image at a time (section 3.3 of
the paper and the authors' code). The moving averages and random states that training mode would
change are computed and thrown away, so a run that is looked at stays, bit for bit, the run it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from mapgan.imageio import from_unit, to_unit

Pictures: TypeAlias = npt.NDArray[np.uint8]
Floats: TypeAlias = npt.NDArray[np.float32]
Translate: TypeAlias = Callable[[Pictures], Pictures]
Forward: TypeAlias = Callable[[list[Any], list[Any], Any], Any]


@contextmanager
def at_test_time(
    network: keras.Model, averages: Mapping[str, Any] | None = None
) -> Iterator[Callable[[Any], Floats]]:
    """The network as a function of float batches, as described above.

    Args:
        network: functional, of one input.
        averages: other values for its trained weights, by ``weight.path`` (the running means of a run);
            the network keeps its own.

    Yields:
        ``(batch, height, width, channels)`` to the network's output, float32, both NumPy arrays.
    """
    batch_norms = any(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)
    dropouts = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    rates = [layer.rate for layer in dropouts]
    weights = network.trainable_variables
    if averages is not None:
        weights = [averages[weight.path] for weight in weights]
    as_function = _compiled if keras.backend.backend() == "jax" else _forward
    forward = as_function(network, batch_norms)

    def run(batch: Any) -> Floats:
        trained, others = (
            [keras.ops.convert_to_tensor(variable) for variable in variables]
            for variables in (weights, network.non_trainable_variables)
        )
        return np.asarray(keras.ops.convert_to_numpy(forward(trained, others, batch)))

    try:
        for layer in dropouts:
            layer.rate = 0.0
        yield lambda batch: np.concatenate([run(one[None]) for one in batch]) if batch_norms else run(batch)
    finally:
        for layer, rate in zip(dropouts, rates, strict=True):
            layer.rate = rate


def _forward(network: keras.Model, training: bool) -> Forward:
    """The network as a function of its weights, its other variables and a batch."""

    def forward(weights: list[Any], others: list[Any], batch: Any) -> Any:
        outputs, _ = network.stateless_call(weights, others, batch, training=training)
        return keras.ops.cast(outputs, "float32")

    return forward


@lru_cache(maxsize=8)
def _compiled(network: keras.Model, training: bool) -> Forward:
    """The same as one program of JAX, kept with its network while a run lasts.

    JAX compiles every operation of every shape by itself when it is called one by one, which takes
    minutes for a large network. For TensorFlow a graph would save less than making it costs, and whoever
    looks at many networks one after the other would keep the last ones for nothing.
    """
    import jax

    compiled: Forward = jax.jit(_forward(network, training))
    return compiled


@contextmanager
def translator(network: keras.Model, averages: Mapping[str, Any] | None = None) -> Iterator[Translate]:
    """A generator as a function of pictures, one after the other whatever the batch.

    Args:
        network: a generator, ``(1, s, s, 3)`` in [-1, 1] to the same.
        averages: see :func:`at_test_time`.

    Yields:
        uint8 ``(n, s, s, 3)`` to uint8 of the same shape.
    """
    with at_test_time(network, averages) as run:

        def translate(pictures: Pictures) -> Pictures:
            made = np.empty_like(pictures)
            for index, picture in enumerate(pictures):
                made[index] = from_unit(run(to_unit(picture[None]))[0])
            return made

        yield translate
