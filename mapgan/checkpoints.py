"""Checkpoints: a folder a step, complete or not there at all.

``checkpoints/step-00002000/`` holds ``arrays.npz`` (every variable of the train state by path, no
pickle) and ``manifest.json`` (format, step, configuration, hashes, environment). It is written under
a hidden name, synced, and renamed: a process killed at any moment leaves either the whole checkpoint
or nothing that :func:`latest` would find. A restore that does not fit in every name, shape and type
is an error, never a fresh start.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mapgan.config import ConfigError, TrainConfig

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]

FORMAT: Final = 1
FOLDER: Final = "checkpoints"
ARRAYS: Final = "arrays.npz"
MANIFEST: Final = "manifest.json"
TRAINED: Final = re.compile(r"optimizers/[^/]+/m/([^/]+)/.*")
NAME: Final = re.compile(r"step-(\d{8,})")


class CheckpointError(RuntimeError):
    """A checkpoint that is missing, damaged or of another run; the message says which and why."""


class DamagedError(CheckpointError):
    """A checkpoint whose files are not what was written: cut short, altered or gone."""


class NotFiniteError(CheckpointError):
    """A state with a NaN or an infinity, which is not written."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk, its manifest read and its arrays not yet."""

    path: Path
    step: int
    config: TrainConfig
    weights_sha256: str
    arrays_sha256: str
    parameters: dict[str, int]
    """Trained weights of each network."""
    environment: dict[str, Any]


def save(
    run: Path,
    *,
    step: int,
    config: TrainConfig,
    variables: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> Path:
    """Write the checkpoint of ``step`` atomically.

    Args:
        run: folder of the run; checkpoints lie in ``run/checkpoints``.
        step: number of updates made.
        config: of the run; written into the manifest.
        variables: everything that changes, by path (``TrainState.variables()``).
        environment: what the exact bits depend on (versions, threads, data fingerprint).

    Returns:
        The checkpoint's folder.

    Raises:
        NotFiniteError: a weight is NaN or infinite; nothing is written.
        CheckpointError: the step has a checkpoint; nothing is written.
        OSError: the disk is full or not writable; what was there before stays.
    """
    arrays: Arrays = {path: _array(value) for path, value in variables.items()}
    for path, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NotFiniteError(f"{path} is not finite at step {step}; the checkpoint is not written")
    folder = run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    _sync_folder(run)
    target = folder / f"step-{step:08d}"
    if target.exists():
        raise CheckpointError(f"{target} is there already")
    manifest = {"step": step, "config": config.to_dict(), "environment": dict(environment)}
    part = folder / f".part-{target.name}"
    for left in folder.glob(".*-step-*"):  # by a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    try:
        _write(part, manifest, arrays)
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    _sync_folder(folder)
    return target


def remove(path: Path) -> None:
    """Delete a checkpoint's folder; killed in between, it is gone rather than half there.

    Raises:
        OSError: it cannot be deleted.
    """
    old = path.with_name(f".old-{path.name}")
    path.rename(old)
    _sync_folder(path.parent)
    shutil.rmtree(old)


def steps(run: Path) -> dict[int, Path]:
    """The folders of a run's checkpoints by their steps, ascending; what is in them is not read."""
    return {int(path.name.removeprefix("step-")): path for path in _folders(run)}


def newest_whole(run: Path, before: int) -> Checkpoint | None:
    """The newest checkpoint of a smaller step than ``before`` that can be read in full, if there is one."""
    for step, path in reversed(steps(run).items()):
        if step < before:
            with suppress(CheckpointError):
                checkpoint = read_manifest(path)
                read_arrays(checkpoint)
                return checkpoint
    return None


def latest(run: Path) -> Checkpoint | None:
    """The newest checkpoint of a run, or None when it has none.

    Raises:
        CheckpointError: the newest one has an unreadable manifest (:class:`DamagedError`) or another format.
    """
    folders = _folders(run)
    return read_manifest(folders[-1]) if folders else None


def find(path: Path) -> Checkpoint:
    """The checkpoint at ``path``: a checkpoint's folder, or a run, whose newest it is.

    Raises:
        CheckpointError: there is none, or its manifest cannot be read.
    """
    if (path / MANIFEST).is_file():
        return read_manifest(path)
    found = latest(path)
    if found is None:
        raise CheckpointError(f"no checkpoint in {path}")
    return found


def read_manifest(path: Path) -> Checkpoint:
    """Read and check the manifest of the checkpoint folder ``path``.

    Raises:
        CheckpointError: it is missing, of another format, or does not say what it should.
    """
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            raise CheckpointError(f"{path}: format {manifest['format']!r}; this version reads {FORMAT}")
        return Checkpoint(
            path=path,
            step=int(manifest["step"]),
            config=TrainConfig.from_dict(manifest["config"]),
            weights_sha256=str(manifest["weights_sha256"]),
            arrays_sha256=str(manifest["arrays_sha256"]),
            parameters={str(name): int(count) for name, count in manifest["parameters"].items()},
            environment=dict(manifest["environment"]),
        )
    except ConfigError as error:  # of another version, which had other settings
        raise CheckpointError(f"{path}: unreadable manifest ({error})") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(f"{path}: unreadable manifest ({error})") from error


def read_arrays(checkpoint: Checkpoint) -> Arrays:
    """All arrays of a checkpoint, after its hash was compared.

    Raises:
        CheckpointError: the file is missing, cut short or altered.
    """
    path = checkpoint.path / ARRAYS
    try:
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        if digest != checkpoint.arrays_sha256:
            raise DamagedError(f"{path} is damaged: its hash is not the manifest's")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as error:
        raise DamagedError(f"cannot read {path}: {error}") from error


def assign(arrays: Mapping[str, npt.NDArray[Any]], variables: Mapping[str, Any], origin: Path) -> None:
    """Put every array into the variable of the same path.

    Args:
        arrays: from :func:`read_arrays`.
        variables: Keras variables by path; their names must be exactly those of ``arrays``.
        origin: named in the messages.

    Raises:
        CheckpointError: a name too many or missing, another shape or another type. Nothing is
            assigned then.
    """
    missing, surplus = sorted(set(variables) - set(arrays)), sorted(set(arrays) - set(variables))
    if missing or surplus:
        parts = [
            f"{word} {', '.join(names[:3])}"
            for word, names in (("lacks", missing), ("has the unknown", surplus))
            if names
        ]
        raise CheckpointError(f"{origin} does not fit this run: it {' and '.join(parts)}")
    for path, variable in variables.items():
        array = arrays[path]
        if array.shape != tuple(variable.shape) or not _same_type(array, str(variable.dtype)):
            raise CheckpointError(
                f"{origin} does not fit this run: {path} is {array.dtype}{array.shape}, "
                f"not {variable.dtype}{tuple(variable.shape)}"
            )
    for path, variable in variables.items():
        variable.assign(arrays[path].astype(str(variable.dtype), copy=False))


def _same_type(array: npt.NDArray[Any], wanted: str) -> bool:
    """Whether an array has a variable's type, or is of whole numbers that fit into it.

    Counts and random states are int64 in TensorFlow and 32 bits in JAX.
    """
    if str(array.dtype) == wanted:
        return True
    if array.dtype.kind not in "iu" or not re.fullmatch(r"u?int\d+", wanted):
        return False
    limits = np.iinfo(wanted)
    return not array.size or (int(array.min()) >= limits.min and int(array.max()) <= limits.max)


def weights_sha256(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """SHA-256 over the tensors of all networks in path order: name, type, shape and bytes of each.

    Optimisers, averages and random states are left out, and so is how a file was packed: two runs
    with equal networks have equal hashes.
    """
    digest = sha256()
    for path in sorted(name for name in arrays if name.startswith("networks/")):
        array = np.ascontiguousarray(arrays[path])
        digest.update(f"{path}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.data)
    return digest.hexdigest()


def _array(value: Any) -> npt.NDArray[Any]:
    """A Keras variable or an array as an array."""
    if isinstance(value, np.ndarray):
        return value
    from keras import ops

    return np.asarray(ops.convert_to_numpy(value))


def _count_trained(arrays: Arrays) -> dict[str, int]:
    """Sizes of the weights that an optimiser has a moment for, summed by network."""
    counts: dict[str, int] = {}
    for path, array in arrays.items():
        match = TRAINED.fullmatch(path)
        if match:
            counts[match[1]] = counts.get(match[1], 0) + array.size
    return counts


def load_generator(
    path: Path, *, ema: bool = True, direction: str | None = None
) -> tuple[Any, TrainConfig, int]:
    """Build the generator of a run or checkpoint and fill in its weights.

    Args:
        path: a run's folder (its newest checkpoint) or a checkpoint's folder.
        ema: take the averaged weights when the run kept them.
        direction: ``map2sat`` or ``sat2map``; None takes the one in the run's configuration.

    Returns:
        The ``keras.Model``, the run's configuration with the direction of this generator, and the step.

    Raises:
        CheckpointError: no checkpoint, a damaged one, one that does not fit its configuration, or a
            direction that the run did not learn.
    """
    from mapgan.networks import generator_for

    checkpoint = find(path)
    config = checkpoint.config
    try:
        config = replace(config, direction=direction or config.direction)
        name = checkpoint.config.generator_for(config.direction)
    except ConfigError as error:
        raise CheckpointError(f"{checkpoint.path}: {error}") from error
    generator = generator_for(config)
    arrays = read_arrays(checkpoint)
    found = _below(f"networks/{name}/", arrays)
    if ema:
        # Only trained weights are averaged; BatchNorm's running statistics are the network's own.
        found |= _below(f"ema/{name}/", arrays)
    assign(found, {weight.path: weight for weight in generator.weights}, checkpoint.path)
    return generator, config, checkpoint.step


def _below(prefix: str, arrays: Arrays) -> Arrays:
    """The arrays under ``prefix``, without it."""
    return {path.removeprefix(prefix): array for path, array in arrays.items() if path.startswith(prefix)}


def _folders(run: Path) -> list[Path]:
    """Complete checkpoints of a run, oldest first."""
    folder = run / FOLDER
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def _write(part: Path, manifest: dict[str, Any], arrays: Arrays) -> None:
    """Write a checkpoint's files into the new folder ``part`` and wait for the disk."""
    part.mkdir()
    manifest = {
        "format": FORMAT,
        "weights_sha256": weights_sha256(arrays),
        "arrays_sha256": _write_arrays(part / ARRAYS, arrays),
        "parameters": _count_trained(arrays),
        **manifest,
    }
    _write_synced(part / MANIFEST, json.dumps(manifest, indent=1).encode())
    _sync_folder(part)


def _write_arrays(path: Path, arrays: Arrays) -> str:
    """Write an uncompressed npz, synced; returns the file's SHA-256."""
    with path.open("w+b") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        return file_digest(file, "sha256").hexdigest()


def _write_synced(path: Path, data: bytes) -> None:
    """Write a small file and wait for the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    """Wait until the names in ``path`` are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
