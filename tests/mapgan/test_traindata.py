"""From a folder or an archive to a run's data: layouts, what is held out, resumption, what is refused."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mapgan import checkpoints, holdout, traindata
from mapgan.config import TrainConfig
from mapgan.datasets import DatasetError, load_pair
from mapgan.runlock import InUseError
from mapgan.traindata import TrainingData, open_pairs, open_training_data
from tests.mapgan.hostile import pack, pack_folder
from tests.mapgan.pairs import REAL_MAPS, write_maps

KINDS = [".zip", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz"]
SMALL: dict[str, Any] = {"generator": "unet_32", "image_size": 32, "load_size": 36, "steps": 10}


def config(**choices: Any) -> TrainConfig:
    """A run on crops of 32."""
    return TrainConfig(**{**SMALL, "model": "pix2pix", "direction": "sat2map", **choices})


def cycle(**choices: Any) -> TrainConfig:
    """The same for a CycleGAN."""
    return config(model="cyclegan", l1_weight=100.0, generator="resnet_6", **choices)


def began(run: Path) -> None:
    """Make the run one that has learnt something: a checkpoint's manifest is enough to see it."""
    checkpoints.save(run, step=1, config=config(), variables={"w": np.zeros(1)}, environment={})


def seen(data: TrainingData, steps: int = 200) -> tuple[set[int], set[int]]:
    """Numbers (green) of the pictures that a run meets on either side."""
    batches = [data.dataset.batch(step) for step in range(steps)]
    first, second = ({int(batch[side][0, 0, 0, 1]) for batch in batches} for side in (0, 1))
    return first, second


def halves(folder: Path, a: str, b: str, count: int, *, suffixes: tuple[str, str] = (".png", ".png")) -> Path:
    """``count`` pictures of A, red, and of B, blue, of equal names, the number in green."""
    for name, suffix, channel in ((a, suffixes[0], 0), (b, suffixes[1], 2)):
        (folder / name).mkdir(parents=True)
        for number in range(1, count + 1):
            pixels = np.zeros((40, 40, 3), np.uint8)
            pixels[..., channel] = np.random.default_rng(number).integers(100, 256, (40, 40))
            pixels[..., 1] = number
            Image.fromarray(pixels).save(folder / name / f"{number}{suffix}")
    return folder


LAYOUTS: dict[str, list[tuple[str, ...]]] = {
    "maps": [("train",), ("val",)],
    "maps, test": [("train",), ("test",)],
    "folders": [("train/A", "train/B"), ("val/A", "val/B")],
    "cyclegan": [("trainA", "trainB"), ("testA", "testB")],
    "all splits": [("trainA", "trainB"), ("valA", "valB"), ("testA", "testB")],
}


def lay_out(folder: Path, layout: str) -> None:
    """Six pairs to learn from, three to look at, and five more where there is a third split."""
    for names, count in zip(LAYOUTS[layout], (6, 3, 5), strict=False):
        if len(names) == 1:
            write_maps(folder / names[0], count)
        else:
            halves(folder, names[0], names[1], count)


@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_with_a_validation(tmp_path: Path, layout: str, model: str) -> None:
    """All of train is learnt from, val or else test is looked at, nothing is split; a folder or a zip."""
    lay_out(tmp_path / "data", layout)
    settings = config() if model == "pix2pix" else cycle()
    archive = pack_folder(tmp_path / "data.zip", tmp_path / "data", top="maps/")
    prints = set()
    for number, source in enumerate((tmp_path / "data", archive)):
        run = tmp_path / f"run{number}"
        data = open_training_data(settings, source, run)
        assert len(data.dataset) == 6
        assert seen(data) == ({*range(1, 7)}, {*range(1, 7)})
        assert data.problems == []
        assert data.validation.stems == ["1", "2", "3"]
        assert data.validation.held_out == 3
        assert data.validation.first.shape == data.validation.second.shape == (3, 32, 32, 3)
        assert data.validation.first[..., 0].mean() > 100 > data.validation.first[..., 2].mean()
        assert data.validation.second[..., 2].mean() > 100 > data.validation.second[..., 0].mean()
        assert data.validation.paired is (model == "pix2pix" or "folders" in layout or "maps" in layout)
        assert [path.name for path in run.iterdir()] == [".lock"]
        prints.add(data.dataset.fingerprint())
    assert len(prints) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["flat", "A and B", "trainA and trainB", "train"])
def test_archives_without_a_validation(tmp_path: Path, kind: str, layout: str) -> None:
    """The same as from the folder itself: batches, held-out tiles, and nothing left of the unpacking."""
    folder = tmp_path / "data"
    if layout in ("flat", "train"):
        write_maps(folder / ("" if layout == "flat" else layout), 10)
    else:
        a, b = layout.split(" and ")
        halves(folder, a, b, 10, suffixes=(".png", ".webp"))
    archive = pack_folder(tmp_path / f"data{kind}", folder, top="" if kind == ".zip" else "some/folders/")
    one = open_training_data(config(), folder, tmp_path / "one")
    two = open_training_data(config(), archive, tmp_path / "two")
    assert one.dataset.fingerprint() == two.dataset.fingerprint()
    assert one.validation.stems == two.validation.stems
    assert (len(two.dataset), len(two.validation.stems)) == (9, 1)
    np.testing.assert_array_equal(one.validation.first, two.validation.first)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == [".lock", holdout.FILE]
    texts = [(tmp_path / run / holdout.FILE).read_text() for run in ("one", "two")]
    assert texts[0] == texts[1]


def test_direction_and_side(tmp_path: Path) -> None:
    """What is the source: by the direction, and by which half is A. A CycleGAN always gets A first."""
    write_maps(tmp_path / "data", 10)
    expected = {
        ("sat2map", "left"): 0,
        ("map2sat", "left"): 2,
        ("sat2map", "right"): 2,
        ("map2sat", "right"): 0,
    }
    for (direction, side), channel in expected.items():
        run = tmp_path / f"{direction}-{side}"
        data = open_training_data(config(direction=direction, a_side=side), tmp_path / "data", run)
        for pictures in (data.dataset.batch(0)[0], data.validation.first):
            assert pictures[..., channel].mean() > 100 > pictures[..., 2 - channel].mean()
        both = open_training_data(
            cycle(direction=direction, a_side=side), tmp_path / "data", Path(f"{run}-c")
        )
        for pictures in (both.dataset.batch(0)[0], both.validation.first):
            channel_of_a = 0 if side == "left" else 2
            assert pictures[..., channel_of_a].mean() > 100
        assert both.validation.paired


def test_names_need_not_agree_for_a_cyclegan(tmp_path: Path) -> None:
    """Each domain holds out tiles of its own; Pix2Pix refuses such data."""
    halves(tmp_path / "data", "trainA", "trainB", 8)
    for path in (tmp_path / "data" / "trainB").iterdir():
        path.rename(path.with_name(f"b{path.name}"))
    (tmp_path / "data" / "trainB" / "b8.png").unlink()
    data = open_training_data(cycle(), tmp_path / "data", tmp_path / "run")
    made = holdout.read(tmp_path / "run")
    (train_a, val_a), (train_b, val_b) = made.side("A"), made.side("B")
    assert (len(train_a), len(val_a), len(train_b), len(val_b)) == (7, 1, 6, 1)
    assert data.validation.stems == val_a
    assert not data.validation.paired
    assert seen(data) == ({int(stem) for stem in train_a}, {int(stem[1:]) for stem in train_b})
    with pytest.raises(DatasetError, match="without a counterpart"):
        open_training_data(config(), tmp_path / "data", tmp_path / "other")


def test_equal_names_in_two_folders_are_held_out_together(tmp_path: Path) -> None:
    """A CycleGAN that saw one half of a validation tile would be measured on what it knows."""
    halves(tmp_path / "data", "A", "B", 40)
    data = open_training_data(cycle(), tmp_path / "data", tmp_path / "run")
    held_out = {int(stem) for stem in data.validation.stems}
    assert data.validation.paired
    assert len(held_out) == data.validation.held_out == 2
    assert seen(data, 400) == ({*range(1, 41)} - held_out,) * 2
    np.testing.assert_array_equal(data.validation.first[..., 1], data.validation.second[..., 1])


@pytest.mark.parametrize(("count", "held_out"), [(1, 0), (2, 0), (4, 0), (5, 1), (12, 1), (20, 1), (40, 2)])
def test_tiny_sets(tmp_path: Path, count: int, held_out: int) -> None:
    """Never an empty training set; where nothing is held out a sentence says so."""
    write_maps(tmp_path / "data", count)
    data = open_training_data(config(), tmp_path / "data", tmp_path / "run")
    assert (len(data.dataset), len(data.validation.stems)) == (count - held_out, held_out)
    assert data.validation.first.shape == (held_out, 32, 32, 3)
    assert len(data.problems) == (not held_out)
    assert held_out or "no tile is held out for validation" in data.problems[0]
    learnt, _ = seen(data, 20 * count)
    assert learnt == {*range(1, count + 1)} - {int(stem) for stem in data.validation.stems}


def test_no_share_no_split(tmp_path: Path) -> None:
    """Whoever asks for none gets none, and no complaint."""
    write_maps(tmp_path / "data", 10)
    data = open_training_data(config(validation_share=0.0), tmp_path / "data", tmp_path / "run")
    assert (len(data.dataset), data.validation.held_out, data.problems) == (10, 0, [])


def test_what_is_looked_at_is_bounded_and_spread(tmp_path: Path) -> None:
    """As many tiles as the run draws or measures, from all over the validation."""
    write_maps(tmp_path / "data" / "train", 2)
    write_maps(tmp_path / "data" / "val", 12)
    data = open_training_data(config(samples=2, evaluate_tiles=4), tmp_path / "data", tmp_path / "run")
    assert data.validation.stems == ["1", "4", "7", "10"]
    assert data.validation.held_out == 12
    data = open_training_data(config(samples=0, evaluate_tiles=0), tmp_path / "data", tmp_path / "run")
    assert (data.validation.stems, data.validation.held_out) == ([], 12)


def test_shared_ground_stays_together(tmp_path: Path) -> None:
    """Copies of a tile are never on both sides, whatever the seed."""
    write_maps(tmp_path / "data", 12)
    for number in range(1, 4):
        (tmp_path / "data" / f"copy{number}.png").write_bytes(
            (tmp_path / "data" / f"{number}.png").read_bytes()
        )
    held_out = set()
    for seed in range(8):
        run = tmp_path / f"run{seed}"
        open_training_data(config(seed=seed, validation_share=0.3), tmp_path / "data", run)
        made = holdout.read(run)
        train, val = (set(side) for side in made.side("A"))
        assert len(train | val) == 15
        assert 2 <= len(val) <= 4
        for number in range(1, 4):
            assert {str(number), f"copy{number}"} <= train or {str(number), f"copy{number}"} <= val
        held_out |= val
    assert len(held_out) > 6


def test_too_many_tiles_to_compare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that would take hours draws single tiles instead, and says so, at a resumption, too."""
    monkeypatch.setattr(traindata, "GROUND_TILES", 9)
    write_maps(tmp_path / "data", 10)
    for _ in range(2):
        data = open_training_data(config(), tmp_path / "data", tmp_path / "run")
        assert (len(data.dataset), data.validation.held_out) == (9, 1)
        assert "drawn without comparing their ground" in data.problems[0]
        if checkpoints.latest(tmp_path / "run") is None:
            began(tmp_path / "run")


def test_excluded_tiles_are_on_neither_side(tmp_path: Path) -> None:
    """They are gone before anything is split."""
    write_maps(tmp_path / "data", 12)
    out = ["3", "7"]
    data = open_training_data(config(validation_share=0.5), tmp_path / "data", tmp_path / "run", exclude=out)
    made = holdout.read(tmp_path / "run")
    train, val = made.side("A")
    assert {*train, *val} == {str(number) for number in range(1, 13)} - set(out)
    assert len(data.dataset) == 5
    with pytest.raises(DatasetError, match=r"not in .*data: 99"):
        open_training_data(config(), tmp_path / "data", tmp_path / "run", exclude=["99"])


def test_resumed_run_reads_its_split(tmp_path: Path) -> None:
    """Word for word; without a checkpoint nothing is lost by another one."""
    write_maps(tmp_path / "data", 20)
    run = tmp_path / "run"
    before = open_training_data(config(validation_share=0.3), tmp_path / "data", run)
    again = open_training_data(config(seed=1, validation_share=0.3), tmp_path / "data", run)
    assert again.validation.stems != before.validation.stems
    again = open_training_data(config(validation_share=0.3), tmp_path / "data", run)
    assert again.validation.stems == before.validation.stems
    assert again.dataset.fingerprint() == before.dataset.fingerprint()
    # whatever a later version would draw, a run that began goes on with what is written
    values = json.loads((run / holdout.FILE).read_text())
    train, val = values["train"]["pairs"], values["val"]["pairs"]
    train[0], val[0] = val[0], train[0]
    (run / holdout.FILE).write_text(json.dumps(values))
    began(run)
    changed = open_training_data(config(validation_share=0.3), tmp_path / "data", run)
    assert changed.validation.stems == sorted(val, key=int)


def test_a_split_of_other_data(tmp_path: Path) -> None:
    """New and missing tiles are named, changed settings too, and a damaged file."""
    write_maps(tmp_path / "data", 10)
    run = tmp_path / "run"
    open_training_data(config(), tmp_path / "data", run)
    began(run)
    (tmp_path / "data" / "10.png").rename(tmp_path / "data" / "11.png")
    with pytest.raises(DatasetError, match=r"not those of .*split\.json \(new: 11; gone: 10\)"):
        open_training_data(config(), tmp_path / "data", run)
    (tmp_path / "data" / "11.png").rename(tmp_path / "data" / "10.png")
    with pytest.raises(DatasetError, match=r"validation_share 0\.05 and seed 0; the run now has 0\.2 and 0"):
        open_training_data(config(validation_share=0.2), tmp_path / "data", run)
    with pytest.raises(DatasetError, match=r"seed 0; the run now has .* and 9"):
        open_training_data(config(seed=9), tmp_path / "data", run)
    text = (run / holdout.FILE).read_text()
    for broken in (
        text[:50],
        "[]",
        "{}",
        text.replace('"10"', '"12"'),
        text.replace('"format": 1', '"format": 2'),
    ):
        (run / holdout.FILE).write_text(broken)
        with pytest.raises(DatasetError, match=r"split\.json"):
            open_training_data(config(), tmp_path / "data", run)
    (run / holdout.FILE).write_text(text)
    open_training_data(config(), tmp_path / "data", run)


def test_a_split_that_is_not_needed_any_more(tmp_path: Path) -> None:
    """Data that got a val/ before the run began: the file would mislead who evaluates."""
    write_maps(tmp_path / "data" / "train", 10)
    open_training_data(config(), tmp_path / "data", tmp_path / "run")
    write_maps(tmp_path / "data" / "val", 2)
    assert len(open_training_data(config(), tmp_path / "data", tmp_path / "run").dataset) == 10
    with pytest.raises(DatasetError, match=r"cannot read .*split\.json"):
        holdout.read(tmp_path / "run")


@pytest.mark.parametrize("kind", ["folder", ".zip"])
def test_broken_pictures(tmp_path: Path, kind: str) -> None:
    """Named as the person knows them, in the training or the validation part; left out on request."""
    source = tmp_path / "data"
    write_maps(source / "train", 8)
    write_maps(source / "val", 3)
    (source / "train" / "4.png").write_bytes(b"no picture")
    (source / "val" / "2.png").write_bytes(b"")
    if kind != "folder":
        source = pack_folder(tmp_path / f"data{kind}", source)
    with pytest.raises(DatasetError) as caught:
        open_training_data(config(), source, tmp_path / "run")
    assert f"{source}/train/4.png: not a readable picture" in str(caught.value)
    assert not (tmp_path / "run").exists()
    data = open_training_data(config(), source, tmp_path / "run", skip_broken=True)
    assert len(data.dataset) == 7
    assert data.validation.stems == ["1", "3"]
    assert [problem.split(": not")[0] for problem in data.problems] == [
        f"{source}/train/4.png", f"{source}/val/2.png",
    ]  # fmt: skip


def test_bad_archives_are_refused(tmp_path: Path) -> None:
    """In a sentence that names the archive; no folder of a run is left."""
    pack(tmp_path / "upwards.zip", {"../1.png": b"x"})
    pack(tmp_path / "empty.zip", {"readme.txt": b"x"})
    words = {"upwards": "outside", "empty": "no pictures", "absent": "no such folder or archive"}
    for name, expected in words.items():
        with pytest.raises(DatasetError, match=rf"{name}\.zip: .*{expected}"):
            open_training_data(config(), tmp_path / f"{name}.zip", tmp_path / "run")
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("missing", ["A/3.png", "B/3.png", "B/"])
def test_one_half_of_a_pair_is_missing(tmp_path: Path, missing: str) -> None:
    """One name, or all of a side."""
    halves(tmp_path / "data", "A", "B", 4)
    for path in [*(tmp_path / "data").rglob("*.png")]:
        if str(path.relative_to(tmp_path / "data")).startswith(missing):
            path.unlink()
    archive = pack_folder(tmp_path / "data.zip", tmp_path / "data")
    expected = "A is there but .*B is not" if missing == "B/" else "without a counterpart: 3"
    with pytest.raises(DatasetError, match=expected):
        open_training_data(config(), archive, tmp_path / "run")


def test_leftovers_and_locks(tmp_path: Path) -> None:
    """A killed process's pictures are removed at the next start; a run in use is left alone."""
    archive = pack_folder(tmp_path / "data.zip", write_maps(tmp_path / "data", 3))
    run = tmp_path / "run"
    (run / ".data-part").mkdir(parents=True)
    (run / ".data-part" / "9.png").write_bytes(b"left by a killed process")
    assert len(open_training_data(config(), archive, run).dataset) == 3
    assert not (run / ".data-part").exists()
    with (run / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InUseError, match="another process is training"):
            open_training_data(config(), archive, run)


def test_pairs_for_whoever_measures(tmp_path: Path) -> None:
    """Validation or any split, some tiles alone, either side, folder or archive."""
    write_maps(tmp_path / "data" / "train", 4)
    write_maps(tmp_path / "data" / "test", 3)
    archive = pack_folder(tmp_path / "data.tar.gz", tmp_path / "data", top="maps/")
    for source in (tmp_path / "data", archive):
        with open_pairs(source) as pairs:
            assert [pair.stem for pair in pairs] == ["1", "2", "3"]
        with open_pairs(source, "train", stems=["4", "2"], a_side="right") as pairs:
            assert [pair.stem for pair in pairs] == ["4", "2"]
            assert load_pair(pairs[0], 32)[0][..., 2].mean() > 100
    flat = pack_folder(tmp_path / "data.zip", tmp_path / "data" / "train")
    with pytest.raises(DatasetError, match=r"data\.zip has neither val nor test"), open_pairs(flat):
        pass


@pytest.mark.skipif(not REAL_MAPS.is_dir(), reason="the real tiles are not beside the repository")
def test_real_tiles(tmp_path: Path) -> None:
    """The reference groups of the tiles taken are never divided."""
    lines = (REAL_MAPS / "overlap_groups.tsv").read_text().splitlines()
    groups = [set(line.split()) for line in lines if line and not line.startswith("#")][:25]
    (tmp_path / "data").mkdir()
    for stem in sorted(set().union(*groups)):
        (tmp_path / "data" / f"{stem}.webp").symlink_to((REAL_MAPS / "train" / f"{stem}.webp").resolve())
    data = open_training_data(config(validation_share=0.3), tmp_path / "data", tmp_path / "run")
    train, val = (set(side) for side in holdout.read(tmp_path / "run").side("A"))
    assert data.validation.held_out == len(val) > 5
    assert all(group <= train or group <= val for group in groups)
