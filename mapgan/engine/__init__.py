"""The compiled update step, one module for each Keras backend, chosen by the backend in use.

An engine turns a :class:`~mapgan.engine.state.TrainState` into a function that makes one update.
What the update means (networks, losses, order) the model says in pure ``keras.ops``; how it is
traced, differentiated and applied fast is the engine's.
"""

from __future__ import annotations

from typing import Protocol

import keras

from mapgan.engine.state import TrainState, Update


class Engine(Protocol):
    """What every engine module offers."""

    def prepare(self, *, deterministic: bool, threads: int | None) -> None:
        """Set up the process before the first tensor: memory growth, threads, determinism."""

    def threads(self) -> int:
        """Threads an operation may use; their number changes the last bits of a sum."""

    def compile_step(self, state: TrainState) -> Update:
        """One update as ``update(first, second, rate) -> losses``.

        ``first`` and ``second`` are uint8 ``(batch, s, s, 3)``; ``rate`` is Adam's for this step;
        the losses are scalars that the caller turns into floats when it wants to wait for them.
        """


def select() -> Engine:
    """The engine of ``keras.backend.backend()``.

    Raises:
        RuntimeError: a backend without an engine.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from mapgan.engine import tensorflow

        return tensorflow
    raise RuntimeError(f"no training engine for the Keras backend {backend!r}; set KERAS_BACKEND=tensorflow")
