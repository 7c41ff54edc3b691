"""The training loop: one function that reads top to bottom, and what it needs around it.

It knows no model and no backend: a model says what its networks and losses are, an engine makes the
update, a data set gives the batch of a step, checkpoints keep the state, callbacks
(:mod:`mapgan.callbacks`) do all the rest, and a listener hears of it.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import keras

from mapgan import callbacks, checkpoints, engine, events, memory, runlock
from mapgan.callbacks import Callback, Crew, Session
from mapgan.callbacks.watchdog import MESSAGES
from mapgan.config import TrainConfig
from mapgan.cyclegan import CycleGAN
from mapgan.engine.machine import processor
from mapgan.engine.state import Model
from mapgan.pix2pix import Pix2Pix
from mapgan.prefetch import Prefetched
from mapgan.stopping import Stop
from mapgan.whole import written

if TYPE_CHECKING:
    from mapgan.traindata import Validation

MODELS: Final[Mapping[str, Callable[[TrainConfig], Model]]] = {
    "pix2pix": Pix2Pix,
    "cyclegan": CycleGAN,
}
CONFIG_FILE: Final = "config.toml"


class TrainingError(RuntimeError):
    """A run that cannot start or go on; the message is for the person who started it."""


class DivergedError(TrainingError):
    """A loss or a weight is no longer a number; going on would learn nothing."""


class StorageError(TrainingError):
    """A checkpoint cannot be written, because the disk is full or for another reason of its own."""


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
    validation: Validation | None = None,
    resume: bool = False,
    threads: int | None = None,
    listen: events.Listener = lambda _: None,
    stop: Stop | None = None,
    beside: Sequence[Callback] | None = None,
    locked: bool = False,
) -> int:
    """Train until ``config.steps`` updates are made, or until ``stop()`` says so; returns their number.

    Args:
        config, dataset, run: what, from which batches, into which folder (held meanwhile).
        validation: fixed tiles to draw and to measure on.
        resume: continue from the newest checkpoint; without one start at 0 (and say so).
        threads: threads of an operation; None leaves the choice to the backend.
        listen: hears every event, see :mod:`mapgan.events`.
        stop: asked after every step and checkpoint; when true the state is saved and the function returns.
        beside: what accompanies the run; None takes :func:`mapgan.callbacks.standard`.
        locked: whether the caller holds the folder already (:func:`mapgan.runlock.held`).

    Raises:
        TrainingError: the folder has checkpoints, the configuration or data are not those of the
            checkpoint, the losses diverged, or the disk is full; the last checkpoint stays.
        runlock.InUseError: another process is training in the folder.
        checkpoints.CheckpointError: the checkpoint to resume from is damaged or does not fit.
    """
    stop = stop or Stop()
    holding = contextlib.nullcontext() if locked else runlock.held(run)
    with holding, Crew(callbacks.standard() if beside is None else beside, listen) as crew:
        backend = engine.select()
        backend.prepare(deterministic=config.deterministic, threads=threads)
        state = engine.build(backend, MODELS[config.model], config)
        environment = _environment(backend, dataset)
        session = Session(run, config, state, dataset, validation, environment, crew.say)
        step = _restore(session) if resume else _begin(session)
        crew.start(session, step)
        update, pace = backend.compile_step(state), _Pace(step, config, len(dataset))

        with Prefetched(dataset, step, config.steps) as batches:
            while step < config.steps:
                losses = update(*batches.batch(step), config.rate_at(step))
                step, stop.unsaved = step + 1, True
                stopping = stop()
                ending = stopping or step == config.steps
                if ending or step % config.log_every == 0:
                    crew.say(pace.report(step, _checked(losses, session, step)))
                if ending or step % config.checkpoint_every == 0:
                    _checked(losses, session, step)
                    update.sync()
                    with pace.paused():
                        path = _save(session, step)
                        stop.unsaved = False
                        stopping = stopping or stop()  # a signal since was only remembered
                        if not stopping:  # who asked for an end does not wait for pictures
                            crew.examine(session, step, path)
                if stopping:
                    break

        crew.say(events.Finished(step=step, reason="completed" if step >= config.steps else "stopped"))
    return step


def _begin(session: Session) -> int:
    """A new run starts at 0, and never on top of another one."""
    if checkpoints.steps(session.run):
        raise TrainingError(
            f"{session.run} already has checkpoints; continue it with --resume or choose another folder"
        )
    _announce(session, 0)
    return 0


def _restore(session: Session) -> int:
    """Fill the state from the newest checkpoint and return its step; 0 when there is none."""
    step = 0
    try:
        checkpoint = checkpoints.latest(session.run)
        if checkpoint is not None:
            step = checkpoint.step
            _compare(checkpoint, session)
            variables = session.state.variables()
            checkpoints.assign(checkpoints.read_arrays(checkpoint), variables, checkpoint.path)
            updates = int(keras.ops.convert_to_numpy(session.state.adams["generators"].iterations))
            if updates != step:
                raise checkpoints.CheckpointError(f"{checkpoint.path} holds {updates} updates, not {step}")
    except checkpoints.DamagedError as error:
        raise checkpoints.DamagedError(f"{error}. {_way_out(session.run)}") from error
    session.say(events.Resumed(step=step))
    _announce(session, step)
    if checkpoint is not None:
        _warn_of_changes(checkpoint, session)
    return step


def _compare(checkpoint: checkpoints.Checkpoint, session: Session) -> None:
    """Refuse a checkpoint of another run."""
    changed = checkpoint.config.differences(session.config)
    if changed:
        listed = ", ".join(f"{name} was {old!r}, now {new!r}" for name, (old, new) in changed.items())
        raise TrainingError(f"{checkpoint.path} belongs to another configuration: {listed}")
    if checkpoint.environment.get("data_sha256") != session.environment["data_sha256"]:
        raise TrainingError(f"the training data are not those of {checkpoint.path}")


def _warn_of_changes(checkpoint: checkpoints.Checkpoint, session: Session) -> None:
    """Say what is different and makes this another run than one that was never stopped."""
    before = checkpoint.environment
    messages = [
        f"{name} was {before[name]} and is now {now}: the run goes on, but not bit for bit as it would have"
        for name, now in session.environment.items()
        if before.get(name, now) != now
    ]
    old, new = checkpoint.config, session.config
    other = [step for step in range(checkpoint.step) if old.rate_at(step) != new.rate_at(step)]
    if other:
        messages.append(
            f"the learning rate was that of a run of {old.steps} steps (decay_steps {old.decay_steps}) and "
            f"is now that of one of {new.steps} ({new.decay_steps}): updates {other[0] + 1} to "
            f"{other[-1] + 1} were made at other rates than in a run of {new.steps} steps from the start"
        )
    for message in messages:
        session.say(events.Warned(step=checkpoint.step, message=message))


def _way_out(run: Path) -> str:
    """What to do about a damaged newest checkpoint. Never done unasked: it would undo training silently."""
    step, path = max(checkpoints.steps(run).items())
    good = checkpoints.newest_whole(run, before=step)
    if good is None:
        return (
            "No other checkpoint of the run is whole: restore this one from a copy, or train in a new folder"
        )
    return (
        f"The newest whole checkpoint is that of step {good.step}: to go on from there, move {path} "
        "out of the way and use --resume again"
    )


def _environment(backend: engine.Engine, dataset: Dataset) -> dict[str, Any]:
    """What the exact bits of a run depend on beside its configuration."""
    return {
        "backend": keras.backend.backend(),
        "framework": backend.version(),
        "keras": keras.__version__,
        "processor": processor(),
        "devices": keras.distribution.list_devices(),
        "threads": backend.threads(),
        "images": len(dataset),
        "data_sha256": dataset.fingerprint(),
    }


def _announce(session: Session, step: int) -> None:
    """Write ``config.toml`` and say what begins."""
    config, images = session.config, len(session.dataset)
    with written(session.run / CONFIG_FILE) as file:
        file.write(config.to_toml().encode())
    weights = [weight for adam in session.state.adams.values() for weight in adam.weights.values()]
    needed, there = memory.estimate(session.state, config, 2 * images), memory.available()
    started = events.Started(
        step=step,
        steps=config.steps,
        images=images,
        validation=len(session.validation.stems) if session.validation else 0,
        parameters=sum(math.prod(weight.shape) for weight in weights),
        memory_bytes=needed,
        config=config.to_dict(),
        environment=session.environment,
    )
    session.say(started)
    # On an accelerator most of it is elsewhere, and the backend knows best.
    on_cpu = all(device.startswith("cpu") for device in session.environment["devices"])
    if on_cpu and there is not None and needed > there:
        message = (
            f"this run will need about {needed / 2**30:.1f} GB of memory and the machine has "
            f"{there / 2**30:.1f} GB: it may be killed; a smaller batch_size, image_size or width needs less"
        )
        session.say(events.Warned(step=step, message=message))


def _checked(losses: Mapping[str, Any], session: Session, step: int) -> dict[str, float]:
    """The losses as numbers, or the end of the run: nothing is learnt after a NaN."""
    values = {name: float(value) for name, value in losses.items()}
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        raise _diverged(f"the loss {broken[0]}", session, step)
    return values


def _diverged(what: str, session: Session, step: int) -> DivergedError:
    """Raise the alarm; the error that ends the run."""
    session.say(events.Alarm(kind="nan", step=step, message=MESSAGES["nan"].format(what=what, step=step)))
    return DivergedError(f"{what} is not a number at step {step}; {_left(session.run)}")


def _left(run: Path) -> str:
    """What remains of a run that ends badly."""
    steps = checkpoints.steps(run)
    return f"the last good checkpoint is that of step {max(steps)}" if steps else "there is no checkpoint yet"


def _save(session: Session, step: int) -> Path:
    """Write a checkpoint, and say so; what prevents it becomes an error that says what is left."""
    run, config = session.run, session.config
    variables, environment = session.state.variables(), session.environment
    try:
        path = checkpoints.save(run, step=step, config=config, variables=variables, environment=environment)
    except checkpoints.NotFiniteError as error:
        raise _diverged(str(error).split(" is not ")[0], session, step) from error
    except OSError as error:
        why = error.strerror or error
        raise StorageError(
            f"the checkpoint of step {step} cannot be written in {run}: {why}; {_left(run)}. "
            "Make room and use --resume"
        ) from error
    session.say(events.Checkpoint(step=step, path=str(path)))
    return path


class _Pace:
    """Images a second since the last report without its pauses, and the time left with them."""

    def __init__(self, step: int, config: TrainConfig, images: int) -> None:
        self._config = config
        self._images = images
        self._step = step
        self._time = time.monotonic()
        self._pauses: list[float] = []

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count what happens meanwhile as training."""
        began = time.monotonic()
        yield
        self._pauses.append(time.monotonic() - began)
        self._time += self._pauses[-1]

    def report(self, step: int, losses: dict[str, float]) -> events.Step:
        """The event for ``step``; starts the next interval."""
        config, now = self._config, time.monotonic()
        seconds = max(now - self._time, 1e-9) / (step - self._step)
        self._step, self._time = step, now
        pause = sum(self._pauses) / len(self._pauses) if self._pauses else 0.0
        left = config.steps - step
        return events.Step(
            step=step,
            steps=config.steps,
            epoch=round(step * config.batch_size / self._images, 3),
            losses={name: round(value, 6) for name, value in losses.items()},
            learning_rate=config.rate_at(step - 1),
            images_per_second=round(config.batch_size / seconds, 3),
            eta=round(left * seconds + pause * math.ceil(left / config.checkpoint_every), 1),
            memory_bytes=memory.peak(),
        )
