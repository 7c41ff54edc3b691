"""Every preset is a run that starts: its networks at full size, and one step of it in small."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest

from mapgan import engine
from mapgan.config import MODELS
from mapgan.engine.state import TrainState
from mapgan.networks import discriminator_for, generator_for
from mapgan.presets import PRESETS, preset
from mapgan.training import MODELS as CLASSES

UNET, RESNET_9, RESNET_6 = 54_413_955, 11_378_179, 7_837_699
COUNTS = {
    # generator and discriminator; the narrow ones of `draft` are worked out below
    ("seed", "pix2pix"): (UNET, 2_768_705),
    ("reference", "pix2pix"): (UNET, 2_768_705),
    ("seed", "cyclegan"): (RESNET_9, 2_764_737),
    ("reference", "cyclegan"): (RESNET_9, 2_764_737),
}
EVERY = [(name, model) for name in PRESETS for model in MODELS]


def trained(network: Any) -> int:
    """Number of trained weights."""
    return sum(math.prod(weight.shape) for weight in network.trainable_weights)


def resnet(width: int, blocks: int, *, affine: bool) -> int:
    """Trained weights of a ResNet, from its description; the doublings are 3x3, transposed or not."""
    kernels = 49 * 3 * width + 9 * width * 2 * width + 9 * 2 * width * 4 * width
    kernels += blocks * 2 * 9 * (4 * width) ** 2 + 9 * (4 * width * 2 * width + 2 * width * width)
    kernels += 49 * width * 3
    # Behind every kernel but the last: a bias, or a scale and a shift.
    channels = width + 2 * width + 4 * width + blocks * 2 * 4 * width + 2 * width + width
    return kernels + channels * (2 if affine else 1) + 3


def unet(width: int) -> int:
    """Trained weights of the U-Net 256 with affine norms, from its description."""
    down = [3, *(width * min(2**level, 8) for level in range(8))]
    count = sum(16 * a * b for a, b in itertools.pairwise(down)) + 2 * sum(down[2:8])
    inner = down[8]
    for level in range(8, 1, -1):
        count += 16 * inner * down[level - 1] + 2 * down[level - 1]
        inner = 2 * down[level - 1]
    return int(count + 16 * inner * 3 + 3)


def patchgan(width: int, channels: int, *, affine: bool) -> int:
    """Trained weights of the PatchGAN, from its description."""
    widths = [channels, width, 2 * width, 4 * width, 8 * width, 1]
    kernels = sum(16 * a * b for a, b in itertools.pairwise(widths))
    return kernels + width + (2 if affine else 1) * sum(widths[2:5]) + 1


def test_descriptions_give_the_published_counts() -> None:
    """The three functions above, at the papers' width."""
    assert unet(64) == UNET
    assert resnet(64, 9, affine=False) == RESNET_9
    assert resnet(64, 6, affine=False) == RESNET_6
    assert (patchgan(64, 6, affine=True), patchgan(64, 3, affine=False)) == (2_768_705, 2_764_737)


@pytest.mark.parametrize(("name", "model"), EVERY)
def test_networks_at_full_size(name: str, model: str) -> None:
    """Exactly the papers' counts for `seed` and `reference`; the others from their description."""
    config = preset(name, model=model)
    affine = config.generator_norm != "instance"
    if config.generator == "unet_256":
        expected = unet(config.generator_width)
    else:
        blocks = int(config.generator[-1])
        expected = resnet(config.generator_width, blocks, affine=affine)
    channels = 6 if model == "pix2pix" else 3
    counts = (expected, patchgan(config.discriminator_width, channels, affine=affine))
    assert counts == COUNTS.get((name, model), counts)
    generator, discriminator = generator_for(config), discriminator_for(config, channels=channels)
    assert (trained(generator), trained(discriminator)) == counts
    assert generator.output_shape == (None, 256, 256, 3)
    assert discriminator.output_shape == (None, 30, 30, 1)


# CycleGAN's `reference` differs from its `seed` in the schedule alone (see the last test).
@pytest.mark.parametrize(("name", "model"), [each for each in EVERY if each != ("reference", "cyclegan")])
def test_one_step_in_small(name: str, model: str) -> None:
    """Two channels wide; a ResNet on 32 pixels, the U-Net on its 256. Every weight moves, averages too."""
    full = preset(name, model=model)
    side = 256 if full.generator == "unet_256" else 32
    config = preset(
        name, model=model, generator_width=2, discriminator_width=2, image_size=side, load_size=side, steps=4
    )
    state = TrainState(CLASSES[model](config), config)
    before = {path: variable.numpy().copy() for path, variable in state.variables().items()}
    batch = np.random.default_rng(0).integers(0, 256, (2, 1, side, side, 3), dtype=np.uint8)
    update = engine.select().compile_step(state)
    losses = update(batch[0], batch[1], config.rate_at(0))
    update.sync()
    assert all(math.isfinite(float(value)) for value in losses.values())
    names = {"pix2pix": {"d_real", "d_fake", "g_gan", "g_l1"}}
    names["cyclegan"] = {"g_a", "g_b", "cycle_a", "cycle_b", "identity_a", "identity_b", "d_a", "d_b"}
    assert set(losses) == names[model]
    after = state.variables()
    # In this step the bottleneck's one pixel may sit at the ReLU's zero, so not every bias and gamma.
    still = [
        path
        for path, value in before.items()
        if path.startswith(("networks/", "ema/"))
        and path.endswith("/kernel")
        and np.array_equal(value, after[path].numpy())
    ]
    assert not still
    assert bool(state.averages) == (full.ema_decay > 0)


def test_schedules() -> None:
    """What each preset's steps and decay come to; `seed` saves 55 times."""
    for model in MODELS:
        seed, reference, quality = (preset(n, model=model) for n in ("seed", "reference", "quality"))
        assert (seed.steps, seed.decay_steps, seed.batch_size) == (109_700, 0, 1)
        assert len({*range(2_000, seed.steps, 2_000), seed.steps}) == 55
        for config in (reference, quality):
            assert (config.steps, config.decay_steps) == (219_200, 109_600)
            assert config.rate_at(109_600) == config.learning_rate
            assert config.rate_at(164_400) == pytest.approx(config.learning_rate / 2)
            assert 0 < config.rate_at(219_199) < 2e-9
    seed, reference = (preset(name, model="cyclegan") for name in ("seed", "reference"))
    fields = ("preset", "steps", "decay_steps", "checkpoint_every")
    assert dataclasses.replace(seed, **{name: getattr(reference, name) for name in fields}) == reference
