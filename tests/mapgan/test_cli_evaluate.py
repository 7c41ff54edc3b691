"""``mapgan evaluate``: files, runs and pictures, ranked beside two baselines; what it says is true."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from mapgan import checkpoints, datasets
from mapgan.cli import main
from mapgan.config import TrainConfig
from mapgan.inference import Generator
from mapgan.whole import hidden
from tests.mapgan.generators import make_generator
from tests.mapgan.pairs import REAL_MAPS, write_maps
from tests.mapgan.test_traindata import halves

SMALL = TrainConfig(
    model="cyclegan", generator="resnet_6", generator_width=2, discriminator_width=2, image_size=32,
    load_size=32, gan_loss="lsgan", generator_norm="instance", discriminator_norm="instance", ema_decay=0.5,
)  # fmt: skip


def evaluate(*options: object) -> Result:
    """The command with these options."""
    return CliRunner().invoke(main, ["evaluate", *map(str, options)])


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight drawn pairs, three of them on a list."""
    folder = tmp_path_factory.mktemp("maps")
    write_maps(folder / "train", 8, side=32)
    (folder / "holdout.tsv").write_text("2\n5\n7\n")
    return folder


@pytest.fixture(scope="module")
def cycle_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two checkpoints of a CycleGAN that was never trained; averages that differ from the weights."""
    import keras

    from mapgan.cyclegan import CycleGAN
    from mapgan.engine.state import TrainState

    run = tmp_path_factory.mktemp("runs") / "cycle"
    run.mkdir()
    variables = TrainState(CycleGAN(SMALL), SMALL).variables()
    arrays = {name: np.asarray(keras.ops.convert_to_numpy(value)) for name, value in variables.items()}
    for step, factor in ((2, 1.0), (4, 3.0)):
        scaled = {
            name: value * np.asarray(factor, value.dtype) if name.startswith("ema/") else value
            for name, value in arrays.items()
        }
        checkpoints.save(run, step=step, config=SMALL, variables=scaled, environment={})
    return run


def test_for_a_program_it_prints_lines(maps: Path, tmp_path: Path) -> None:
    generator = make_file(tmp_path, direction="sat2map")
    options = ["--generator", generator, "--data", maps, "--events", "--json", tmp_path / "found.json"]
    done = evaluate(*options, "--tiles", maps / "holdout.tsv")
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["event"] for each in told} == {"progress"}
    assert (tmp_path / "found.json").is_file()
    done = evaluate(*options)
    assert done.exit_code == 1
    assert "no folder 'val'" in json.loads(done.stdout.splitlines()[-1])["reason"]


def test_a_file_agrees_with_ten_lines_of_numpy(maps: Path, tmp_path: Path) -> None:
    """RMSE and accuracies of the held-out tiles; the old options and the three blocks beside each other."""
    generator = make_file(tmp_path, direction="sat2map")
    report = tmp_path / "report.json"
    options = ["--generator", generator, "--data", maps, "--tiles", maps / "holdout.tsv"]
    result = evaluate(*options, "--direction", "sat2map", "--json", report)
    assert result.exit_code == 0, result.output
    for word in ("small", "median_colour", "input_copied", "Palette mIoU", "3 tiles of holdout.tsv", "best"):
        assert word in result.output
    values = json.loads(report.read_text())
    assert values["held_out"] == {"tiles": 3, "list": "holdout.tsv", "paired": True}
    (small, median, copied) = values["directions"]["sat2map"]["rows"]
    assert (small["rank"], small["kind"], median["rank"]) == (1, "generator", None)
    measured = small["measures"]
    pairs = datasets.select_pairs(datasets.find_pairs(maps), ["2", "5", "7"])
    real = np.stack([datasets.load_pair(pair)[1] for pair in pairs])
    made = np.stack([255 - datasets.load_pair(pair)[0] for pair in pairs])  # what the file does
    assert_ten_lines(measured, real, made)
    assert_ten_lines(copied["measures"], real, 255 - made)
    low, high = small["intervals"]["rmse"]
    assert low <= measured["rmse"] <= high


def make_file(folder: Path, **card: Any) -> Path:
    """A generator of negatives for tiles of 32 pixels."""
    path = folder / "small.onnx"
    make_generator(path, image_size=32, side_multiple=32, window=32, **card)
    return path


def assert_ten_lines(measured: dict[str, float], real: np.ndarray, made: np.ndarray) -> None:
    """The measures against plain NumPy over everything at once."""
    difference = np.abs(real.astype(float) - made.astype(float))
    assert measured["rmse"] == pytest.approx(np.sqrt((difference**2).mean()), rel=1e-9)
    assert measured["acc5"] == pytest.approx((difference.max(-1) < 5).mean(), rel=1e-9)
    assert measured["acc10"] == pytest.approx((difference.max(-1) < 10).mean(), rel=1e-9)


@pytest.mark.skipif(not REAL_MAPS.is_dir(), reason="needs the real tiles")
def test_real_tiles_agree_with_ten_lines_of_numpy(tmp_path: Path) -> None:
    """A bundled generator on real held-out tiles, decoded, cut and compared without the library."""
    path = Path(__file__).parents[2] / "generators" / "pix2pix-sat2map.onnx"
    stems = datasets.read_stems(REAL_MAPS / "holdout.tsv")[:6]
    (tmp_path / "tiles.txt").write_text("\n".join(stems))
    report = tmp_path / "real.json"
    result = evaluate(path, "--data", REAL_MAPS, "--tiles", tmp_path / "tiles.txt", "--json", report)
    assert result.exit_code == 0, result.output
    rows = json.loads(report.read_text())["directions"]["sat2map"]["rows"]

    tiles = [Image.open(REAL_MAPS / "train" / f"{stem}.webp").convert("RGB") for stem in stems]
    middle, side = tiles[0].width // 2, tiles[0].height
    halves = [(tile.crop((0, 0, middle, side)), tile.crop((middle, 0, 2 * middle, side))) for tile in tiles]
    scaled = [[np.asarray(h.resize((256, 256), Image.Resampling.BICUBIC)) for h in pair] for pair in halves]
    aerial, real = np.stack([pair[0] for pair in scaled]), np.stack([pair[1] for pair in scaled])
    translate = Generator(path).translate
    assert_ten_lines(
        rows[0]["measures"], real, np.stack([translate(np.ascontiguousarray(a)) for a in aerial])
    )
    assert [row["name"] for row in rows] == ["pix2pix-sat2map", "median_colour", "input_copied"]
    assert rows[0]["measures"]["palette_miou"] > 2 * rows[1]["measures"]["palette_miou"]


def test_all_checkpoints_of_a_run_are_ranked(maps: Path, cycle_run: Path, tmp_path: Path) -> None:
    """Both directions of a CycleGAN, the best first by the rule; an archive serves as well."""
    archive = shutil.make_archive(str(tmp_path / "maps"), "zip", maps)
    values = tmp_path / "run.json"
    result = evaluate(cycle_run, "--data", archive, "--tiles", maps / "holdout.tsv", "--json", values)
    assert result.exit_code == 0, result.output
    found = json.loads(values.read_text())["directions"]
    assert set(found) == {"map2sat", "sat2map"}
    for direction, part in found.items():
        rows = part["rows"]
        assert [row["rank"] for row in rows] == [1, 2, None, None]
        assert {row["step"] for row in rows[:2]} == {2, 4}
        assert part["best"] == rows[0]["name"] == f"cycle step {rows[0]['step']}"
        keys = [judged(row, direction) for row in rows[:2]]
        assert keys == sorted(keys, reverse=True)
    assert "cycle step 4" in result.output


def judged(row: dict[str, Any], direction: str) -> tuple[float, ...]:
    """The rule of docs/metrics.md, written again."""
    measures = row["measures"]
    if direction == "sat2map":
        return measures["palette_miou"], measures["acc5"]
    return measures["psnr"] > measures["psnr_other"], -measures["kid_random_cnn"], -measures["swd"]


def test_checkpoints_and_weights_are_chosen(maps: Path, cycle_run: Path, tmp_path: Path) -> None:
    """One step, the latest, a checkpoint's folder, one direction; averaged weights unless asked otherwise."""
    common = ["--data", maps, "--tiles", maps / "holdout.tsv", "--direction", "map2sat", "--limit", "2"]

    def rmse(*options: object) -> tuple[str, float]:
        result = evaluate(*options, *common, "--json", tmp_path / "one.json")
        assert result.exit_code == 0, result.output
        values = json.loads((tmp_path / "one.json").read_text())
        assert values["held_out"]["tiles"] == 2
        rows = values["directions"]["map2sat"]["rows"]
        assert len(rows) == 3
        return rows[0]["name"], rows[0]["measures"]["rmse"]

    latest = rmse(cycle_run, "--checkpoint", "latest")
    assert latest == rmse(cycle_run, "--checkpoint", "4") == rmse(cycle_run / "checkpoints/step-00000004")
    assert latest != rmse(cycle_run, "--checkpoint", "2")
    raw = [rmse(cycle_run, "--checkpoint", step, "--raw-weights")[1] for step in ("2", "4")]
    assert raw[0] == raw[1] == rmse(cycle_run, "--checkpoint", "2")[1]


def test_a_run_brings_its_own_tiles(maps: Path, cycle_run: Path, tmp_path: Path) -> None:
    """Without val/ and without a list: those in split.json; of val/, if there is one."""
    from mapgan import holdout

    run = shutil.copytree(cycle_run, tmp_path / "own")
    config = TrainConfig.from_dict({**SMALL.to_dict(), "validation_share": 0.25})
    split = holdout._make({holdout.PAIRS: [str(n) for n in range(1, 9)]}, lambda _: [], config)
    holdout.write(split, run)
    result = evaluate(run, "--data", maps, "--checkpoint", "2")
    assert result.exit_code == 0, result.output
    assert f"{len(split.val[holdout.PAIRS])} tiles of split.json" in result.output
    # measured on all of its own tiles: kept as a training would, and never written over
    kept = run / "checkpoints/step-00000002/metrics.json"
    found = json.loads(kept.read_text())
    assert (found["step"], found["tiles"]) == (2, len(split.val[holdout.PAIRS]))
    assert set(found["directions"]) == {"map2sat", "sat2map"}
    assert 0 < found["directions"]["sat2map"]["rmse"] < 255
    assert not (run / "checkpoints/step-00000004/metrics.json").exists()
    kept.write_text("{}")
    data = tmp_path / "data"
    write_maps(data / "train", 8, side=32)
    write_maps(data / "val", 4, side=32, seed=1)
    result = evaluate(run, "--data", data, "--checkpoint", "2", "--direction", "sat2map")
    assert "4 tiles of val" in result.output
    assert kept.read_text() == "{}"
    # a folder that takes nothing costs no result
    hidden(run / "checkpoints/step-00000004/metrics.json").mkdir()
    values = tmp_path / "run.json"
    result = evaluate(run, "--data", maps, "--checkpoint", "4", "--json", values)
    assert (result.exit_code, values.is_file()) == (0, True)
    assert "the measures are not kept in the run" in result.stderr
    holdout.write(replace(split, given=True), run)  # then val/ was not what it was judged on
    result = evaluate(run, "--data", data, "--checkpoint", "2", "--direction", "sat2map")
    assert "2 tiles of split.json" in result.output


def test_a_damaged_checkpoint_does_not_end_the_others(maps: Path, cycle_run: Path, tmp_path: Path) -> None:
    """It is named, the rest is measured and written, and the exit code tells; alone it is an error."""
    run = shutil.copytree(cycle_run, tmp_path / "damaged")
    folder = run / "checkpoints/step-00000004"
    common = ["--data", maps, "--tiles", maps / "holdout.tsv", "--limit", "2", "--direction", "sat2map"]
    arrays = folder / checkpoints.ARRAYS
    content = bytearray(arrays.read_bytes())
    content[len(content) // 2] ^= 1
    arrays.write_bytes(content)
    manifest = folder / checkpoints.MANIFEST
    for spoil, reason in ((None, "hash is not the manifest"), (manifest, "unreadable manifest")):
        if spoil is not None:
            spoil.write_bytes(spoil.read_bytes()[:100])
        result = evaluate(run, *common, "--json", tmp_path / "found.json")
        assert result.exit_code == 1
        assert reason in result.stderr
        values = json.loads((tmp_path / "found.json").read_text())
        assert [row["step"] for row in values["directions"]["sat2map"]["rows"]] == [2, None, None]
        assert reason in values["failed"][0]["reason"]
        (tmp_path / "found.json").unlink()
    result = evaluate(folder, *common)
    assert (result.exit_code, "unreadable manifest" in result.output) == (1, True)


def test_unpaired_pictures_have_measures_of_sets(cycle_run: Path, tmp_path: Path) -> None:
    """trainA, trainB, testA, testB of different numbers: no PSNR, no guard, and still a rank."""
    rng = np.random.default_rng(0)
    for folder, count in (("trainA", 3), ("trainB", 4), ("testA", 3), ("testB", 2)):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for index in range(count):
            picture = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(picture).save(tmp_path / "data" / folder / f"{folder}{index}.png")
    result = evaluate(cycle_run, "--data", tmp_path / "data", "--json", tmp_path / "sets.json")
    assert result.exit_code == 0, result.output
    values = json.loads((tmp_path / "sets.json").read_text())
    assert values["held_out"]["paired"] is False
    for part in values["directions"].values():
        assert [row["rank"] for row in part["rows"]] == [1, 2, None, None]
        assert all("kid_random_cnn" in row["measures"] for row in part["rows"])
        assert not any("rmse" in row["measures"] for row in part["rows"])


@pytest.mark.parametrize("model", ["pix2pix", "cyclegan"])
def test_folders_of_a_cyclegan_with_equal_names(tmp_path: Path, model: str) -> None:
    """Pairs for a generator that learnt from pairs, and for no other; what was not expected is on stderr."""
    halves(tmp_path, "testA", "testB", 3)
    generator = make_file(tmp_path, direction="sat2map", model=model)
    result = evaluate(generator, "--data", tmp_path, "--json", tmp_path / "found.json")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["held_out"]["paired"] is (model == "pix2pix")
    assert found["directions"]["sat2map"]["rule"].startswith("palette" if model == "pix2pix" else "KID")
    assert "note: the median colour is that of the measured tiles" in result.stderr
    assert found["notes"]


def test_pictures_made_elsewhere(tmp_path: Path) -> None:
    """A folder against a folder, by name; the suffix may differ."""
    rng = np.random.default_rng(0)
    real = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    made = np.clip(real.astype(int) + rng.integers(-9, 10, real.shape), 0, 255).astype(np.uint8)
    sets = {"real": (real, "png"), "made": (made, "webp"), "input": (255 - real, "png")}
    for name, (pictures, suffix) in sets.items():
        (tmp_path / name).mkdir()
        for index, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / name / f"{index}.{suffix}", lossless=True)
    folders = ["--made", tmp_path / "made", "--target", tmp_path / "real", "--source", tmp_path / "input"]
    out = ["--json", tmp_path / "made.json", "--sheet", tmp_path / "sheet.png"]
    result = evaluate(*folders, "--direction", "AtoB", *out)
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * (32 + 6) + 6, 3 * (32 + 16 + 6))
    assert evaluate(*folders, "--direction", "AtoB", "--sheet", tmp_path / "sheet.txt").exit_code == 2
    rows = json.loads((tmp_path / "made.json").read_text())["directions"]["sat2map"]["rows"]
    assert [row["name"] for row in rows] == ["made", "median_colour", "input_copied"]
    assert_ten_lines(rows[0]["measures"], real, made)
    assert_ten_lines(rows[2]["measures"], real, 255 - real)
    (tmp_path / "made" / "1.webp").unlink()
    assert "has no picture 1" in evaluate(*folders, "--direction", "AtoB").output
    assert evaluate(*folders).exit_code == 2


def test_rectangles_made_elsewhere(tmp_path: Path) -> None:
    """All but the spectrum, which has no radius there; tiny ones are refused in words."""
    real = np.random.default_rng(0).integers(0, 256, (3, 24, 40, 3), dtype=np.uint8)
    for name, pictures in (("real", real), ("made", 255 - real), ("tiny", real[:, :8, :20])):
        (tmp_path / name).mkdir()
        for index, picture in enumerate(pictures):
            Image.fromarray(picture).save(tmp_path / name / f"{index}.png")
    folders = ["--made", tmp_path / "made", "--target", tmp_path / "real", "--source", tmp_path / "real"]
    out = {"--json": "made.json", "--report": "made.html", "--sheet": "made.png"}
    files = [part for option, name in out.items() for part in (option, tmp_path / name)]
    result = evaluate(*folders, "--direction", "map2sat", *files)
    assert result.exit_code == 0, result.output
    values = json.loads((tmp_path / "made.json").read_text())["directions"]["map2sat"]
    measured = values["rows"][0]["measures"]
    assert_ten_lines(measured, real, 255 - real)
    assert "kid_random_cnn" in measured
    assert "spectrum_distance" not in measured
    tiny = ["--made", tmp_path / "tiny", "--target", tmp_path / "tiny", "--direction", "map2sat"]
    result = evaluate(*tiny)
    assert (result.exit_code, "each side needs at least 16" in result.output) == (1, True)


def test_wrong_use(maps: Path, cycle_run: Path, tmp_path: Path) -> None:
    """The other direction, unknown tiles, no val/ to fall back on, no such checkpoint, nothing at all."""
    generator = make_file(tmp_path, direction="sat2map")
    options = ["--generator", generator, "--data", maps]
    result = evaluate(*options, "--direction", "map2sat")
    assert result.exit_code == 2
    assert "translates sat2map, not map2sat" in result.output
    (tmp_path / "tiles.txt").write_text("77\n")
    result = evaluate(*options, "--tiles", tmp_path / "tiles.txt")
    assert (result.exit_code, "no such tiles: 77" in result.output) == (1, True)
    assert "--tiles" in evaluate(*options).output
    tiles = ["--data", maps, "--tiles", maps / "holdout.tsv"]
    assert "no checkpoint of step 3" in evaluate(cycle_run, *tiles, "--checkpoint", "3").output
    assert "'best'" in evaluate(cycle_run, *tiles, "--checkpoint", "best").output
    assert "no checkpoint in" in evaluate(tmp_path, *tiles).output
    (tmp_path / "x.h5").write_text("nothing")
    assert "no HDF5" in evaluate(generator, *tiles, "--inception", tmp_path / "x.h5").output
    assert evaluate().exit_code == evaluate(cycle_run).exit_code == 2
