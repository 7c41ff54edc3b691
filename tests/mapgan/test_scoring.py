"""What is measured on which tiles: unpaired sets, data without training pictures, damaged candidates."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mapgan import checkpoints, holdout
from mapgan.checkpoints import DamagedError
from mapgan.datasets import DatasetError
from mapgan.inference import InferenceError
from mapgan.ranking import kept, ranking_key
from mapgan.scoring import Result, evaluate, plain
from mapgan.scoring.candidates import Candidate, Translate
from mapgan.scoring.keep import keep_measures
from mapgan.scoring.tiles import open_tiles
from tests.mapgan.pairs import write_maps
from tests.mapgan.test_traindata import config, halves

SIDE = 32


def negative(pictures: np.ndarray) -> np.ndarray:
    """Black becomes white."""
    return 255 - pictures


def candidate(
    name: str = "negative",
    translate: Translate = negative,
    *,
    direction: str = "sat2map",
    error: InferenceError | DamagedError | None = None,
) -> Candidate:
    """One that needs no network."""

    @contextmanager
    def opened() -> Iterator[Translate]:
        if error is not None:
            raise error
        yield translate

    return Candidate(name, "generator", name, None, direction, SIDE, "cyclegan", opened)


def write(folder: Path, count: int, *, low: int, high: int, seed: int = 0) -> None:
    """Pictures 1.png ... of noise between two levels."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(1, count + 1):
        picture = rng.integers(low, high, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"{number}.png")


@pytest.mark.parametrize("direction", ["sat2map", "map2sat"])
def test_unpaired_sets_rank_by_texture(tmp_path: Path, direction: str) -> None:
    """Neither direction has a measure of pairs then; the one whose set looks like the targets is the best."""
    for split in ("train", "test"):
        write(tmp_path / f"{split}A", 3, low=0, high=120)
        write(tmp_path / f"{split}B", 4, low=100, high=220, seed=1)
    towards = 100 if direction == "sat2map" else -100
    far = candidate("far", lambda pictures: pictures // 8 + 20, direction=direction)
    near = candidate(
        "near", lambda pictures: (pictures.astype(int) + towards).astype(np.uint8), direction=direction
    )
    with open_tiles(tmp_path) as source:
        result = evaluate([far, near], source)
    assert [row.name for row in result.rows[direction][:2]] == ["near", "far"]
    assert result.best(direction).measured.values.get("rmse") is None
    assert result.rule(direction).startswith("KID")


def test_retention_keeps_the_best_of_unpaired_maps() -> None:
    """By the texture; of two that are equal the earlier, as the ranking has it."""
    measures = {
        step: {"sat2map": {"kid_random_cnn": value, "swd": 5.0}}
        for step, value in ((1, 0.3), (2, 0.1), (3, 0.1), (4, 0.2))
    }
    settings = config(keep_checkpoints=1, keep_best=1, keep_every=0, direction="sat2map")
    assert kept(range(1, 6), measures, settings) == {2, 5}
    keys = [ranking_key(measures[step]["sat2map"], maps=True) for step in (1, 4, 2)]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("layout", ["halves", "folders", "domains"])
def test_data_without_training_pictures(tmp_path: Path, layout: str) -> None:
    """Only test/: the median colour is then that of the measured targets, and the result says so."""
    if layout == "halves":
        write_maps(tmp_path / "test", 4, side=SIDE)
    else:
        halves(tmp_path, *(("test/A", "test/B") if layout == "folders" else ("testA", "testB")), 4)
    with open_tiles(tmp_path) as source:
        result = evaluate([candidate()], source)
        medians = source.at(SIDE).medians
    assert (result.label, result.tiles, result.paired) == ("test", 4, layout != "domains")
    assert medians[0][0] > 100 > medians[1][0]
    assert "median colour is that of the measured tiles" in result.to_dict()["notes"][0]


@pytest.mark.parametrize("folders", [("A", "B"), ("trainA", "trainB")])
def test_a_broken_picture_for_training_harms_nobody(tmp_path: Path, folders: tuple[str, str]) -> None:
    """It is left out of the median colour; a held-out one still ends the work."""
    train = tmp_path / "train" if folders[0] == "A" else tmp_path
    halves(train, *folders, 5)
    (train / folders[0] / "3.png").write_bytes(b"broken")
    tiles = tmp_path / "tiles.txt"
    tiles.write_text("1\n2\n")
    with open_tiles(tmp_path, tiles) as source:
        assert len(source.at(SIDE).stems) == 2
        assert "1 training pictures are left out of the median colour" in source.notes[0]
    tiles.write_text("1\n3\n")
    with open_tiles(tmp_path, tiles) as source, pytest.raises(DatasetError, match="not a readable picture"):
        source.at(SIDE)


def given(run: Path, train: dict[str, list[str]], val: dict[str, list[str]], **more: Any) -> Path:
    """A run's split."""
    run.mkdir(exist_ok=True)
    holdout.write(holdout.Holdout(train, val, 0.3, 7, dict.fromkeys(train, 0), **more), run)
    return run


def test_a_flat_folder_is_measured_as_a_whole(tmp_path: Path) -> None:
    """Of a file, or of a run that holds out none of these tiles; else what the run holds out."""
    write_maps(tmp_path / "data", 6, side=SIDE)
    with open_tiles(tmp_path / "data") as source:
        result = evaluate([candidate()], source)
    assert (result.tiles, result.label) == (6, "the whole folder")
    assert "all tiles are measured" in result.notes[0]
    other = given(tmp_path / "other", {"pairs": ["1", "x"]}, {"pairs": ["y"]})
    with open_tiles(tmp_path / "data", runs=[other]) as source:
        assert len(source.at(SIDE).stems) == 6
        assert any("has learnt 1 of these tiles, such as 1" in note for note in source.notes)
    own = given(tmp_path / "own", {"pairs": ["1", "2", "3", "4"]}, {"pairs": ["5", "6"]})
    with open_tiles(tmp_path / "data", runs=[own]) as source:
        assert source.at(SIDE).stems == ["5", "6"]
        assert source.notes == []


def test_training_tiles_named_for_measuring_are_told_of(tmp_path: Path) -> None:
    write_maps(tmp_path / "train", 6, side=SIDE)
    run = given(tmp_path / "run", {"pairs": ["1", "2", "3", "4"]}, {"pairs": ["5"]})
    tiles = tmp_path / "tiles.txt"
    heard: list[str] = []
    for text, told in (("3\n4\n5\n", 1), ("5\n6\n", 0)):
        tiles.write_text(text)
        heard.clear()
        with open_tiles(tmp_path, tiles, runs=[run], on_note=heard.append):
            assert len(heard) == told
    tiles.write_text("3\n4\n5\n")
    with open_tiles(tmp_path, tiles, runs=[run]) as source:
        assert f"the run in {run} has learnt 2 of these tiles, such as 3, 4" in source.notes[0]


def test_domains_hold_out_tiles_of_equal_names_apart(tmp_path: Path) -> None:
    """1.png of A is held out and that of B was learnt: only the first is measured; a split can be named."""
    halves(tmp_path / "data", "trainA", "trainB", 6)
    sides = {"A": ["3", "4", "5", "6"], "B": ["1", "2", "3"]}, {"A": ["1", "2"], "B": ["4", "5", "6"]}
    run = given(tmp_path / "run", *sides)
    for how in ({"runs": [run]}, {"tiles": run / holdout.FILE}):
        with open_tiles(tmp_path / "data", **how) as source:
            tiles = source.at(SIDE)
        assert tiles.stems == ["1", "2"]
        numbers = [set(side[:, 0, 0, 1].tolist()) for side in (tiles.aerial, tiles.drawn)]
        assert numbers == [{1, 2}, {4, 5, 6}]
        assert source.notes == []
    (tmp_path / "tiles.txt").write_text("1\n2\n77\n")
    unknown = pytest.raises(DatasetError, match="no such tiles: 77")
    with open_tiles(tmp_path / "data", tmp_path / "tiles.txt") as source, unknown:
        source.at(SIDE)


def test_runs_are_compared_in_both_domains(tmp_path: Path) -> None:
    """Equal in A and other in B: no list is that of both, unless the data or --tiles have one."""
    halves(tmp_path, "trainA", "trainB", 4)
    train = {"A": ["1", "2"], "B": ["1", "2"]}
    runs = [
        given(tmp_path / name, train, {"A": ["3"], "B": [held]}) for name, held in (("a", "3"), ("b", "4"))
    ]
    with pytest.raises(DatasetError, match="hold out different tiles"), open_tiles(tmp_path, runs=runs):
        pass
    (tmp_path / "tiles.txt").write_text("3\n4\n")
    with open_tiles(tmp_path, tmp_path / "tiles.txt", runs=runs) as source:
        assert source.notes == []
    halves(tmp_path, "testA", "testB", 2)
    with open_tiles(tmp_path, runs=runs) as source:
        assert source.label == "test"


@pytest.mark.parametrize(
    ("folders", "pairs", "paired"),
    [
        (("trainA", "trainB"), True, True),
        (("trainA", "trainB"), False, False),
        (("train/A", "train/B"), False, True),
    ],
)
def test_what_counts_as_pairs(tmp_path: Path, folders: tuple[str, str], pairs: bool, paired: bool) -> None:
    """trainA/ and trainB/ of equal names are pairs only for generators that learnt from pairs."""
    halves(tmp_path, *folders, 4)
    (tmp_path / "tiles.txt").write_text("1\n2\n")
    with open_tiles(tmp_path, tmp_path / "tiles.txt", pairs=pairs) as source:
        assert source.at(SIDE).paired is paired
    (tmp_path / folders[0] / "4.png").unlink()
    with open_tiles(tmp_path, tmp_path / "tiles.txt") as source:  # as a CycleGAN takes them, anywhere
        assert source.at(SIDE).paired is False


def test_who_cannot_be_measured_is_named(tmp_path: Path) -> None:
    """The others are ranked; where nobody can be, the first reason is raised."""
    write_maps(tmp_path / "test", 3, side=SIDE)
    shares: list[float] = []
    damaged = candidate("damaged", error=DamagedError("its hash is not the manifest's"))
    with open_tiles(tmp_path) as source:
        result = evaluate([damaged, candidate()], source, on_progress=shares.append)
        assert [row.name for row in result.rows["sat2map"]] == ["negative", "median_colour", "input_copied"]
        assert result.to_dict()["failed"] == [{"name": "damaged", "reason": "its hash is not the manifest's"}]
        assert shares == sorted(shares)
        assert shares[-1] == 1
        with pytest.raises(DamagedError):
            evaluate([damaged], source)


def test_a_result_has_all_digits_and_a_card_six() -> None:
    values = {"rmse": 123.45678901234567, "psnr": float("inf"), "palette_iou": {"land": 1 / 3}, "images": 3}
    assert plain(values) == {**values, "psnr": None}
    assert plain(values, digits=6) == {
        "rmse": 123.457, "psnr": None, "palette_iou": {"land": 0.333333}, "images": 3
    }  # fmt: skip


def own_result(tmp_path: Path, **changes: Any) -> tuple[Result, Path]:
    """A run of one checkpoint on its own tiles, and where its measures would be kept."""
    run = tmp_path / "run"
    if not run.exists():
        write_maps(tmp_path / "data" / "train", 6, side=SIDE)
        given(run, {"pairs": ["1", "2", "3"]}, {"pairs": ["4", "5", "6"]})
        checkpoints.save(run, step=2, config=config(**changes), variables={"w": np.zeros(1)}, environment={})
    path = run / "checkpoints" / "step-00000002"
    mine = replace(candidate(), kind="checkpoint", path=path, step=2)
    with open_tiles(tmp_path / "data", runs=[run]) as source:
        return evaluate([mine], source), path / "metrics.json"


def test_measures_are_kept_only_where_they_compare(tmp_path: Path) -> None:
    """With those of the training: as many tiles, and the very same, by what it says of their inputs."""
    result, kept_at = own_result(tmp_path)
    copied = next(row for row in result.rows["sat2map"] if row.series == "input_copied").measured.values
    told = {name: float(f"{value:.6g}") for name, value in copied.items() if isinstance(value, float)}
    for tiles, figures in ((2, told), (3, told | {"rmse": told["rmse"] + 1})):
        baselines = {"tiles": tiles, "directions": {"sat2map": {"input_copied": figures}}}
        (kept_at.parents[2] / "baselines.json").write_text(json.dumps(baselines))
        assert keep_measures(result) == []
    baselines = {"tiles": 3, "directions": {"sat2map": {"input_copied": told}}}
    (kept_at.parents[2] / "baselines.json").write_text(json.dumps(baselines))
    assert keep_measures(result) == [kept_at]
    assert json.loads(kept_at.read_text())["tiles"] == 3


def test_measures_on_more_tiles_than_a_training_takes(tmp_path: Path) -> None:
    result, kept_at = own_result(tmp_path, evaluate_tiles=2)
    assert keep_measures(result) == []
    assert not kept_at.exists()
