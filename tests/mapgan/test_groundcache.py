"""Groups of tiles are found once for equal pictures, and always where they cannot be remembered."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mapgan import groundcache, holdout
from mapgan.doctor import ground
from mapgan.groundcache import Groups, Pictures
from mapgan.traindata import open_training_data
from tests.mapgan.pairs import write_maps
from tests.mapgan.test_traindata import config

GROUPS = [[0, 2], [1, 4, 5]]
TILES = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), dtype=np.uint8)


class Finder:
    """Finds ``GROUPS`` in anything and counts how often."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, _: Pictures) -> Groups:
        self.asked += 1
        return GROUPS

    def found(self, pictures: Pictures = TILES, algorithm: int = 1) -> bool:
        """Whether it was asked, and did not remember."""
        before = self.asked
        assert groundcache.remembered(pictures, algorithm, self) == GROUPS
        return self.asked > before


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files lie."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "mapgan" / "ground"


def test_equal_pictures_are_compared_once(cache: Path) -> None:
    """Other pixels, another order, another shape and another algorithm are something else."""
    finder = Finder()
    assert finder.found()
    assert not finder.found(TILES.copy())
    other = TILES.copy()
    other[3, 0, 0, 0] ^= 1
    assert finder.found(other)
    assert finder.found(TILES[::-1])
    assert finder.found(TILES.reshape(6, 16, 4, 3))
    assert finder.found(algorithm=2)
    assert not finder.found(other)
    assert len(list(cache.iterdir())) == 5


BROKEN = ["", "[[0, 2], [1, 4", "{}", "[0, 1]", "[[0]]", "[[0, 6]]", "[[0, 1], [1, 2]]", "[[true, 2]]"]


@pytest.mark.parametrize("text", BROKEN)
def test_a_damaged_file_is_found_anew(cache: Path, text: str) -> None:
    """Half a file, another kind of thing, places that are not there."""
    finder = Finder()
    finder.found()
    (file,) = cache.iterdir()
    file.write_text(text)
    assert finder.found()
    assert json.loads(file.read_text()) == GROUPS
    assert not finder.found()


def test_without_a_folder_nothing_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in its place, as where the disk is full or nobody may write; no home at all."""
    (tmp_path / "file").write_text("")
    for name in ("file", "file/below"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))
        finder = Finder()
        assert finder.found()
        assert finder.found()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", _no_home)
    assert finder.found()


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


@pytest.mark.parametrize("named", [None, "", "relative/cache"])
def test_the_usual_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str | None) -> None:
    """Where nothing else is said, or something that the specification ignores."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME")
    if named is not None:
        monkeypatch.setenv("XDG_CACHE_HOME", named)
    assert Finder().found()
    assert len(list((tmp_path / ".cache" / "mapgan" / "ground").iterdir())) == 1


def test_the_folder_stays_small(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was not used for longest goes first."""
    monkeypatch.setattr(groundcache, "FILES", 3)
    finder = Finder()
    for number in range(3):
        assert finder.found(algorithm=number)
    assert not finder.found(algorithm=0)
    assert finder.found(algorithm=3)
    assert sorted(path.name.split("-")[0] for path in cache.iterdir()) == ["v0", "v2", "v3"]


def test_a_second_run_on_equal_data_does_not_compare(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another seed draws from the same groups; copies stay together."""
    write_maps(tmp_path / "data", 8)
    (tmp_path / "data" / "copy.png").write_bytes((tmp_path / "data" / "1.png").read_bytes())
    open_training_data(config(), tmp_path / "data", tmp_path / "one")
    assert [json.loads(path.read_text()) for path in cache.iterdir()] == [[[0, 8]]]

    def never(_: Pictures) -> Groups:
        pytest.fail("compared again")

    monkeypatch.setattr(ground, "overlapping", never)
    open_training_data(config(seed=1, validation_share=0.4), tmp_path / "data", tmp_path / "two")
    open_training_data(config(), tmp_path / "data", tmp_path / "three")
    one, three = (holdout.read(tmp_path / run) for run in ("one", "three"))
    assert one == three
    assert holdout.read(tmp_path / "two").groups == {"pairs": 1}
