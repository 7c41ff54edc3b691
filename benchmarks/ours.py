"""MapGAN as a contestant: a training step of the engine of ``KERAS_BACKEND``, as `mapgan train` makes it.

Needs `mapgan`, Keras and the backend alone, so that it can be carried to a machine with a GPU and JAX.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from benchmarks.worker import Settings, Work, serve
from mapgan import engine
from mapgan.config import TrainConfig
from mapgan.cyclegan import CycleGAN
from mapgan.engine import Model
from mapgan.pix2pix import Pix2Pix
from mapgan.presets import preset

MODELS: dict[str, Callable[[TrainConfig], Model]] = {"pix2pix": Pix2Pix, "cyclegan": CycleGAN}


def build(settings: Settings) -> tuple[Work, dict[str, Any]]:
    """See :func:`benchmarks.worker.serve`: the preset `seed` with another norm, width, size or precision."""
    norm, width = settings["norm"], settings["width"]
    config = preset(
        "seed",
        model=settings["task"],
        generator=settings["generator"],
        generator_width=width,
        discriminator_width=width,
        generator_norm=norm,
        discriminator_norm=norm,
        image_size=settings["side"],
        load_size=settings["side"],
        batch_size=settings.get("batch", 1),
        precision=settings.get("precision", "float32"),
        deterministic=settings.get("deterministic", True),
    )
    backend = engine.select()
    backend.prepare(deterministic=config.deterministic, threads=settings["threads"])
    state = engine.build(backend, MODELS[config.model], config)
    update = backend.compile_step(state)
    batches = itertools.cycle(_pictures(config.batch_size, config.image_size))
    chunk, rate = settings.get("chunk", 1), config.learning_rate

    def work() -> dict[str, Any]:
        for _ in range(chunk):
            losses = update(*next(batches), rate)
        return {"losses": {name: float(value) for name, value in losses.items()}}

    return work, {
        "version": f"keras {keras.__version__}, {keras.backend.backend()}",
        "threads": backend.threads(),
        "parameters": sum(
            int(np.prod(weight.shape)) for adam in state.adams.values() for weight in adam.weights.values()
        ),
    }


def _pictures(batch: int, side: int) -> list[tuple[Any, Any]]:
    """A few random batches, uint8 (batch, side, side, 3)."""
    rng = np.random.default_rng(0)
    shape = (batch, side, side, 3)
    return [(rng.integers(0, 256, shape, np.uint8), rng.integers(0, 256, shape, np.uint8)) for _ in range(8)]


if __name__ == "__main__":
    serve(build)
