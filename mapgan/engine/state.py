"""All that changes while a model trains, as named Keras variables.

A checkpoint is this and nothing else, and every engine works on it: networks, Adam's moments,
averaged weights, image pools and the state of the random generators.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias

import keras
import numpy as np
import numpy.typing as npt

from mapgan.config import TrainConfig

Variables: TypeAlias = dict[str, Any]
Losses: TypeAlias = dict[str, Any]
Pictures: TypeAlias = npt.NDArray[np.uint8]


class EngineError(RuntimeError):
    """A run that this machine or backend cannot do as it is configured; the message says what can."""


class Update(Protocol):
    """A compiled update step, made by an engine's ``compile_step``."""

    def __call__(self, first: Pictures, second: Pictures, rate: float) -> Losses:
        """Make one update; the losses are scalars that nobody waited for yet."""

    def sync(self) -> None:
        """Bring the state into the Keras variables, where the engine keeps it elsewhere meanwhile.

        To be called before any variable of the :class:`TrainState` is read. What is *written* to
        the variables after the first update, an engine need not notice.
        """


class Model(Protocol):
    """A GAN as the engines and the loop see it: its networks and its losses, no training code."""

    networks: dict[str, Any]
    """Every network by name."""
    generators: tuple[str, ...]
    discriminators: tuple[str, ...]
    """Names of the networks that the two optimisers update."""
    discriminators_first: bool
    """Whether D is updated before the generators' loss looks at it (Pix2Pix) or after (CycleGAN)."""

    def variables(self) -> Variables:
        """What changes beside the networks' weights (image pools), by the path in a checkpoint."""

    def generate(self, first: Any, second: Any) -> dict[str, Any]:
        """Run the generators once on two batches in [-1, 1]; both losses below share the outputs."""

    def shown(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """What D is shown in place of ``outputs``: itself, or what a pool gives for it. Once a step."""

    def discriminator_losses(self, first: Any, second: Any, outputs: dict[str, Any]) -> tuple[Any, Losses]:
        """What D minimises, and the named terms to log. ``outputs`` are :meth:`shown`'s, constants here."""

    def generator_losses(self, first: Any, second: Any, outputs: dict[str, Any]) -> tuple[Any, Losses]:
        """What the generators minimise, and the named terms to log."""


class Adam:
    """Adam's hyper-parameters and moments (Kingma & Ba 2015); the engine holds the arithmetic.

    Not ``keras.optimizers.Adam``: its update is several passes over the memory for each weight and
    is the slow part of a step on a CPU. Here each engine applies its fastest equal of
    ``w -= rate * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + epsilon)``.
    """

    def __init__(self, name: str, weights: Variables, config: TrainConfig) -> None:
        self.weights = weights
        self.beta_1 = config.beta_1
        self.beta_2 = config.beta_2
        self.epsilon = config.epsilon
        # "int" is int64 in TensorFlow, whose int32 variables stay on the host, and int32 elsewhere.
        self.iterations = keras.Variable(0, dtype="int", trainable=False, name=f"{name}_iterations")
        self.first = {path: _zeros_like(weight) for path, weight in weights.items()}
        self.second = {path: _zeros_like(weight) for path, weight in weights.items()}

    def variables(self) -> Variables:
        """The moments and the count of updates, by name."""
        return {
            "iterations": self.iterations,
            **{f"m/{path}": value for path, value in self.first.items()},
            **{f"v/{path}": value for path, value in self.second.items()},
        }


class TrainState:
    """A model with its two optimisers and, when the configuration asks, its averaged generators."""

    def __init__(self, model: Model, config: TrainConfig) -> None:
        self.model = model
        self.batch_size = config.batch_size
        self.ema_decay = config.ema_decay
        self.adams = {
            "generators": Adam("generators", self._trainable(model.generators), config),
            "discriminators": Adam("discriminators", self._trainable(model.discriminators), config),
        }
        self.averages: Variables = {}
        if config.ema_decay:
            for path, weight in self.adams["generators"].weights.items():
                # A Keras variable made from another one's tensor would be that variable, not a copy.
                copied = np.array(keras.ops.convert_to_numpy(weight))
                self.averages[path] = keras.Variable(copied, trainable=False, name="average")

    def _trainable(self, names: Iterable[str]) -> Variables:
        """Trainable weights of the named networks as ``network/layer/weight``."""
        return {
            f"{name}/{weight.path}": weight
            for name in names
            for weight in self.model.networks[name].trainable_weights
        }

    def variables(self) -> Variables:
        """Everything a checkpoint holds, by a path that is the same in every process.

        ``networks/...`` (with BatchNorm's running statistics), ``optimizers/...``, ``ema/...``,
        ``random/...`` and what the model keeps beside (``pools/...``).
        """
        found = {f"networks/{path}": weight for path, weight in network_weights(self.model.networks).items()}
        for name, adam in self.adams.items():
            found |= {f"optimizers/{name}/{path}": value for path, value in adam.variables().items()}
        found |= {f"ema/{path}": value for path, value in self.averages.items()}
        for name, network in self.model.networks.items():
            # Keras names a dropout's generator by a process-wide counter, so its layer names it here.
            found |= {
                f"random/{name}/{layer.name}": layer.seed_generator.state
                for layer in network.layers
                if hasattr(layer, "seed_generator")
            }
        return found | self.model.variables()


def network_weights(networks: dict[str, Any]) -> Variables:
    """All weights of all networks, trainable or not, as ``network/layer/weight``."""
    return {
        f"{name}/{weight.path}": weight for name, network in networks.items() for weight in network.weights
    }


def warm_decay(updates: Any) -> Any:
    """Highest decay of the averaged weights after so many updates: ``(1 + t) / (10 + t)``.

    A mean that began at the untrained weights would still be mostly them after a short run: with
    0.999, 82 % after 200 updates. The form of ``tf.train.ExponentialMovingAverage``'s ``num_updates``.
    """
    return (1.0 + updates) / (10.0 + updates)


def _zeros_like(weight: Any) -> Any:
    """A float32 variable of the same shape, not trained."""
    return keras.Variable(
        keras.ops.zeros(weight.shape, dtype="float32"), dtype="float32", trainable=False, name="moment"
    )
