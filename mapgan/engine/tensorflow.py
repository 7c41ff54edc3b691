"""One update as one TensorFlow graph: a single generator forward, D's step inside it, then G's.

What makes it fast on a CPU: the generator runs once for both losses; D's update happens while the
outer tape is paused, so nothing of it is kept for G; and Adam is TensorFlow's fused kernel, one
pass over the memory for each weight; normalisations, paddings and the deepest convolutions have forms
of their own (:mod:`mapgan.engine.norms`, ``paddings``, ``products``). On a GPU the whole step is compiled
by XLA, which on a CPU would slow the convolutions. Several GPUs share a batch by ``MirroredStrategy``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import tensorflow as tf
from keras import ops

from mapgan.engine import norms, paddings, products
from mapgan.engine.devices import sharing
from mapgan.engine.heap import keep_freed_memory
from mapgan.engine.machine import cores
from mapgan.engine.state import Adam, Losses, Pictures, TrainState, Update, network_weights, warm_decay

Nest = TypeVar("Nest")


def prepare(*, deterministic: bool, threads: int | None) -> None:
    """Set memory growth, the number of threads and determinism; before the first tensor only.

    Raises:
        RuntimeError: TensorFlow has already started with other settings.
    """
    keep_freed_memory()
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if threads is not None and tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    # Fusing bias and activation fails on this graph, noisily, and is undone; not trying is as fast.
    tf.config.optimizer.set_experimental_options({"remapping": False})
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def threads() -> int:
    """Threads an operation may use; their number changes the last bits of a sum."""
    configured: int = tf.config.threading.get_intra_op_parallelism_threads()
    return configured or cores()


def version() -> str:
    """See :class:`mapgan.engine.Engine`."""
    return f"tensorflow {tf.__version__}"


@contextmanager
def placed(batch_size: int) -> Iterator[None]:
    """See :class:`mapgan.engine.Engine`. Several GPUs (or logical CPUs) each get a copy of everything."""
    gpus = tf.config.list_logical_devices("GPU")
    devices = gpus or tf.config.list_logical_devices("CPU")
    if sharing(batch_size, len(devices)) == 1:
        yield
        return
    # Not the default collective operations: with a second strategy in the process they abort.
    exchange = tf.distribute.NcclAllReduce() if gpus else tf.distribute.ReductionToOneDevice()
    with tf.distribute.MirroredStrategy([device.name for device in devices], exchange).scope():
        yield


def compile_step(state: TrainState, *, xla: bool | None = None) -> Update:
    """See :class:`mapgan.engine.Engine`.

    Args:
        state: built inside :func:`placed`.
        xla: compile the whole step; None does so where there is a GPU. Not with several devices,
            whose exchange of gradients XLA does not compile.
    """

    def update(first: Any, second: Any, rate: Any) -> Losses:
        return _update(state, _to_signed(_own_share(first)), _to_signed(_own_share(second)), rate)

    some_weight = next(iter(state.adams["generators"].weights.values())).value
    strategy = getattr(some_weight, "distribute_strategy", None)
    if strategy is not None:
        return _Update(tf.function(_on_every_device(strategy, update), autograph=False))
    if xla is None:
        xla = bool(tf.config.list_logical_devices("GPU"))
    if xla:
        return _Update(tf.function(update, autograph=False, jit_compile=True))

    def on_cpu(first: Any, second: Any, rate: Any) -> Losses:
        networks = state.model.networks.values()
        with products.used(networks), norms.used(networks), paddings.used(networks):
            return update(first, second, rate)

    return _Update(tf.function(on_cpu, autograph=False))


class _Update:
    """A compiled graph as an :class:`~mapgan.engine.state.Update`; its state is the Keras variables."""

    def __init__(self, compiled: Callable[..., Losses]) -> None:
        self._compiled = compiled

    def __call__(self, first: Pictures, second: Pictures, rate: float) -> Losses:
        # A Python float would trace the graph again for every rate of a schedule.
        rate = tf.constant(rate, tf.float32)
        losses: Losses = self._compiled(tf.constant(first), tf.constant(second), rate)
        return losses

    def sync(self) -> None:
        """Nothing to do: the step writes to the variables themselves."""


def _on_every_device(strategy: Any, update: Callable[..., Losses]) -> Callable[..., Losses]:
    """``update`` run by every device on its share; the losses are the mean over all of them."""

    def everywhere(*arguments: Any) -> Losses:
        losses: Losses = strategy.run(update, args=arguments)
        return {name: strategy.experimental_local_results(value)[0] for name, value in losses.items()}

    return everywhere


def _update(state: TrainState, first: Any, second: Any, rate: Any) -> Losses:
    """The whole step on pictures in [-1, 1]."""
    model = state.model
    generators, discriminators = state.adams["generators"], state.adams["discriminators"]
    losses: Losses = {}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        _watch(tape, generators)
        outputs = model.generate(first, second)
        if model.discriminators_first:
            with tape.stop_recording():
                losses |= _update_discriminators(state, first, second, outputs, rate)
        total, terms = model.generator_losses(first, second, outputs)
    losses |= terms
    _apply(generators, tape.gradient(total, _tensors(generators.weights)), rate)
    _average(state)
    if not model.discriminators_first:
        losses |= _update_discriminators(state, first, second, outputs, rate)
    discriminators.iterations.assign_add(1)
    generators.iterations.assign_add(1)
    _agree_on_statistics(state)
    return _mean_of_devices(losses)


def _to_signed(pictures: Any) -> Any:
    """uint8 [0, 255] to float32 [-1, 1]."""
    return tf.cast(pictures, tf.float32) / 127.5 - 1.0


def _update_discriminators(state: TrainState, first: Any, second: Any, outputs: Any, rate: Any) -> Losses:
    """One step of D on the generators' outputs, which it takes as constants; its terms to log."""
    adam = state.adams["discriminators"]
    constants = _shown(state, {name: ops.stop_gradient(value) for name, value in outputs.items()})
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        _watch(tape, adam)
        total, terms = state.model.discriminator_losses(first, second, constants)
    _apply(adam, tape.gradient(total, _tensors(adam.weights)), rate)
    return terms


def _tensors(variables: dict[str, Any]) -> list[Any]:
    """The ``tf.Variable`` behind each Keras variable."""
    return [variable.value for variable in variables.values()]


def _watch(tape: Any, adam: Adam) -> None:
    """Record what happens to the weights of ``adam`` and to no others."""
    for weight in _tensors(adam.weights):
        tape.watch(weight)


def _apply(adam: Adam, gradients: list[Any], rate: Any) -> None:
    """Adam's update number ``iterations + 1``, by the fused kernel."""
    gradients = _mean_of_devices(gradients)
    power = tf.cast(adam.iterations.value, tf.float32) + 1.0
    beta_1_power, beta_2_power = tf.pow(adam.beta_1, power), tf.pow(adam.beta_2, power)
    for (path, weight), gradient in zip(adam.weights.items(), gradients, strict=True):
        tf.raw_ops.ResourceApplyAdam(
            var=weight.value.handle,
            m=adam.first[path].value.handle,
            v=adam.second[path].value.handle,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=rate,
            beta1=adam.beta_1,
            beta2=adam.beta_2,
            epsilon=adam.epsilon,
            grad=gradient,
        )


def _average(state: TrainState) -> None:
    """``average -= (1 - decay) * (average - weight)`` for the generators, in place."""
    if not state.averages:
        return
    generators = state.adams["generators"]
    made = tf.cast(generators.iterations.value, tf.float32)
    rate = 1.0 - tf.minimum(state.ema_decay, warm_decay(made))
    for path, average in state.averages.items():
        tf.raw_ops.ResourceApplyGradientDescent(
            var=average.value.handle,
            alpha=rate,
            delta=average.value - generators.weights[path].value,
        )


def _devices() -> int:
    """How many devices share this step; 1 outside a strategy."""
    count: int = tf.distribute.get_replica_context().num_replicas_in_sync
    return count


def _own_share(batch: Any) -> Any:
    """The part of a batch that this device works on: equal parts, in the order of the devices."""
    devices = _devices()
    if devices == 1:
        return batch
    share = batch.shape[0] // devices
    place = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.int32)
    own = tf.slice(batch, [place * share, *[0] * (len(batch.shape) - 1)], [share, *batch.shape[1:]])
    return tf.ensure_shape(own, [share, *batch.shape[1:]])


def _mean_of_devices(values: Nest) -> Nest:
    """The mean over the devices of every tensor in a list or dictionary."""
    if _devices() == 1:
        return values
    averaged: Nest = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, values)
    return averaged


def _shown(state: TrainState, outputs: dict[str, Any]) -> dict[str, Any]:
    """``model.shown``, with the whole batch on every device: pools stay the same on all of them."""
    devices = _devices()
    if devices == 1 or not any(path.startswith("pools/") for path in state.model.variables()):
        return state.model.shown(outputs)
    whole = tf.distribute.get_replica_context().all_gather(outputs, axis=0)
    for name, value in outputs.items():
        whole[name] = tf.ensure_shape(whole[name], [devices * value.shape[0], *value.shape[1:]])
    return {name: _own_share(value) for name, value in state.model.shown(whole).items()}


def _agree_on_statistics(state: TrainState) -> None:
    """BatchNorm's running statistics become the mean of what the devices have."""
    if _devices() == 1:
        return
    trained = {path for adam in state.adams.values() for path in adam.weights}
    for path, variable in network_weights(state.model.networks).items():
        if path not in trained and variable.value.dtype.is_floating:
            variable.assign(_mean_of_devices(variable.value))
