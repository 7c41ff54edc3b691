"""Runs of an engine in a process of its own: another Keras backend, or other devices.

``python -m tests.mapgan.engine_runs FOLDER CASE...`` starts each case from the checkpoint
``FOLDER/CASE/start``, makes the steps and leaves ``FOLDER/CASE/<backend>``: a checkpoint with the losses
of every step in its environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

ROOT: Final = Path(__file__).parents[2]
SIDE: Final = 64
STEPS: Final = 10

SMALL: Final[dict[str, Any]] = {
    "generator": "unet_64",
    "generator_width": 4,
    "discriminator_width": 4,
    "image_size": SIDE,
    "load_size": SIDE,
    "dropout": 0.0,
    "seed": 3,
    "ema_decay": 0.9,
}
BATCH_NORM: Final = {"generator_norm": "batch", "discriminator_norm": "batch"}
CYCLE: Final[dict[str, Any]] = {
    "model": "cyclegan",
    "generator": "resnet_6",
    "generator_width": 2,
    "generator_norm": "instance",
    "discriminator_norm": "instance",
    "gan_loss": "lsgan",
    "pool_size": STEPS,  # so it is filling all the time, and nothing is drawn
}
CASES: Final[dict[str, dict[str, Any]]] = {
    "batch": {**SMALL, **BATCH_NORM},
    "affine": {**SMALL, "discriminator_width": 2},
    "cycle": {**SMALL, **CYCLE},
    "bfloat16": {**SMALL, "precision": "bfloat16"},
    "two": {**SMALL, "batch_size": 2},
    "two_cycle": {**SMALL, **CYCLE, "batch_size": 2, "pool_size": 3},
    "three": {**SMALL, "batch_size": 3},
}


def pictures(step: int, batch: int = 1) -> tuple[Any, Any]:
    """Two batches of soft random blobs, uint8."""
    rng = np.random.default_rng(step)
    coarse = rng.integers(0, 256, (2, batch, SIDE // 8, SIDE // 8, 3), dtype=np.uint8)
    first, second = coarse.repeat(8, axis=2).repeat(8, axis=3)
    return first, second


def begin(case: str) -> tuple[Any, Any, Any]:
    """Engine, configuration and new state of a case, for the backend of this process."""
    from mapgan import engine
    from mapgan.config import TrainConfig
    from mapgan.training import MODELS

    config = TrainConfig(**CASES[case])
    backend = engine.select()
    backend.prepare(deterministic=False, threads=None)
    return backend, config, engine.build(backend, MODELS[config.model], config)


def leave(folder: Path, step: int, config: Any, state: Any, **environment: Any) -> None:
    """Write the state as a run's checkpoint."""
    from mapgan import checkpoints

    checkpoints.save(folder, step=step, config=config, variables=state.variables(), environment=environment)


def make_steps(backend: Any, config: Any, state: Any, count: int = STEPS) -> list[dict[str, float]]:
    """The losses of so many updates; the state is in its variables afterwards."""
    update = backend.compile_step(state)
    losses = [update(*pictures(step, config.batch_size), config.learning_rate) for step in range(count)]
    update.sync()
    return [{name: float(value) for name, value in each.items()} for each in losses]


def run(folder: Path, *cases: str, backend: str, **environment: str) -> None:
    """Run this module in a process of its own; what it prints on stderr is in the error."""
    subprocess.run(
        [sys.executable, "-m", "tests.mapgan.engine_runs", str(folder), *cases],
        cwd=ROOT,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": backend, **environment},
        check=True,
        text=True,
        capture_output=True,
    )


def main(folder: Path, cases: list[str]) -> None:
    """See the module."""
    import keras

    from mapgan import checkpoints
    from mapgan.engine import EngineError

    if count := int(os.environ.get("TF_DEVICES", "0")):
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    for case in cases:
        try:
            backend, config, state = begin(case)
        except EngineError as error:
            (folder / f"{case}.error").write_text(str(error))
            continue
        start = checkpoints.latest(folder / case / "start")
        checkpoints.assign(checkpoints.read_arrays(start), state.variables(), start.path)
        losses = make_steps(backend, config, state)
        leave(folder / case / keras.backend.backend(), STEPS, config, state, losses=json.dumps(losses))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
