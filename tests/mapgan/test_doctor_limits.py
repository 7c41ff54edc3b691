"""What would take the doctor for ever: vast pictures in small files, and too many of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from mapgan.datasets import DatasetError
from mapgan.doctor import examine as doctor
from mapgan.doctor.examine import examine
from tests.mapgan.pairs import write_maps


def test_vast_pictures_in_small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        Image.new("RGB", (1000, 500), (number, 0, 0)).save(tmp_path / f"{number}.png")
    assert examine(tmp_path).pairs == {"": 6}  # not many, so nobody minds
    monkeypatch.setattr(doctor, "FREE_PIXELS", 2 * 10**6)
    with pytest.raises(DatasetError, match="photographs and maps do not"):
        examine(tmp_path)


def test_pictures_like_pictures_may_be_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "FREE_PIXELS", 1000)
    assert examine(write_maps(tmp_path, 4)).pairs == {"": 4}


def test_too_many_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MOST_TILES", 5)
    assert examine(write_maps(tmp_path, 5)).pairs == {"": 5}
    with pytest.raises(DatasetError, match="there are 6 pictures; at most 5"):
        examine(write_maps(tmp_path, 6))
