"""Checkpoints: whole or absent, hash-checked, and never restored where they do not fit."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapgan import checkpoints
from mapgan.checkpoints import CheckpointError
from mapgan.config import TrainConfig
from mapgan.engine.state import TrainState
from mapgan.pix2pix import Pix2Pix

OPTIONS: dict[str, Any] = {
    "generator": "unet_32",
    "generator_width": 4,
    "discriminator_width": 4,
    "image_size": 32,
    "load_size": 32,
}
CONFIG = TrainConfig(**OPTIONS, ema_decay=0.9)


class Variable(np.ndarray):
    """Enough of a Keras variable for :func:`checkpoints.assign`."""

    def assign(self, value: np.ndarray) -> None:
        """Take over the values."""
        self[...] = value


def variables(**extra: np.ndarray) -> dict[str, Any]:
    """A small state with a trained weight, its moment and a count."""
    arrays = {
        "networks/generator/conv/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
        "optimizers/generators/m/generator/conv/kernel": np.ones((2, 3), np.float32),
        "optimizers/generators/iterations": np.array(7, np.int64),
        **extra,
    }
    return {path: array.view(Variable) for path, array in arrays.items()}


def save(run: Path, step: int = 7, **extra: np.ndarray) -> Path:
    """Write :func:`variables` as the checkpoint of ``step``."""
    return checkpoints.save(
        run, step=step, config=CONFIG, variables=variables(**extra), environment={"threads": 2}
    )


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    """Values, types, configuration, step and the name that carries it."""
    path = save(tmp_path)
    assert path == tmp_path / "checkpoints" / "step-00000007"
    assert sorted(entry.name for entry in path.iterdir()) == ["arrays.npz", "manifest.json"]
    checkpoint = checkpoints.latest(tmp_path)
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.config, checkpoint.environment) == (7, CONFIG, {"threads": 2})
    assert checkpoint.parameters == {"generator": 6}
    arrays = checkpoints.read_arrays(checkpoint)
    for name, value in variables().items():
        assert arrays[name].dtype == value.dtype
        np.testing.assert_array_equal(arrays[name], value)


def test_newest_wins(tmp_path: Path) -> None:
    """By number, not by name or date."""
    for step in (10, 9, 100_000_000, 20):
        save(tmp_path, step)
    assert list(checkpoints.steps(tmp_path)) == [9, 10, 20, 100_000_000]
    newest = checkpoints.latest(tmp_path)
    assert newest is not None
    assert newest.step == 100_000_000


def test_removed_is_gone_even_when_killed_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that lost some of its files already is not found, and the next save tidies up."""
    save(tmp_path, 1)
    path = save(tmp_path, 2)

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints.shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.remove(path)
    monkeypatch.undo()
    assert list(checkpoints.steps(tmp_path)) == [1]
    save(tmp_path, 3)
    assert sorted(found.name for found in (tmp_path / "checkpoints").iterdir()) == [
        "step-00000001",
        "step-00000003",
    ]
    checkpoints.remove(checkpoints.steps(tmp_path)[1])
    assert list(checkpoints.steps(tmp_path)) == [3]


def test_the_newest_whole_one(tmp_path: Path) -> None:
    """Damage of any kind is passed over."""
    paths = {step: save(tmp_path, step) for step in (1, 2, 3, 4)}
    (paths[2] / "arrays.npz").write_bytes(b"cut")
    (paths[3] / "manifest.json").write_text("{")
    found = checkpoints.newest_whole(tmp_path, before=4)
    assert found is not None
    assert found.step == 1
    assert checkpoints.newest_whole(tmp_path, before=1) is None


def test_everything_reaches_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both files and their folder are synced before the rename, the folder with the new name after it."""
    calls: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def synced(handle: int) -> None:
        calls.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    def renamed(source: Path, target: Path) -> Path:
        calls.append(f"rename {target.name}")
        return rename(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    save(tmp_path)
    name = "step-00000007"
    expected = ["arrays.npz", "manifest.json", f".part-{name}", f"rename {name}", "checkpoints"]
    assert calls[-5:] == expected


def test_no_checkpoint(tmp_path: Path) -> None:
    """A run without one has none; asking for it by path is an error."""
    assert checkpoints.latest(tmp_path / "absent") is None
    with pytest.raises(CheckpointError, match="no checkpoint in"):
        checkpoints.find(tmp_path)


def test_a_checkpoint_is_never_written_over(tmp_path: Path) -> None:
    """Replacing a folder is not atomic, so a second one of a step is refused."""
    path = save(tmp_path)
    with pytest.raises(CheckpointError, match="is there already"):
        save(tmp_path)
    assert checkpoints.find(path).step == 7


def test_find_takes_a_run_or_a_checkpoint(tmp_path: Path) -> None:
    """Both paths lead to the same place."""
    first, second = save(tmp_path, 1), save(tmp_path, 2)
    assert checkpoints.find(tmp_path).path == second
    assert checkpoints.find(first).step == 1


@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_damaged_arrays(tmp_path: Path, damage: str) -> None:
    """A byte less, a bit changed or no file: an error that names it."""
    arrays = save(tmp_path) / "arrays.npz"
    data = bytearray(arrays.read_bytes())
    if damage == "gone":
        arrays.unlink()
    else:
        data[len(data) // 2] ^= 1
        arrays.write_bytes(data[:-1] if damage == "cut" else data)
    with pytest.raises(CheckpointError, match=r"arrays\.npz"):
        checkpoints.read_arrays(checkpoints.find(tmp_path))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 99}'])
def test_damaged_manifest(tmp_path: Path, text: str) -> None:
    """Whatever is in it, the message names the folder."""
    path = save(tmp_path)
    (path / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match="step-00000007"):
        checkpoints.latest(tmp_path)


@pytest.mark.parametrize("entry", ["step", "config", "parameters", "environment"])
def test_an_entry_of_another_kind(tmp_path: Path, entry: str) -> None:
    """A list where there should be a number or names."""
    manifest = save(tmp_path) / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {entry: [1]}))
    with pytest.raises(CheckpointError, match="unreadable manifest"):
        checkpoints.latest(tmp_path)


def test_manifest_of_another_version(tmp_path: Path) -> None:
    """An unknown setting in the configuration is not ignored."""
    manifest = save(tmp_path) / "manifest.json"
    content = json.loads(manifest.read_text())
    content["config"]["colour"] = "blue"
    manifest.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="unknown setting: colour"):
        checkpoints.latest(tmp_path)


@pytest.mark.parametrize("when", ["fsync", "rename"])
def test_a_failed_write_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """A full disk or a crash before the rename: nothing new, nothing lost, nothing left over."""
    save(tmp_path, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if when == "fsync" else Path, when, full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, 2)
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]
    newest = checkpoints.latest(tmp_path)
    assert newest is not None
    assert newest.step == 1


def test_an_unfinished_write_is_not_a_checkpoint(tmp_path: Path) -> None:
    """What a killed process left is neither found nor in the way."""
    save(tmp_path, 1)
    part = tmp_path / "checkpoints" / ".part-step-00000002"
    part.mkdir()
    (part / "arrays.npz").write_bytes(b"half")
    assert checkpoints.find(tmp_path).step == 1
    save(tmp_path, 2)
    assert checkpoints.find(tmp_path).step == 2
    assert not part.exists()


def test_nan_is_never_written(tmp_path: Path) -> None:
    """One bad number in one weight is enough."""
    bad = np.array([1.0, np.nan], np.float32)
    with pytest.raises(CheckpointError, match="networks/generator/bad is not finite at step 7"):
        save(tmp_path, **{"networks/generator/bad": bad})
    assert checkpoints.latest(tmp_path) is None


def test_hash_is_over_networks_only(tmp_path: Path) -> None:
    """Moments do not count; every network's name, type, shape and value does."""
    arrays = {name: np.asarray(value) for name, value in variables().items()}
    name = "networks/generator/conv/kernel"
    base = checkpoints.weights_sha256(arrays)
    moved = dict(reversed(arrays.items())) | {"optimizers/generators/iterations": np.array(8)}
    assert checkpoints.weights_sha256(moved) == base
    changes: list[dict[str, Any]] = [
        {name: arrays[name] + 1},
        {name: arrays[name].reshape(3, 2)},
        {name: arrays[name].astype(np.float64)},
        {"networks/generator/other": arrays[name]},
    ]
    hashes = {checkpoints.weights_sha256(arrays | change) for change in changes}
    assert len(hashes | {base}) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda v: v.pop("optimizers/generators/iterations"),
            "has the unknown optimizers/generators/iterations",
        ),
        (lambda v: v.update(new=np.zeros(1).view(Variable)), "lacks new"),
        (
            lambda v: v.update({"optimizers/generators/iterations": np.zeros(2, np.int64).view(Variable)}),
            r"\(2,\)",
        ),
        (
            lambda v: v.update({"optimizers/generators/iterations": np.array(0, np.float32).view(Variable)}),
            "float32",
        ),
        (
            lambda v: v.update(
                {"networks/generator/conv/kernel": np.zeros((2, 3), np.float16).view(Variable)}
            ),
            "float16",
        ),
    ],
    ids=["surplus", "missing", "shape", "type", "precision"],
)
def test_a_restore_that_does_not_fit(tmp_path: Path, change: Any, message: str) -> None:
    """Names, shapes and types must all agree, and nothing is assigned unless they do."""
    save(tmp_path)
    wanted = {name: (value * 0).view(Variable) for name, value in variables().items()}
    change(wanted)
    with pytest.raises(CheckpointError, match=message):
        checkpoints.assign(checkpoints.read_arrays(checkpoints.find(tmp_path)), wanted, tmp_path)
    assert not any(value.any() for value in wanted.values())


def test_whole_numbers_of_another_width_fit_when_their_values_do(tmp_path: Path) -> None:
    """Counts and random states are int64 in TensorFlow and 32 bits in JAX: a checkpoint serves both."""
    name = "optimizers/generators/iterations"
    save(tmp_path)
    wanted = {key: (value * 0).view(Variable) for key, value in variables().items()}
    wanted[name] = np.array(0, np.uint32).view(Variable)
    checkpoints.assign(checkpoints.read_arrays(checkpoints.find(tmp_path)), wanted, tmp_path)
    assert (wanted[name], wanted[name].dtype) == (7, np.uint32)
    save(tmp_path, 8, **{name: np.array(2**40)})
    with pytest.raises(CheckpointError, match="int64"):
        checkpoints.assign(checkpoints.read_arrays(checkpoints.find(tmp_path)), wanted, tmp_path)


@pytest.mark.parametrize("norm", ["instance_affine", "batch"])
def test_load_generator(tmp_path: Path, norm: str) -> None:
    """Averaged weights on request, the network's own otherwise; BatchNorm's statistics always."""
    config = TrainConfig(**OPTIONS, ema_decay=0.9, generator_norm=norm)
    state = TrainState(Pix2Pix(config), config)
    for average in state.averages.values():
        average.assign(np.full(average.shape, 0.25, np.float32))
    for weight in state.model.networks["generator"].non_trainable_weights:
        weight.assign(np.full(weight.shape, 3.0, np.float32))
    checkpoints.save(tmp_path, step=3, config=config, variables=state.variables(), environment={})
    averaged, loaded, step = checkpoints.load_generator(tmp_path)
    assert (loaded, step) == (config, 3)
    assert all((weight.numpy() == 0.25).all() for weight in averaged.trainable_weights)
    assert all((weight.numpy() == 3).all() for weight in averaged.non_trainable_weights)
    own, _, _ = checkpoints.load_generator(tmp_path / "checkpoints" / "step-00000003", ema=False)
    for weight, original in zip(own.weights, state.model.networks["generator"].weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), original.numpy())


def test_state_paths_are_the_same_in_every_process() -> None:
    """Keras counts names up; a second model of one configuration must still have the first one's paths."""
    config = TrainConfig(generator="unet_64", image_size=64, generator_width=2, ema_decay=0.9)
    first, second = (set(TrainState(Pix2Pix(config), config).variables()) for _ in range(2))
    assert first == second
    assert {path.split("/")[0] for path in first} == {"networks", "optimizers", "ema", "random"}
    assert "random/generator/up5_dropout" in first
