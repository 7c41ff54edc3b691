"""The training loop: one function that reads top to bottom, and what it needs around it.

It knows no model and no backend: a model says what its networks and losses are, an engine makes the
update, a data set gives the batch of a step, checkpoints keep the state, and a listener hears of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, Final, Protocol

import keras

from mapgan import checkpoints, engine, events
from mapgan.config import TrainConfig
from mapgan.cyclegan import CycleGAN
from mapgan.engine.state import Model, TrainState
from mapgan.pix2pix import Pix2Pix

logger = logging.getLogger(__name__)

MODELS: Final[Mapping[str, Callable[[TrainConfig], Model]]] = {
    "pix2pix": Pix2Pix,
    "cyclegan": CycleGAN,
}
CONFIG_FILE: Final = "config.toml"
LOCK_FILE: Final = ".lock"


class TrainingError(RuntimeError):
    """A run that cannot start or go on; the message is for the person who started it."""


class Dataset(Protocol):
    """Where batches come from; see :mod:`mapgan.datasets` and :mod:`mapgan.unpaired`."""

    def __len__(self) -> int: ...

    def batch(self, step: int) -> tuple[Any, Any]:
        """The two uint8 batches of step ``step``, a function of the number alone."""

    def fingerprint(self) -> str:
        """Changes when the data do."""


def train(
    config: TrainConfig,
    dataset: Dataset,
    run: Path,
    *,
    resume: bool = False,
    threads: int | None = None,
    listen: events.Listener = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Train until ``config.steps`` updates are made, or until ``stop()`` says so.

    Args:
        config: the run; written to ``run/config.toml``.
        dataset: gives the batch of every step.
        run: folder of the run; made if missing, locked while training.
        resume: continue from the newest checkpoint; without one start at 0 (and say so).
        threads: threads of an operation; None leaves the choice to the backend.
        listen: hears every event, see :mod:`mapgan.events`.
        stop: asked after every step; when true the state is saved and the function returns.

    Returns:
        The number of updates made since the run began.

    Raises:
        TrainingError: the folder is in use or already has checkpoints, the configuration or data
            are not those of the checkpoint, or a loss is no longer a number.
        checkpoints.CheckpointError: the checkpoint to resume from is damaged or does not fit.
    """
    with _locked(run):
        backend = engine.select()
        backend.prepare(deterministic=config.deterministic, threads=threads)
        state = TrainState(MODELS[config.model](config), config)
        environment = _environment(backend.threads(), dataset)
        step = _restore(run, state, config, environment) if resume else _begin(run)
        if resume:
            listen(events.Resumed(step=step))
        _write_config(run, config)
        update = backend.compile_step(state)
        pace = _Pace(step, config)
        listen(_started(step, config, state, len(dataset)))

        while step < config.steps:
            losses = update(*dataset.batch(step), config.rate_at(step))
            step += 1
            stopping = stop()
            ending = stopping or step == config.steps
            if ending or step % config.log_every == 0:
                listen(pace.report(step, _checked(losses, step, run)))
            if ending or step % config.checkpoint_every == 0:
                _checked(losses, step, run)
                path = checkpoints.save(
                    run,
                    step=step,
                    config=config,
                    variables=state.variables(),
                    environment=environment,
                    keep=config.keep_checkpoints,
                )
                listen(events.Checkpoint(step=step, path=str(path)))
            if stopping:
                break

        listen(events.Finished(step=step, reason="completed" if step >= config.steps else "stopped"))
    return step


@contextlib.contextmanager
def stop_on_signals() -> Iterator[Callable[[], bool]]:
    """Turn the first SIGTERM or SIGINT into a polite request; a second one acts as usual.

    Yields:
        A function that is true once a signal has come; give it to :func:`train` as ``stop``.
    """
    received: list[int] = []
    previous: dict[signal.Signals, Any] = {}

    def remember(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for other, handler in previous.items():
            signal.signal(other, handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        previous[number] = signal.signal(number, remember)
    try:
        yield lambda: bool(received)
    finally:
        for restored, handler in previous.items():
            signal.signal(restored, handler)


@contextlib.contextmanager
def _locked(run: Path) -> Iterator[None]:
    """Hold the run's folder against a second writer; the kernel frees it when the process dies."""
    run.mkdir(parents=True, exist_ok=True)
    with (run / LOCK_FILE).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError(f"another process is training in {run}") from None
        yield


def _begin(run: Path) -> int:
    """A new run starts at 0, and never on top of another one."""
    if checkpoints.latest(run) is not None:
        raise TrainingError(
            f"{run} already has checkpoints; continue it with --resume or choose another folder"
        )
    return 0


def _restore(run: Path, state: TrainState, config: TrainConfig, environment: dict[str, Any]) -> int:
    """Fill ``state`` from the newest checkpoint and return its step; 0 when there is none."""
    checkpoint = checkpoints.latest(run)
    if checkpoint is None:
        return 0
    changed = checkpoint.config.differences(config)
    if changed:
        listed = ", ".join(f"{name} was {old!r}, now {new!r}" for name, (old, new) in changed.items())
        raise TrainingError(f"{checkpoint.path} belongs to another configuration: {listed}")
    if checkpoint.environment.get("data_sha256") != environment["data_sha256"]:
        raise TrainingError(f"the training data are not those of {checkpoint.path}")
    for name, value in environment.items():
        if checkpoint.environment.get(name) != value:
            logger.warning(
                "%s was %s and is now %s: the run goes on, but not bit for bit as it would have",
                name,
                checkpoint.environment.get(name),
                value,
            )
    variables = state.variables()
    checkpoints.assign(checkpoints.read_arrays(checkpoint), variables, checkpoint.path)
    updates = int(state.adams["generators"].iterations.numpy())
    if updates != checkpoint.step:
        raise checkpoints.CheckpointError(f"{checkpoint.path} holds {updates} updates, not {checkpoint.step}")
    return checkpoint.step


def _environment(threads: int, dataset: Dataset) -> dict[str, Any]:
    """What the exact bits of a run depend on beside its configuration."""
    return {
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "threads": threads,
        "images": len(dataset),
        "data_sha256": dataset.fingerprint(),
    }


def _write_config(run: Path, config: TrainConfig) -> None:
    """Write ``config.toml`` so that a reader never sees half of it."""
    part = run / f".{CONFIG_FILE}.part"
    part.write_text(config.to_toml(), encoding="utf-8")
    part.replace(run / CONFIG_FILE)


def _started(step: int, config: TrainConfig, state: TrainState, images: int) -> events.Started:
    """The event of a run that is ready."""
    parameters = sum(
        math.prod(weight.shape) for adam in state.adams.values() for weight in adam.weights.values()
    )
    return events.Started(
        step=step, steps=config.steps, images=images, parameters=parameters, config=config.to_dict()
    )


def _checked(losses: Mapping[str, Any], step: int, run: Path) -> dict[str, float]:
    """The losses as numbers, or the end of the run: nothing is learnt after a NaN."""
    values = {name: float(value) for name, value in losses.items()}
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        kept = checkpoints.latest(run)
        where = (
            f"the last good checkpoint is that of step {kept.step}" if kept else "there is no checkpoint yet"
        )
        raise TrainingError(f"the loss {broken[0]} is not a number at step {step}; {where}")
    return values


class _Pace:
    """Images a second since the last report, and the time left at that pace."""

    def __init__(self, step: int, config: TrainConfig) -> None:
        self._config = config
        self._step = step
        self._time = time.monotonic()

    def report(self, step: int, losses: dict[str, float]) -> events.Step:
        """The event for ``step``; starts the next interval."""
        now = time.monotonic()
        steps_per_second = (step - self._step) / max(now - self._time, 1e-9)
        self._step, self._time = step, now
        return events.Step(
            step=step,
            steps=self._config.steps,
            losses={name: round(value, 6) for name, value in losses.items()},
            images_per_second=round(steps_per_second * self._config.batch_size, 3),
            eta=round((self._config.steps - step) / steps_per_second, 1) if steps_per_second else 0.0,
        )
