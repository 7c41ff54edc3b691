"""The composite way as a contestant: `predict`, `train_on_batch` of D, `train_on_batch` of a joined model.

That is how the first MapGAN trained and how Keras tutorials for Pix2Pix and CycleGAN do it. Its trick, one
model inside another with ``trainable = False``, is broken in Keras 3: what a model updates is decided when
its function is traced, so after the freezing D would learn nothing but its batch norms. Here every model is
compiled and traced right after the flags are set for it, and each is then checked: it changes its own
kernels and nobody else's.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from benchmarks.ours import _pictures
from benchmarks.worker import Settings, Work, serve
from mapgan.networks import build_discriminator, build_generator

RATE, BETA_1 = 2e-4, 0.5
POOL_SIZE = 50


def build(settings: Settings) -> tuple[Work, dict[str, Any]]:
    """See :func:`benchmarks.worker.serve`."""
    tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])
    step, networks = {"pix2pix": pix2pix, "cyclegan": cyclegan}[settings["task"]](settings)
    signed = [
        tuple(batch.astype(np.float32) / 127.5 - 1 for batch in pair)
        for pair in _pictures(1, settings["side"])
    ]
    batches = itertools.cycle(signed)
    weights = sum(int(np.prod(weight.shape)) for each in networks for weight in _learnt(each))
    return lambda: step(*next(batches)), {
        "version": f"keras {keras.__version__}, tensorflow {tf.__version__}",
        "parameters": weights,
    }


@dataclass(frozen=True)
class Part:
    """What one model of the composite way learns, from what, and what lies in it frozen."""

    learning: list[Any]
    frozen: list[Any]
    loss: Any
    weights: list[float]
    data: tuple[Any, Any]


def pix2pix(settings: Settings) -> tuple[Callable[..., None], list[Any]]:
    """One step: ``predict``, D on the real pair, D on the made pair, then the composite."""
    g = _generator(settings)
    d = _discriminator(settings, channels=6)
    bce = keras.losses.BinaryCrossentropy(from_logits=True)
    source = keras.Input(g.input_shape[1:])
    made = g(source)
    composite = keras.Model(source, [d(keras.layers.Concatenate()([source, made])), made])
    real, fake = (np.full((1, *d.output_shape[1:]), label, np.float32) for label in (1, 0))
    picture, pair = _noise(g.input_shape), _noise(d.input_shape)
    _make(
        {
            d: Part([d], [g], bce, [0.5], (pair, real)),
            composite: Part([g], [d], [bce, "mae"], [1.0, 100.0], (picture, [real, picture])),
        }
    )

    def step(first: Any, second: Any) -> None:
        fakes = g.predict(first, verbose=0)
        d.train_on_batch(np.concatenate([first, second], -1), real)
        d.train_on_batch(np.concatenate([first, fakes], -1), fake)
        composite.train_on_batch(first, [real, second])

    return step, [g, d]


def cyclegan(settings: Settings) -> tuple[Callable[..., None], list[Any]]:
    """One step: two ``predict``, pools, a composite for each generator, two updates of each D."""
    makers = [_generator(settings, name) for name in ("a_to_b", "b_to_a")]
    judges = [_discriminator(settings, channels=3, name=name) for name in ("d_a", "d_b")]
    everyone = [*makers, *judges]
    picture = _noise(makers[0].input_shape)
    real, fake = (np.full((1, *judges[0].output_shape[1:]), label, np.float32) for label in (1, 0))
    parts = {d: Part([d], _others(everyone, d), "mse", [0.5], (picture, real)) for d in judges}
    composites = [_cycle(makers[0], makers[1], judges[1]), _cycle(makers[1], makers[0], judges[0])]
    data = ([picture, picture], [real, picture, picture, picture])
    for model, maker in zip(composites, makers, strict=True):
        weights = [1.0, 5.0, 10.0, 10.0]
        parts[model] = Part([maker], _others(everyone, maker), ["mse", "mae", "mae", "mae"], weights, data)
    _make(parts)
    pools: tuple[list[Any], list[Any]] = ([], [])

    def step(a: Any, b: Any) -> None:
        fake_a = _exchange(pools[0], makers[1].predict(b, verbose=0))
        fake_b = _exchange(pools[1], makers[0].predict(a, verbose=0))
        composites[1].train_on_batch([b, a], [real, a, b, a])
        judges[0].train_on_batch(a, real)
        judges[0].train_on_batch(fake_a, fake)
        composites[0].train_on_batch([a, b], [real, b, a, b])
        judges[1].train_on_batch(b, real)
        judges[1].train_on_batch(fake_b, fake)

    return step, everyone


def _cycle(maker: Any, back: Any, judge: Any) -> Any:
    """``[x, y] -> [verdict on made y, identity y, x there and back, y back and there]``."""
    shape = maker.input_shape[1:]
    x, y = keras.Input(shape), keras.Input(shape)
    made = maker(x)
    return keras.Model([x, y], [judge(made), maker(y), back(made), maker(back(y))])


def _make(parts: dict[Any, Part]) -> None:
    """Every model ready, then every model proved."""
    for model, part in parts.items():
        _ready(model, part)
    for model, part in parts.items():
        _prove(model, part)


def _others(networks: list[Any], one: Any) -> list[Any]:
    return [each for each in networks if each is not one]


def _noise(shape: tuple[int | None, ...]) -> Any:
    """A picture on which every kernel has a gradient."""
    return np.random.default_rng(0).uniform(-1, 1, (1, *(side or 1 for side in shape[1:]))).astype(np.float32)


def _ready(model: Any, part: Part) -> None:
    """Compile and trace ``model`` so that it updates the learning networks of ``part``."""
    for group, learns in ((part.learning, True), (part.frozen, False)):
        for layer in itertools.chain(*(network.layers for network in group)):
            # As the tutorials do: the batch norms of a frozen D go on.
            layer.trainable = learns or isinstance(layer, keras.layers.BatchNormalization)
    optimizer = keras.optimizers.Adam(RATE, beta_1=BETA_1)
    model.compile(optimizer=optimizer, loss=part.loss, loss_weights=part.weights)
    model.train_on_batch(*part.data)


def _prove(model: Any, part: Part) -> None:
    """Check, after all models were made ready, that a call updates what it should.

    Raises:
        RuntimeError: a kernel that should have changed did not, or the other way round.
    """
    before = [_kernels(group) for group in (part.learning, part.frozen)]
    model.train_on_batch(*part.data)
    for group, old, should in zip((part.learning, part.frozen), before, (True, False), strict=True):
        for kernel, was in zip(_kernels(group), old, strict=True):
            if np.array_equal(kernel, was) is should:
                raise RuntimeError(f"{model.name}: the wrong weights were updated")


def _kernels(networks: Iterable[Any]) -> list[Any]:
    """Copies of each network's first and last kernel."""
    found = []
    for network in networks:
        layers = [layer for layer in network.layers if hasattr(layer, "kernel")]
        found += [keras.ops.convert_to_numpy(layer.kernel).copy() for layer in (layers[0], layers[-1])]
    return found


def _learnt(network: Any) -> list[Any]:
    """Weights that some model updates: all but the running statistics."""
    return [
        weight for weight in network.weights if "moving_" not in weight.path and "seed" not in weight.path
    ]


def _generator(settings: Settings, name: str = "g") -> Any:
    size = settings["side"]
    network = build_generator(
        settings["generator"], width=settings["width"], norm=settings["norm"], image_size=size
    )
    return keras.Model(network.input, network.output, name=name)


def _discriminator(settings: Settings, *, channels: int, name: str = "d") -> Any:
    size = settings["side"]
    network = build_discriminator(
        channels=channels, width=settings["width"], norm=settings["norm"], image_size=size
    )
    return keras.Model(network.input, network.output, name=name)


def _exchange(pool: list[Any], made: Any) -> Any:
    """The tutorials' pool of 50."""
    if len(pool) < POOL_SIZE:
        pool.append(made)
        return made
    if random.random() < 0.5:  # noqa: S311 - no secret
        return made
    place = random.randrange(POOL_SIZE)  # noqa: S311
    pool[place], made = made, pool[place]
    return made


if __name__ == "__main__":
    serve(build)
