"""The estimate before the start: right in its parts, and of the right size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mapgan import memory, sizing
from mapgan.config import TrainConfig
from mapgan.cyclegan import CycleGAN
from mapgan.engine.state import TrainState
from mapgan.pix2pix import Pix2Pix


def state(config: TrainConfig) -> TrainState:
    """Built, never run."""
    return TrainState(Pix2Pix(config), config)


def test_what_makes_it_grow() -> None:
    """Pictures by their bytes; a batch of two keeps twice as much; averages are one copy more, twice."""
    small = {"generator": "unet_32", "generator_width": 2, "discriminator_width": 2, "image_size": 32}
    config = TrainConfig(**small, load_size=40)
    built = state(config)
    base = memory.estimate(built, config, 0)
    assert base > sizing.RUNTIME
    assert memory.estimate(built, config, 10) - base == 10 * 40 * 40 * 3
    two, three = (
        memory.estimate(built, TrainConfig(**small, load_size=40, batch_size=size), 0) for size in (2, 3)
    )
    assert three - two == two - base > 0
    averaged = TrainConfig(**small, load_size=40, ema_decay=0.9)
    weights = built.adams["generators"].weights.values()
    more = memory.estimate(state(averaged), averaged, 0) - base
    assert more == 2 * 4 * sum(int(weight.value.shape.num_elements()) for weight in weights)


def test_the_machine() -> None:
    """What it has, and what this process took of it."""
    there = memory.available()
    assert there is not None
    assert 2**20 < memory.peak() < there


@pytest.mark.parametrize(
    "changes",
    [
        {"generator": "unet_32", "image_size": 32},
        {"generator": "unet_64", "image_size": 128, "generator_norm": "batch", "upsample": "resize"},
        {"generator": "unet_256", "image_size": 256, "generator_norm": "instance", "dropout": 0.0},
        {"generator": "resnet_6", "image_size": 64, "ema_decay": 0.9, "batch_size": 3},
        {"generator": "resnet_9", "image_size": 36, "upsample": "resize", "discriminator_norm": "batch"},
        {"generator": "unet_32", "image_size": 32, "spectral_norm": True, "discriminator_norm": "instance"},
        {"model": "cyclegan", "generator": "resnet_6", "image_size": 32, "pool_size": 3, "ema_decay": 0.9},
    ],
)
def test_the_configuration_alone_says_as_much(changes: dict[str, Any]) -> None:
    """Without building anything: the same weights, and all but the random generators' few numbers."""
    config = TrainConfig(**{"generator_width": 3, "discriminator_width": 5, "load_size": 256, **changes})
    model = CycleGAN(config) if config.model == "cyclegan" else Pix2Pix(config)
    built = TrainState(model, config)
    size = sizing.size_of(config)
    trained = {
        name: sum(int(np.prod(weight.shape)) for weight in adam.weights.values())
        for name, adam in built.adams.items()
    }
    assert trained == {"generators": size.generator, "discriminators": size.discriminator}
    exact = sum(
        int(np.prod(variable.shape)) * (8 if str(variable.dtype).endswith("64") else 4)
        for variable in built.variables().values()
    )
    assert 0 <= exact - size.variables < 300
    assert 0 <= memory.estimate(built, config, 0) - size.memory < 600
