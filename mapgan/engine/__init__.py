"""The compiled update step, one module for each Keras backend, chosen by the backend in use.

An engine turns a :class:`~mapgan.engine.state.TrainState` into a function that makes one update.
What the update means (networks, losses, order) the model says in pure ``keras.ops``; how it is
traced, differentiated and applied fast is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

import keras

from mapgan.config import TrainConfig
from mapgan.engine.state import EngineError, Model, TrainState, Update

POLICIES: Final = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


class Engine(Protocol):
    """What every engine module offers."""

    def prepare(self, *, deterministic: bool, threads: int | None) -> None:
        """Set up the process before the first tensor: memory growth, threads, determinism."""

    def threads(self) -> int:
        """Threads an operation may use; their number changes the last bits of a sum."""

    def version(self) -> str:
        """The framework and its version: another one may compute other last bits."""

    def placed(self, batch_size: int) -> AbstractContextManager[None]:
        """Where variables have to be made so that several devices can share the work.

        Raises:
            EngineError: the devices cannot share a batch of this size.
        """

    def compile_step(self, state: TrainState) -> Update:
        """One update as ``update(first, second, rate) -> losses``, and ``update.sync()``.

        ``first`` and ``second`` are uint8 ``(batch, s, s, 3)``; ``rate`` is Adam's for this step;
        the losses are scalars that the caller turns into floats when it wants to wait for them.
        """


def select() -> Engine:
    """The engine of ``keras.backend.backend()``.

    Raises:
        EngineError: a backend without an engine.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from mapgan.engine import tensorflow

        return tensorflow
    if backend == "jax":
        from mapgan.engine import jax

        return jax
    raise EngineError(
        f"no training engine for the Keras backend {backend!r}; set KERAS_BACKEND=tensorflow or jax"
    )


def build(engine: Engine, make_model: Callable[[TrainConfig], Model], config: TrainConfig) -> TrainState:
    """A new model with its optimisers, computing as ``config.precision`` says, on the engine's devices.

    With ``bfloat16`` the layers compute in half the bits; weights, moments, normalisations, the
    generators' output and the losses stay float32.

    Raises:
        EngineError: the devices cannot share a batch of ``config.batch_size``.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(POLICIES[config.precision])
    try:
        with engine.placed(config.batch_size):
            return TrainState(make_model(config), config)
    finally:
        keras.config.set_dtype_policy(before)


__all__ = ["Engine", "EngineError", "Model", "TrainState", "Update", "build", "select"]
