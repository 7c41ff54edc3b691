"""One update as one XLA program: the whole step jitted, its state donated and kept on the device.

The model is the same code as for TensorFlow. Its networks, pools and random generators are Keras
variables; inside a ``keras.StatelessScope`` they read and write the step's own arrays instead, so
the step is a pure function of ``(values, batches, rate)``.

Made for GPUs: on a CPU it is two to four times slower than the TensorFlow engine. Several devices
share a batch by sharding it; the program is that of the whole batch (BatchNorm's statistics, too),
and XLA puts in the exchange.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from importlib import metadata
from typing import Any, Final, TypeAlias

import jax
import keras
import numpy as np
from jax import numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mapgan.engine.devices import sharing
from mapgan.engine.machine import cores
from mapgan.engine.state import Losses, Pictures, TrainState, Update, Variables, warm_decay

Values: TypeAlias = dict[str, Any]
"""An array for each path of ``TrainState.variables()``."""

DETERMINISM: Final = "--xla_gpu_deterministic_ops=true"
THREADS: Final = "NPROC"  # what XLA's CPU client takes for the number of processors


def prepare(*, deterministic: bool, threads: int | None) -> None:
    """Set memory growth, the number of threads and determinism; before the first tensor only.

    JAX reads all three from the environment when it first looks for devices.

    Raises:
        RuntimeError: JAX has already started with other settings.
    """
    wanted = {"XLA_PYTHON_CLIENT_PREALLOCATE": os.environ.get("XLA_PYTHON_CLIENT_PREALLOCATE", "false")}
    if threads is not None:
        wanted[THREADS] = str(threads)
    flags = os.environ.get("XLA_FLAGS", "")
    if deterministic and "xla_gpu_deterministic_ops" not in flags:
        wanted["XLA_FLAGS"] = f"{flags} {DETERMINISM}".strip()
    late = [name for name, value in wanted.items() if os.environ.get(name) != value]
    if _started() and any(name != "XLA_PYTHON_CLIENT_PREALLOCATE" for name in late):
        raise RuntimeError(f"JAX has already started without {' and '.join(late)}")
    os.environ.update(wanted)


def _started() -> bool:
    """Whether JAX has looked for its devices."""
    return bool(jax._src.xla_bridge.backends_are_initialized())


def threads() -> int:
    """Threads an operation may use; their number changes the last bits of a sum."""
    return int(os.environ.get(THREADS, "0")) or cores()


def version() -> str:
    """See :class:`mapgan.engine.Engine`."""
    return f"jax {jax.__version__}, jaxlib {metadata.version('jaxlib')}"


def placed(batch_size: int) -> contextlib.AbstractContextManager[None]:
    """See :class:`mapgan.engine.Engine`. Variables may be made anywhere; the step has its own arrays."""
    sharing(batch_size, len(jax.local_devices()))
    return contextlib.nullcontext()


def compile_step(state: TrainState) -> Update:
    """See :class:`mapgan.engine.Engine`. The first call takes the values that the variables have then."""
    devices = jax.local_devices()
    return _Update(state, Mesh(np.array(devices[: sharing(state.batch_size, len(devices))]), ("batch",)))


class _Update:
    """The compiled step and the state it holds between calls."""

    def __init__(self, state: TrainState, mesh: Mesh) -> None:
        self._variables = state.variables()
        self._values: Values = {}
        self._whole = NamedSharding(mesh, PartitionSpec())  # type: ignore[no-untyped-call]
        self._shared = NamedSharding(mesh, PartitionSpec("batch"))  # type: ignore[no-untyped-call]
        step = _Step(state, self._variables)
        self._compiled = jax.jit(
            step,
            donate_argnums=0,
            in_shardings=(self._whole, self._shared, self._shared, None),
            out_shardings=(self._whole, self._whole),
        )

    def __call__(self, first: Pictures, second: Pictures, rate: float) -> Losses:
        """Start one update; the values it returns are still being computed."""
        if not self._values:
            # Copies: a donated array is gone, and the variables shall stay readable.
            self._values = {
                path: jax.device_put(np.array(variable), self._whole)
                for path, variable in self._variables.items()
            }
        losses: Losses
        self._values, losses = self._compiled(
            self._values,
            jax.device_put(first, self._shared),
            jax.device_put(second, self._shared),
            np.float32(rate),
        )
        return losses

    def sync(self) -> None:
        """Copy every value into its variable; waits for the last update."""
        for path, value in self._values.items():
            self._variables[path].assign(np.array(value))


class _Step:
    """One update as a pure function ``(values, first, second, rate) -> (values, losses)``."""

    def __init__(self, state: TrainState, variables: Variables) -> None:
        self._state = state
        self._variables = variables
        # Where the weights of an optimiser are among all values, by their name in the optimiser.
        self._trained = {
            name: {short: f"networks/{short}" for short in adam.weights} for name, adam in state.adams.items()
        }

    def __call__(self, values: Values, first: Any, second: Any, rate: Any) -> tuple[Values, Losses]:
        """The order of the TensorFlow engine; see there."""
        model = self._state.model
        first, second = _to_signed(first), _to_signed(second)
        weights = self._weights("generators", values)

        def generated(weights: Values) -> tuple[Any, Values]:
            return self._run(values | weights, lambda: model.generate(first, second))

        outputs, through_outputs, values = jax.vjp(generated, weights, has_aux=True)
        losses: Losses = {}
        if model.discriminators_first:
            values, losses = self._update_discriminators(values, first, second, outputs, rate)

        def judged(weights: Values, outputs: Any) -> tuple[Any, tuple[Losses, Values]]:
            (total, terms), after = self._run(
                values | weights, lambda: model.generator_losses(first, second, outputs)
            )
            return total, (terms, after)

        (direct, of_outputs), (terms, values) = jax.grad(judged, argnums=(0, 1), has_aux=True)(
            weights, outputs
        )
        losses |= terms
        (indirect,) = through_outputs(of_outputs)
        gradients = {path: direct[path] + indirect[path] for path in direct}
        made = values["optimizers/generators/iterations"]
        values = self._average(self._adam("generators", values, gradients, rate), made)
        if not model.discriminators_first:
            values, terms = self._update_discriminators(values, first, second, outputs, rate)
            losses |= terms
        return values, losses

    def _update_discriminators(
        self, values: Values, first: Any, second: Any, outputs: Any, rate: Any
    ) -> tuple[Values, Losses]:
        """One step of D on the generators' outputs, which it takes as constants; its terms to log."""
        model = self._state.model
        constants, values = self._run(values, lambda: model.shown(outputs))

        def judged(weights: Values) -> tuple[Any, tuple[Losses, Values]]:
            (total, terms), after = self._run(
                values | weights, lambda: model.discriminator_losses(first, second, constants)
            )
            return total, (terms, after)

        weights = self._weights("discriminators", values)
        gradients, (terms, values) = jax.grad(judged, has_aux=True)(weights)
        return self._adam("discriminators", values, gradients, rate), terms

    def _run(self, values: Values, function: Callable[[], Any]) -> tuple[Any, Values]:
        """``function()`` with the variables at ``values``, and the values it leaves behind."""
        mapping = [(self._variables[path], value) for path, value in values.items()]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            result = function()
        return result, {path: scope.get_current_value(self._variables[path]) for path in values}

    def _weights(self, name: str, values: Values) -> Values:
        """The weights that an optimiser updates."""
        return {path: values[path] for path in self._trained[name].values()}

    def _adam(self, name: str, values: Values, gradients: Values, rate: Any) -> Values:
        """Adam's update number ``iterations + 1``, in the form of TensorFlow's kernel."""
        adam = self._state.adams[name]
        prefix = f"optimizers/{name}"
        count = values[f"{prefix}/iterations"]
        power = count.astype(jnp.float32) + 1.0
        rate = rate * jnp.sqrt(1.0 - jnp.power(adam.beta_2, power)) / (1.0 - jnp.power(adam.beta_1, power))
        new = {f"{prefix}/iterations": count + 1}
        for short, path in self._trained[name].items():
            gradient = gradients[path]
            m, v = values[f"{prefix}/m/{short}"], values[f"{prefix}/v/{short}"]
            m = m + (gradient - m) * (1.0 - adam.beta_1)
            v = v + (gradient * gradient - v) * (1.0 - adam.beta_2)
            new[f"{prefix}/m/{short}"], new[f"{prefix}/v/{short}"] = m, v
            new[path] = values[path] - rate * m / (jnp.sqrt(v) + adam.epsilon)
        return values | new

    def _average(self, values: Values, made: Any) -> Values:
        """``average -= (1 - decay) * (average - weight)`` for the generators, after ``made`` updates."""
        rate = 1.0 - jnp.minimum(self._state.ema_decay, warm_decay(made.astype(jnp.float32)))
        new = {}
        for short in self._state.averages:
            average = values[f"ema/{short}"]
            new[f"ema/{short}"] = average - rate * (average - values[self._trained["generators"][short]])
        return values | new


def _to_signed(pictures: Any) -> Any:
    """uint8 [0, 255] to float32 [-1, 1]."""
    return pictures.astype(jnp.float32) / 127.5 - 1.0
