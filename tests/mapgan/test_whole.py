"""Small files are the old one or the whole new one, for readers and after a power cut."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mapgan.callbacks.samples import Samples
from mapgan.config import TrainConfig
from mapgan.training import train
from mapgan.whole import written
from tests.mapgan.test_callbacks import CONFIG, dataset, validation


def opened(descriptor: int) -> Path:
    """The name of an open file or folder."""
    return Path(f"/proc/self/fd/{descriptor}").readlink()


def failing(path: Path) -> None:
    """Write half of something and fail."""
    with written(path) as file:
        file.write(b"ne")
        raise ValueError("half")


def test_nobody_sees_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is on the disk the name means what it meant, and no other name is left."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    synced: list[tuple[str, str]] = []
    sync = os.fsync

    def look(descriptor: int) -> None:
        sync(descriptor)
        synced.append((path.read_text(), opened(descriptor).read_text()))

    monkeypatch.setattr(os, "fsync", look)
    with written(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert synced == [("old", "new")]
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    """In the block, or because the folder takes no file."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ValueError, match="half"):
        failing(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="No such file"), written(tmp_path / "nothing" / "a.txt"):
        pytest.fail("there is no such folder")


def test_settings_and_samples_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the checkpoint itself, before they have their names."""
    synced: set[Path] = set()
    named: dict[str, Path] = {}
    sync, replace = os.fsync, Path.replace

    def note(descriptor: int) -> None:
        sync(descriptor)
        synced.add(opened(descriptor))

    def look(part: Path, path: Path) -> Path:
        named[path.relative_to(tmp_path).as_posix()] = part
        return replace(part, path)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(Path, "replace", look)
    config = TrainConfig.from_dict({**CONFIG.to_dict(), "steps": 1})
    train(config, dataset(), tmp_path, validation=validation(), beside=[Samples()])
    folders = ("input/map2sat/w", "target/map2sat/x", ".part-step-00000001/map2sat/w")
    for name in ("config.toml", *(f"samples/{name}.png" for name in folders)):
        assert named[name] in synced
