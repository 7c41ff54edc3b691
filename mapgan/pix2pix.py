"""Pix2Pix (Isola et al. 2017): a generator judged by L1 and by a PatchGAN that sees its input."""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops

from mapgan.augment import DiffAugment
from mapgan.config import TrainConfig
from mapgan.losses import GAN_LOSSES, l1
from mapgan.networks import discriminator_for, generator_for


class Pix2Pix:
    """The networks and losses; ``first`` is the source picture, ``second`` the target.

    ``L_D = (gan(D(x, y), real) + gan(D(x, G(x)), fake)) / 2``, halved to slow D down (section 3.3),
    and ``L_G = gan(D(x, G(x)), real) + l1_weight * |y - G(x)|``.

    With ``diff_augment`` D sees both pictures of a pair, real or made, moved, cut and coloured alike.

    Args:
        config: sizes, norms, weights and the seed.
    """

    generators: tuple[str, ...] = ("generator",)
    discriminators: tuple[str, ...] = ("discriminator",)
    discriminators_first = True

    def __init__(self, config: TrainConfig) -> None:
        # More words at the end leave the first as they were.
        generator, discriminator, augment = (
            int(word) for word in np.random.SeedSequence(config.seed).generate_state(3)
        )
        self.networks = {
            "generator": generator_for(config, seed=generator),
            "discriminator": discriminator_for(config, channels=6, seed=discriminator),
        }
        self._augment = DiffAugment(config.diff_augment, seed=augment)
        self._gan = GAN_LOSSES[config.gan_loss]
        self._l1_weight = config.l1_weight

    def variables(self) -> dict[str, Any]:
        """The draws of the augmentation, if there is one."""
        return self._augment.variables()

    def generate(self, first: Any, second: Any) -> dict[str, Any]:
        """``{"fake": G(first)}``, dropouts on."""
        return {"fake": self.networks["generator"](first, training=True)}

    def shown(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """What was made, at once: Pix2Pix keeps no pool."""
        return outputs

    def discriminator_losses(
        self, first: Any, second: Any, outputs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """D's loss on the real and the made pair; logs both halves."""
        real = self._gan(self._judge(first, second), real=True)
        fake = self._gan(self._judge(first, outputs["fake"]), real=False)
        return 0.5 * (real + fake), {"d_real": real, "d_fake": fake}

    def generator_losses(
        self, first: Any, second: Any, outputs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """G's loss; logs the adversarial and the unweighted L1 term."""
        gan = self._gan(self._judge(first, outputs["fake"]), real=True)
        distance = l1(second, outputs["fake"])
        return gan + self._l1_weight * distance, {"g_gan": gan, "g_l1": distance}

    def _judge(self, source: Any, candidate: Any) -> Any:
        """D's logits for ``candidate`` as the translation of ``source``."""
        pair = ops.concatenate([source, candidate], axis=-1)
        return self.networks["discriminator"](self._augment(pair), training=True)
