"""What can be measured: generator files and the checkpoints of runs, each as a function of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mapgan import checkpoints
from mapgan.checkpoints import Checkpoint, CheckpointError
from mapgan.config import ConfigError
from mapgan.inference import Generator, InferenceError
from mapgan.metrics import Pictures

Translate: TypeAlias = Callable[[Pictures], Pictures]


@dataclass(frozen=True, eq=False)
class Candidate:
    """One generator in one direction.

    Attributes:
        name: what a person calls it.
        kind: ``checkpoint``, ``generator`` (a file) or ``pictures``.
        series: the run it is of; a file is a series of its own.
        step: updates made; None where nobody knows.
        direction: ``map2sat`` or ``sat2map``.
        size: side of the pictures it is measured on, in pixels.
        model: how it was trained, ``pix2pix`` or ``cyclegan``.
        opened: gives the function from uint8 ``(n, s, s, 3)`` to the same, and lets go of it again.
        path: the checkpoint's folder or the file.
        a_side: the aerial half of the pictures it learnt from, as far as it is known.
    """

    name: str
    kind: str
    series: str
    step: int | None
    direction: str
    size: int
    model: str
    opened: Callable[[], AbstractContextManager[Translate]]
    path: Path | None = None
    a_side: str = "left"


@dataclass(frozen=True)
class Failure:
    """A generator that could not be measured, and why."""

    name: str
    error: CheckpointError | InferenceError


def of_file(path: Path, *, threads: int | None = None) -> Candidate:
    """The generator in an ONNX file.

    Raises:
        InferenceError: no such file, or not one of ours.
    """
    generator = Generator(path, threads=threads)
    card = generator.card

    @contextmanager
    def opened() -> Iterator[Translate]:
        yield lambda pictures: np.stack([generator.translate(picture) for picture in pictures])

    return Candidate(
        path.stem,
        "generator",
        path.stem,
        card.step,
        card.direction,
        card.image_size,
        card.model,
        opened,
        path,
    )


def of_run(
    path: Path,
    problems: list[Failure],
    *,
    steps: Sequence[str] = (),
    direction: str | None = None,
    raw: bool = False,
) -> list[Candidate]:
    """The generators of a run's checkpoints, or of one checkpoint's folder.

    Args:
        path: folder of a run or of a checkpoint.
        problems: gets the checkpoints that cannot be read.
        steps: these checkpoints of the run alone: numbers, or ``latest``; none means all.
        direction: this one alone; None takes all that the run learnt.
        raw: take the weights as trained, not their running mean.

    Raises:
        CheckpointError: no such checkpoint, or a direction the run did not learn.
    """
    if (path / checkpoints.MANIFEST).is_file():
        chosen, label = [path], path.resolve().parent.parent.name
    else:
        chosen, label = _chosen(path, steps), path.resolve().name
    found = []
    for folder in chosen:
        try:
            checkpoint = checkpoints.read_manifest(folder)
        except CheckpointError as error:
            problems.append(Failure(f"{label} {folder.name}", error))
            continue
        directions = (direction,) if direction else checkpoint.config.directions
        for name in directions:
            try:
                checkpoint.config.generator_for(name)
            except ConfigError as error:
                raise CheckpointError(f"{checkpoint.path}: {error}") from error
            found.append(_of_checkpoint(checkpoint, label, name, raw=raw))
    return found


def _chosen(run: Path, steps: Sequence[str]) -> list[Path]:
    there = checkpoints.steps(run)
    if not there:
        raise CheckpointError(f"no checkpoint in {run}")
    wanted = [max(there) if step == "latest" else _number(step) for step in steps] or list(there)
    missing = [step for step in wanted if step not in there]
    if missing:
        raise CheckpointError(f"{run} has no checkpoint of step {missing[0]}")
    return [there[step] for step in sorted(set(wanted))]


def _number(text: str) -> int:
    try:
        return int(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise CheckpointError(f"a checkpoint is a number of steps or 'latest', not {text!r}") from None


def _of_checkpoint(checkpoint: Checkpoint, label: str, direction: str, *, raw: bool) -> Candidate:
    @contextmanager
    def opened() -> Iterator[Translate]:
        from mapgan.translating import translator

        network, _, _ = checkpoints.load_generator(checkpoint.path, ema=not raw, direction=direction)
        with translator(network) as translate:
            yield translate

    return Candidate(
        f"{label} step {checkpoint.step:,}",
        "checkpoint",
        label,
        checkpoint.step,
        direction,
        checkpoint.config.image_size,
        checkpoint.config.model,
        opened,
        checkpoint.path,
        checkpoint.config.a_side,
    )
