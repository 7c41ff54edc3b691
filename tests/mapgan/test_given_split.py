"""A split that is made before a run (`mapgan doctor --split`) and given to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mapgan import holdout
from mapgan.datasets import DatasetError, read_stems
from mapgan.traindata import open_training_data
from tests.mapgan.pairs import write_maps
from tests.mapgan.test_doctor import neighbours, run
from tests.mapgan.test_traindata import began, config, cycle, halves, seen


def test_a_split_into_three(tmp_path: Path) -> None:
    """The test's tiles are in neither list; neighbours stay together; some must be left to learn from."""
    neighbours(tmp_path / "train")
    shares = ["--fraction", "0.25", "--test-fraction", "0.25"]
    result = run(tmp_path, "--split", tmp_path / "lists", *shares, "--seed", 1)
    assert result.exit_code == 0, result.output
    train, val, test = (read_stems(tmp_path / "lists" / f"{name}.txt") for name in ("train", "val", "test"))
    assert (len(train), len(val), len(test)) == (16, 8, 8)
    assert len({*train, *val, *test}) == 32
    assert all(("left" in side) == ("right" in side) for side in (train, val, test))
    assert holdout.read(tmp_path / "lists").test == {"pairs": test}
    assert (
        run(tmp_path, "--split", tmp_path / "lists", "--fraction", "0.5", "--test-fraction", "0.5").exit_code
        == 2
    )


def made_split(folder: Path, train: list[str], val: list[str], **more: Any) -> Path:
    """A split as `mapgan doctor --split` writes it."""
    folder.mkdir(exist_ok=True)
    sides = {"pairs": train}, {"pairs": val}
    holdout.write(holdout.Holdout(*sides, 0.3, 7, {"pairs": 0}, given=True, **more), folder)
    return folder / holdout.FILE


@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
def test_a_split_that_is_given(tmp_path: Path, model: str) -> None:
    """It decides over the training pictures, whatever val/ there is; what it does not name is left out."""
    write_maps(tmp_path / "data" / "train", 10)
    write_maps(tmp_path / "data" / "val", 3)
    settings = config() if model == "pix2pix" else cycle()
    split = made_split(tmp_path / "lists", ["1", "2", "3", "4", "99"], ["6", "7"], test={"pairs": ["9"]})
    run = tmp_path / "run"
    data = open_training_data(settings, tmp_path / "data", run, split=split)
    assert seen(data) == ({1, 2, 3, 4}, {1, 2, 3, 4})
    assert (data.validation.stems, data.validation.held_out, data.problems) == (["6", "7"], 2, [])
    made = holdout.read(run)
    assert (made.given, made.side("A"), made.test) == (
        True,
        (["1", "2", "3", "4"], ["6", "7"]),
        {"pairs": ["9"]},
    )
    # a run that has learnt from it keeps it, named again or not, and takes no other one
    began(run)
    for again in (split, None):
        same = open_training_data(settings, tmp_path / "data", run, split=again)
        assert same.dataset.fingerprint() == data.dataset.fingerprint()
    other = made_split(tmp_path / "other", ["1", "2", "6"], ["7"])
    with pytest.raises(DatasetError, match="began with another split"):
        open_training_data(settings, tmp_path / "data", run, split=other)


def test_one_that_was_made_for_other_data(tmp_path: Path) -> None:
    write_maps(tmp_path / "data", 5)
    split = made_split(tmp_path / "lists", ["a", "b"], ["1"])
    with pytest.raises(DatasetError, match="made for other data"):
        open_training_data(config(), tmp_path / "data", tmp_path / "run", split=split)
    with pytest.raises(DatasetError, match="cannot read"):
        open_training_data(config(), tmp_path / "data", tmp_path / "run", split=tmp_path / "no.json")
    empty = made_split(tmp_path / "lists", ["1", "2"], [])
    data = open_training_data(config(), tmp_path / "data", tmp_path / "run", split=empty)
    assert "no tile is held out" in data.problems[0]


def test_a_split_of_two_domains(tmp_path: Path) -> None:
    """Each domain has its own lists, or both take those of pairs."""
    halves(tmp_path / "data", "trainA", "trainB", 8)
    sides = {"A": ["1", "2", "3"], "B": ["4", "5"]}, {"A": ["7"], "B": ["8"]}
    (tmp_path / "lists").mkdir()
    holdout.write(holdout.Holdout(*sides, 0.1, 0, {"A": 0, "B": 0}, given=True), tmp_path / "lists")
    data = open_training_data(
        cycle(), tmp_path / "data", tmp_path / "run", split=tmp_path / "lists" / holdout.FILE
    )
    assert seen(data) == ({1, 2, 3}, {4, 5})
    assert data.validation.stems == ["7"]
    pairs = made_split(tmp_path / "pairs", ["1", "2"], ["3"])
    data = open_training_data(cycle(), tmp_path / "data", tmp_path / "other", split=pairs)
    assert seen(data) == ({1, 2}, {1, 2})


@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
def test_pairs_take_no_split_of_two_domains(tmp_path: Path, model: str) -> None:
    """Refused in words, when a run begins and when it goes on."""
    write_maps(tmp_path / "data", 6)
    settings = config() if model == "pix2pix" else cycle()
    (tmp_path / "lists").mkdir()
    sides = {"A": ["1", "2"], "B": ["3"]}, {"A": ["4"], "B": ["5"]}
    holdout.write(holdout.Holdout(*sides, 0.1, 0, {"A": 0, "B": 0}, given=True), tmp_path / "lists")
    split = tmp_path / "lists" / holdout.FILE
    run = tmp_path / "run"
    with pytest.raises(DatasetError, match="divides two domains apart"):
        open_training_data(settings, tmp_path / "data", run, split=split)
    open_training_data(settings, tmp_path / "data", run, split=made_split(tmp_path / "own", ["1"], ["2"]))
    began(run)
    with pytest.raises(DatasetError, match="divides two domains apart"):
        open_training_data(settings, tmp_path / "data", run, split=split)
