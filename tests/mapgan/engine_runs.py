"""Runs of an engine in a process of its own: another Keras backend, or other devices.

``python -m tests.mapgan.engine_runs FOLDER END STEPS CASE...`` starts each case from the checkpoint in
``FOLDER/CASE/start``, makes the steps and leaves one in ``FOLDER/CASE/END`` with the losses of every step
in its environment, or ``FOLDER/CASE.error``.
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
BEFORE_NO_NORM: Final = {"resnet_6": ("head_conv",), "unet_16": ("up1_conv", "down1_conv", "down4_conv")}

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
    "generator_width": 1,
    "discriminator_width": 2,
    "generator_norm": "instance",
    "discriminator_norm": "instance",
    "gan_loss": "lsgan",
    "learning_rate": 2e-5,
    "pool_size": STEPS + 1,  # so it is filling all the time, and nothing is drawn
}
CASES: Final[dict[str, dict[str, Any]]] = {
    "batch": {**SMALL, **BATCH_NORM},
    "affine": SMALL,
    "cycle": {**SMALL, **CYCLE},
    "bfloat16": {**SMALL, "precision": "bfloat16"},
    "two": {**SMALL, "batch_size": 2},
    "two_cycle": {**SMALL, **CYCLE, "generator": "unet_16", "batch_size": 2, "pool_size": 3},
    "three": {**SMALL, "batch_size": 3},
}


def pictures(step: int, batch: int = 1, *, model: str = "pix2pix") -> tuple[Any, Any]:
    """Two uint8 batches of random squares; noise, dark and bright, for CycleGAN.

    Chosen for calm: with these no gradient is a sum that nearly cancels.
    """
    rng = np.random.default_rng(step)
    if model == "cyclegan":
        dark, bright = rng.integers(0, 100, (2, batch, SIDE, SIDE, 3), dtype=np.uint8)
        return dark, bright + np.uint8(155)
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


def be_on_its_way(backend: Any, config: Any, state: Any) -> None:
    """As if a thousand updates had been made: Adam's second moments are the mean of each tensor's.

    In its first updates Adam divides every gradient by itself, so a weight moves by the whole rate in the
    direction of rounding noise, and one ReLU of half a million in a CycleGAN's ten passes that flips by
    rounding moves many. Two runs of one engine from weights 1e-7 apart are 5e-3 apart after one update.
    """
    make_steps(backend, config, state, 1)
    for adam in state.adams.values():
        adam.iterations.assign(1000)
        for moment in adam.second.values():
            mean = float(np.mean(moment.numpy())) / (1 - adam.beta_2)
            # Not less: a bias before a norm has noise for a gradient, and each engine its own.
            moment.assign(np.full(moment.shape, max(mean, 1e-6), np.float32))


def leave(folder: Path, step: int, config: Any, state: Any, **environment: Any) -> None:
    """Write the state as a run's checkpoint."""
    from mapgan import checkpoints

    checkpoints.save(folder, step=step, config=config, variables=state.variables(), environment=environment)


def make_steps(backend: Any, config: Any, state: Any, count: int = STEPS) -> list[dict[str, float]]:
    """The losses of so many updates; the state is in its variables afterwards."""
    update = backend.compile_step(state)
    losses = [
        update(*pictures(step, config.batch_size, model=config.model), config.learning_rate)
        for step in range(count)
    ]
    update.sync()
    return [{name: float(value) for name, value in each.items()} for each in losses]


def is_noise(case: str, path: str) -> bool:
    """Whether it is a bias before a norm: its gradient is zero, and Adam amplifies the rounding noise."""
    *_, layer, weight = path.split("/")
    if weight != "bias" or "cycle" not in case:
        return False
    return layer not in ("patch1_conv", "patch5_conv", *BEFORE_NO_NORM[CASES[case]["generator"]])


def run(
    folder: Path,
    *cases: str,
    backend: str,
    end: str,
    steps: int = STEPS,
    xla: str = "",
    **environment: str,
) -> None:
    """Run this module in a process of its own."""
    # Programs that run ten times need no optimiser, which takes most of the time.
    flags = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    subprocess.run(
        [sys.executable, "-m", "tests.mapgan.engine_runs", str(folder), end, str(steps), *cases],
        cwd=ROOT,
        env={
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "KERAS_BACKEND": backend,
            "XLA_FLAGS": f"{flags} {xla}".strip(),
            **environment,
        },
        check=True,
    )


def main(folder: Path, end: str, steps: int, cases: list[str]) -> None:
    """See the module."""
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
        losses = make_steps(backend, config, state, steps)
        leave(folder / case / end, steps, config, state, losses=json.dumps(losses))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4:])
