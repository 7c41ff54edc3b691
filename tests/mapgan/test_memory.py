"""The estimate before the start: right in its parts, and of the right size."""

from __future__ import annotations

from mapgan import memory
from mapgan.config import TrainConfig
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
    assert base > memory.RUNTIME
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
