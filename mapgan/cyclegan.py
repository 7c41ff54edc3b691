"""CycleGAN (Zhu et al. 2017): two generators, two domains, no pairs."""

from __future__ import annotations

from typing import Any

import numpy as np

from mapgan.augment import DiffAugment
from mapgan.config import TrainConfig
from mapgan.image_pool import ImagePool
from mapgan.losses import GAN_LOSSES, l1
from mapgan.networks import discriminator_for, generator_for


class CycleGAN:
    """The networks and losses; ``first`` is of domain A (aerial), ``second`` of domain B (map).

    With ``F = a_to_b``, ``G = b_to_a`` and real pictures ``a`` and ``b``, the generators minimise::

        gan(D_b(F(a)), real) + gan(D_a(G(b)), real)
        + cycle_weight * (|G(F(a)) - a| + |F(G(b)) - b|)
        + cycle_weight * identity_weight * (|F(b) - b| + |G(a) - a|)

    and the discriminators the sum over both domains of ``(gan(D(x), real) + gan(D(y), fake)) / 2``
    where ``y`` comes out of a pool of generated pictures. As in the authors' code, one Adam holds
    both generators and is first; then another one both discriminators, on what the generators made
    before their update. With ``diff_augment`` everything that a discriminator sees is augmented, after
    the pool, which keeps pictures as they were made.

    Args:
        config: sizes, norms, weights and the seed. ``direction`` does not matter here.
    """

    generators: tuple[str, ...] = ("a_to_b", "b_to_a")
    discriminators: tuple[str, ...] = ("discriminator_a", "discriminator_b")
    discriminators_first = False

    def __init__(self, config: TrainConfig) -> None:
        names = (*self.generators, *self.discriminators, "a", "b", "augment")
        drawn = np.random.SeedSequence(config.seed).generate_state(len(names))
        seeds = {name: int(seed) for name, seed in zip(names, drawn, strict=True)}
        self.networks = {name: generator_for(config, seed=seeds[name]) for name in self.generators} | {
            name: discriminator_for(config, channels=3, seed=seeds[name]) for name in self.discriminators
        }
        self._augment = DiffAugment(config.diff_augment, seed=seeds["augment"])
        self.pools = {
            name: ImagePool(config.pool_size, image_size=config.image_size, seed=seeds[name])
            for name in ("a", "b")
        }
        self._gan = GAN_LOSSES[config.gan_loss]
        self._cycle_weight = config.cycle_weight
        self._identity_weight = config.cycle_weight * config.identity_weight

    def variables(self) -> dict[str, Any]:
        """``pools/a/...`` of made aerial pictures, ``pools/b/...`` of made maps; the augmentation's draws."""
        pools = {
            f"pools/{name}/{part}": variable
            for name, pool in self.pools.items()
            for part, variable in pool.variables().items()
        }
        return pools | self._augment.variables()

    def generate(self, first: Any, second: Any) -> dict[str, Any]:
        """``{"fake_b": F(first), "fake_a": G(second)}``."""
        return {"fake_b": self._run("a_to_b", first), "fake_a": self._run("b_to_a", second)}

    def shown(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """The same names, each batch exchanged with its domain's pool."""
        return {
            "fake_b": self.pools["b"].exchange(outputs["fake_b"]),
            "fake_a": self.pools["a"].exchange(outputs["fake_a"]),
        }

    def discriminator_losses(
        self, first: Any, second: Any, outputs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """The sum of both discriminators' losses; logs each."""
        loss_a = self._discriminator_loss("discriminator_a", first, outputs["fake_a"])
        loss_b = self._discriminator_loss("discriminator_b", second, outputs["fake_b"])
        return loss_a + loss_b, {"d_a": loss_a, "d_b": loss_b}

    def generator_losses(
        self, first: Any, second: Any, outputs: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        """The sum above; logs its six terms unweighted. ``g_a`` is of what G made in domain A."""
        terms = {
            "g_a": self._gan(self._judge("discriminator_a", outputs["fake_a"]), real=True),
            "g_b": self._gan(self._judge("discriminator_b", outputs["fake_b"]), real=True),
            "cycle_a": l1(self._run("b_to_a", outputs["fake_b"]), first),
            "cycle_b": l1(self._run("a_to_b", outputs["fake_a"]), second),
        }
        total = terms["g_a"] + terms["g_b"] + self._cycle_weight * (terms["cycle_a"] + terms["cycle_b"])
        if self._identity_weight:  # two of six passes through a generator, so not made for nothing
            terms["identity_a"] = l1(self._run("b_to_a", first), first)
            terms["identity_b"] = l1(self._run("a_to_b", second), second)
            total = total + self._identity_weight * (terms["identity_a"] + terms["identity_b"])
        return total, terms

    def _discriminator_loss(self, name: str, real: Any, fake: Any) -> Any:
        """Half the sum of what it costs to take ``real`` for fake and ``fake`` for real."""
        on_real = self._gan(self._judge(name, real), real=True)
        on_fake = self._gan(self._judge(name, fake), real=False)
        return 0.5 * (on_real + on_fake)

    def _judge(self, name: str, pictures: Any) -> Any:
        """A discriminator's logits; it sees nothing that is not augmented."""
        return self._run(name, self._augment(pictures))

    def _run(self, name: str, pictures: Any) -> Any:
        """A network as it is while training."""
        return self.networks[name](pictures, training=True)
