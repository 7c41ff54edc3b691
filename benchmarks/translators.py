"""A translation as a contestant: a generator file through `mapgan.inference`, or Keras's `predict`.

    python -m benchmarks.translators export ARCHITECTURE WIDTH NORM PATH

writes the generator file with random weights. All contestants take one uint8 image and give one back.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.worker import Settings, Work, serve


def build(settings: Settings) -> tuple[Work, dict[str, Any]]:
    """See :func:`benchmarks.worker.serve`."""
    side = settings["side"]
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    if settings["way"] == "mapgan":
        return _file(settings, image)
    return _predict(settings, image)


def _file(settings: Settings, image: Any) -> tuple[Work, dict[str, Any]]:
    from mapgan.inference import Generator

    generator = Generator(Path(settings["path"]), threads=settings["threads"])

    def work() -> None:
        generator.translate(image)

    return work, {"passes": generator.windows(*image.shape[:2])}


def _predict(settings: Settings, image: Any) -> tuple[Work, dict[str, Any]]:
    import keras
    import tensorflow as tf

    from mapgan.networks import build_generator

    tf.config.threading.set_intra_op_parallelism_threads(settings["threads"])
    network = build_generator(settings["generator"], width=settings["width"], norm=settings["norm"])

    def work() -> None:
        made = network.predict(image[None].astype(np.float32) / 127.5 - 1, verbose=0)
        np.rint((made + 1) * 127.5).clip(0, 255).astype(np.uint8)

    return work, {"version": f"keras {keras.__version__}", "parameters": network.count_params()}


def export(architecture: str, width: int, norm: str, path: Path) -> None:
    """A generator file as `mapgan export` writes it, with random weights."""
    from mapgan.config import TrainConfig
    from mapgan.export import draft_card, export_generator
    from mapgan.networks import build_generator

    config = TrainConfig(generator=architecture, generator_width=width, generator_norm=norm)
    network = build_generator(architecture, width=width, norm=norm)
    draft = draft_card(
        config,
        step=0,
        name="benchmark",
        title="Benchmark",
        training_data="none",
        attribution="none",
        licence="none",
        command="none",
    )
    export_generator(network, draft, path)


if __name__ == "__main__":
    if sys.argv[1] == "export":
        export(sys.argv[2], int(sys.argv[3]), sys.argv[4], Path(sys.argv[5]))
    else:
        serve(build)
