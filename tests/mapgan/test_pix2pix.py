"""Pix2Pix's losses for one pair, worked out from its networks' outputs in NumPy."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest

from mapgan.config import TrainConfig
from mapgan.pix2pix import Pix2Pix

OPTIONS: dict[str, Any] = {
    "generator": "unet_32",
    "generator_width": 4,
    "discriminator_width": 4,
    "image_size": 32,
    "load_size": 32,
    "dropout": 0.0,
}


def softplus(x: Any) -> Any:
    """log(1 + e^x) in float64."""
    return np.logaddexp(0.0, np.asarray(x, np.float64))


def test_losses_with_a_pencil() -> None:
    """Networks a pencil can follow: G(x) = x/2, D(x, y) = ln 3 * (mean of x + mean of y).

    With x = .4 and y = .6: G(x) = .2. D(x, y) = ln 3, of which the sigmoid is 3/4; D(x, G(x)) = .6 ln 3,
    of which it is 3^.6 / (3^.6 + 1) = 1.933182 / 2.933182 = .659074.
    d_real = -ln(3/4) = .287682 and d_fake = -ln(1 - .659074) = 1.076088; L_D is half of their sum, .681885.
    g_gan = -ln(.659074) = .416920 and g_l1 = |.6 - .2| = .4; L_G = .416920 + 100 * .4 = 40.416920.
    """
    model = Pix2Pix(TrainConfig(**OPTIONS))

    def judge(pair: Any, training: bool) -> Any:
        assert training
        assert pair.shape == (1, 2, 2, 6)
        means = keras.ops.mean(pair[..., :3], axis=-1) + keras.ops.mean(pair[..., 3:], axis=-1)
        return math.log(3) * means[..., None]

    model.networks = {"generator": lambda x, training: x / 2, "discriminator": judge}
    source, target = (np.full((1, 2, 2, 3), value, np.float32) for value in (0.4, 0.6))
    outputs = model.generate(source, target)
    total, terms = model.discriminator_losses(source, target, outputs)
    assert {name: float(value) for name, value in terms.items()} == pytest.approx(
        {"d_real": 0.287682, "d_fake": 1.076088}, abs=2e-6
    )
    assert float(total) == pytest.approx(0.681885, abs=2e-6)
    total, terms = model.generator_losses(source, target, outputs)
    assert {name: float(value) for name, value in terms.items()} == pytest.approx(
        {"g_gan": 0.416920, "g_l1": 0.4}, abs=2e-6
    )
    assert float(total) == pytest.approx(40.416920, abs=1e-5)


@pytest.mark.parametrize("gan_loss", ["bce", "lsgan"])
def test_losses_by_hand(gan_loss: str) -> None:
    """D: half of both terms. G: adversarial term plus 100 times L1."""
    model = Pix2Pix(TrainConfig(**OPTIONS, gan_loss=gan_loss, l1_weight=100.0))
    rng = np.random.default_rng(0)
    source, target = rng.uniform(-1, 1, (2, 1, 32, 32, 3)).astype(np.float32)
    outputs = model.generate(source, target)
    fake = np.asarray(outputs["fake"])
    judge = model.networks["discriminator"]
    on_real = np.asarray(judge(np.concatenate([source, target], -1), training=True))
    on_fake = np.asarray(judge(np.concatenate([source, fake], -1), training=True))
    if gan_loss == "bce":
        real, made, fooled = softplus(-on_real).mean(), softplus(on_fake).mean(), softplus(-on_fake).mean()
    else:
        real, made, fooled = ((on_real - 1) ** 2).mean(), (on_fake**2).mean(), ((on_fake - 1) ** 2).mean()
    distance = np.abs(target - fake).mean()

    total, terms = model.discriminator_losses(source, target, outputs)
    assert float(total) == pytest.approx((real + made) / 2, rel=1e-5)
    assert {k: float(v) for k, v in terms.items()} == pytest.approx(
        {"d_real": real, "d_fake": made}, rel=1e-5
    )
    total, terms = model.generator_losses(source, target, outputs)
    assert float(total) == pytest.approx(fooled + 100 * distance, rel=1e-5)
    assert {k: float(v) for k, v in terms.items()} == pytest.approx(
        {"g_gan": fooled, "g_l1": distance}, rel=1e-5
    )


def test_networks_start_from_different_numbers() -> None:
    """One seed, two networks, no weight in common; another seed changes both."""
    first, second = (Pix2Pix(TrainConfig(**OPTIONS, seed=seed)).networks for seed in (0, 1))
    for name in ("generator", "discriminator"):
        kernel = first[name].trainable_weights[0].numpy()
        assert np.abs(kernel - second[name].trainable_weights[0].numpy()).max() > 0
    heads = [first[name].trainable_weights[0].numpy().ravel()[:8] for name in first]
    assert not np.allclose(*heads)
