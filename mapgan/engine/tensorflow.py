"""One update as one TensorFlow graph: a single generator forward, D's step inside it, then G's.

What makes it fast on a CPU: the generator runs once for both losses; D's update happens while the
outer tape is paused, so nothing of it is kept for G; and Adam is TensorFlow's fused kernel, one
pass over the memory for each weight.
"""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf
from keras import ops

from mapgan.engine.state import Adam, Losses, TrainState, Update


def prepare(*, deterministic: bool, threads: int | None) -> None:
    """Set memory growth, the number of threads and determinism; before the first tensor only.

    Raises:
        RuntimeError: TensorFlow has already started with other settings.
    """
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
    return configured or len(os.sched_getaffinity(0))


def compile_step(state: TrainState) -> Update:
    """See :class:`mapgan.engine.Engine`."""
    model = state.model

    def update(first: Any, second: Any, rate: Any) -> Losses:
        first, second = _to_signed(first), _to_signed(second)
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
        return losses

    compiled = tf.function(update, autograph=False)

    def call(first: Any, second: Any, rate: float) -> Losses:
        # A Python float would trace the graph again for every rate of a schedule.
        result: Losses = compiled(tf.constant(first), tf.constant(second), tf.constant(rate, tf.float32))
        return result

    return call


def _to_signed(pictures: Any) -> Any:
    """uint8 [0, 255] to float32 [-1, 1]."""
    return tf.cast(pictures, tf.float32) / 127.5 - 1.0


def _update_discriminators(state: TrainState, first: Any, second: Any, outputs: Any, rate: Any) -> Losses:
    """One step of D on the generators' outputs, which it takes as constants; its terms to log."""
    adam = state.adams["discriminators"]
    constants = state.model.shown({name: ops.stop_gradient(value) for name, value in outputs.items()})
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
    weights = state.adams["generators"].weights
    for path, average in state.averages.items():
        tf.raw_ops.ResourceApplyGradientDescent(
            var=average.value.handle,
            alpha=1.0 - state.ema_decay,
            delta=average.value - weights[path].value,
        )
