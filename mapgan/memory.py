"""How much memory a run will need, said before it starts, and how much the machine has.

A rough figure from the networks' shapes: what is kept for the backward passes dominates, and how much
of it a backend frees early or copies once more is not known beforehand.
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import sys
from pathlib import Path
from typing import Any

from mapgan.config import TrainConfig
from mapgan.engine.state import TrainState
from mapgan.sizing import FLOAT, PASSES, RUNTIME, WORK


def estimate(state: TrainState, config: TrainConfig, pictures: int) -> int:
    """Bytes that a run holds at most, roughly.

    Args:
        state: its networks, optimisers, averages and pools, built.
        config: sizes and batch.
        pictures: pictures in memory, at ``load_size``.
    """
    variables = sum(_bytes(variable) for variable in state.variables().values())
    gradients = sum(_bytes(weight) for adam in state.adams.values() for weight in adam.weights.values())
    model = state.model
    generator, discriminator = PASSES[config.model]
    kept = generator * _outputs(model.networks[model.generators[0]]) + discriminator * _outputs(
        model.networks[model.discriminators[0]]
    )
    data = 3 * pictures * config.load_size**2
    # A checkpoint is a copy of all variables for the time of its writing.
    return int(RUNTIME + 2 * variables + gradients + WORK * FLOAT * config.batch_size * kept + data)


def available() -> int | None:
    """Bytes that this process may use: the machine's memory, or its container's limit; None if unknown."""
    limits = []
    with contextlib.suppress(ValueError, OSError):
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            limits.append(int((Path("/sys/fs/cgroup") / name).read_text()))
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return min(limits, default=None)


def peak() -> int:
    """The most bytes that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _outputs(network: Any) -> int:
    """Numbers that all layers of a network give for one picture."""
    return sum(
        math.prod(side for side in tensor.shape if side is not None)
        for layer in network.layers
        for tensor in _flat(layer.output)
    )


def _flat(output: Any) -> list[Any]:
    """A layer's outputs as a list."""
    return list(output) if isinstance(output, list | tuple) else [output]


def _bytes(variable: Any) -> int:
    """Of a variable of 32- or 64-bit numbers."""
    return int(math.prod(variable.shape)) * (8 if str(variable.dtype).endswith("64") else 4)
