"""The commands around generator files, as a person meets them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from mapgan import checkpoints, holdout, streaming
from mapgan.card import CardError, read_card
from mapgan.cli_serve import COMMANDS, inspect_file, short_name, train_command
from mapgan.cli_translate import EXIT_SOME_FAILED
from mapgan.config import TrainConfig
from mapgan.holdout import PAIRS, Holdout
from mapgan.presets import preset
from tests.mapgan.generators import make_generator
from tests.mapgan.images import gradient, save
from tests.mapgan.pairs import write_maps

CONFIG = TrainConfig(
    generator="unet_32", generator_width=4, image_size=32, load_size=32, generator_norm="instance_affine"
)


def run(*arguments: str | Path):
    group = click.Group(commands={command.name: command for command in COMMANDS})
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


@pytest.fixture
def generator(tmp_path):
    make_generator(tmp_path / "negative.onnx")
    return tmp_path / "negative.onnx"


@pytest.fixture
def checkpoint(tmp_path):
    """A run with one checkpoint of an untrained generator."""
    from mapgan.networks import build_generator

    model = build_generator("unet_32", width=4, image_size=32, seed=1)
    variables = {f"networks/generator/{weight.path}": weight.numpy() for weight in model.weights}
    folder = tmp_path / "run"
    checkpoints.save(folder, step=7, config=CONFIG, variables=variables, environment={})
    return folder


def test_one_image(tmp_path, generator):
    (tmp_path / "map.jpg").write_bytes(save(gradient(300, 200), "JPEG", quality=95))
    done = run(
        "translate", tmp_path / "map.jpg", "--generator", generator, "--out", tmp_path / "new" / "a.png"
    )
    assert done.exit_code == 0, done.output
    assert "200x300" in done.output
    with Image.open(tmp_path / "new" / "a.png") as image:
        assert image.size == (200, 300)
        assert np.abs(np.asarray(image).astype(int) - (255 - gradient(300, 200).astype(int))).mean() < 4


def test_the_limit_is_the_one_given(tmp_path, generator, monkeypatch):
    """Large images of one's own are welcome, beyond the limit that Pillow has built in."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    (tmp_path / "map.png").write_bytes(save(gradient(60, 80), "PNG"))
    arguments = ("translate", tmp_path / "map.png", "--generator", generator, "--out", tmp_path / "out")
    assert run(*arguments).exit_code == 0
    done = run(*arguments, "--max-megapixels", "0.004", "--overwrite")
    assert (done.exit_code, "at most 0.004 megapixels" in done.output) == (1, True)


def test_folders_keep_their_shape(tmp_path, generator):
    for name in ("tiles/1.png", "tiles/deep/2.tif", "tiles/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"notes" if path.suffix == ".txt" else save(gradient(20, 30), "TIFF"))
    done = run("translate", tmp_path / "tiles", "--generator", generator, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert made == ["1.png", "deep/2.png"]


def test_hidden_files_and_earlier_results_are_no_sources(tmp_path, generator):
    """What macOS puts beside each picture, and a folder of results among the sources."""
    folder = tmp_path / "tiles"
    for name in ("1.png", "sub/2.png", "._1.png", ".cache/3.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"not a picture" if "._" in name else save(gradient(20, 30), "PNG"))
    out = folder / "translated"
    for more in ((), ("--skip-existing",), ("--overwrite",)):
        done = run("translate", folder, "--generator", generator, "--out", out, *more)
        assert done.exit_code == 0, done.output
        assert sorted(str(path.relative_to(out)) for path in out.rglob("*.*")) == ["1.png", "sub/2.png"]


def test_broken_images_are_named_and_the_rest_is_done(tmp_path, generator):
    folder = tmp_path / "tiles"
    folder.mkdir()
    (folder / "good.png").write_bytes(save(gradient(), "PNG"))
    (folder / "bad.png").write_bytes(save(gradient(), "PNG")[:-60])
    done = run("translate", folder, "--generator", generator, "--out", tmp_path / "out")
    assert done.exit_code == EXIT_SOME_FAILED
    assert "bad.png: The image file is incomplete" in done.output
    assert "1 of 2" in done.output
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]
    (folder / "good.png").unlink()
    assert run("translate", folder, "--generator", generator, "--out", tmp_path / "out").exit_code == 1


def test_nothing_is_overwritten_unasked(tmp_path, generator):
    folder, out = tmp_path / "tiles", tmp_path / "out"
    for path in (folder / "a.png", folder / "b.png", out / "a.png"):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(save(gradient(), "PNG"))
    old = (out / "a.png").read_bytes()
    arguments = ("translate", folder, "--generator", generator, "--out", out)
    done = run(*arguments)
    assert (done.exit_code, "a.png exists already" in " ".join(done.output.split())) == (2, True)
    assert sorted(path.name for path in out.iterdir()) == ["a.png"]
    assert run(*arguments, "--skip-existing").exit_code == 0
    assert (out / "a.png").read_bytes() == old
    assert (out / "b.png").read_bytes() != old
    assert run(*arguments, "--skip-existing").exit_code == 0  # nothing left to do is no error
    assert run(*arguments, "--skip-existing", "--overwrite").exit_code == 2
    assert run(*arguments, "--overwrite").exit_code == 0
    assert (out / "a.png").read_bytes() != old


def test_the_report_as_json_lines(tmp_path, generator):
    folder = tmp_path / "tiles"
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (300, 700, 3), dtype=np.uint8)
    (folder / "large.png").write_bytes(save(noise, "PNG"))
    (folder / "small.png").write_bytes(save(gradient(60, 50), "PNG"))
    (folder / "bad.png").write_bytes(save(gradient(), "PNG")[:-60])
    done = run("translate", folder, "--generator", generator, "--out", tmp_path / "out", "--json")
    assert done.exit_code == EXIT_SOME_FAILED
    bad, large, small = (json.loads(line) for line in done.stdout.splitlines())
    assert "incomplete" in bad["error"]
    assert (large["width"], large["height"], large["windows"], large["overlap"]) == (700, 300, 8, 64)
    assert large["seam_score"] == pytest.approx(1, abs=0.1)
    assert (small["windows"], small["seam_score"]) == (1, None)
    text = run("translate", folder / "large.png", "--generator", generator, "--out", tmp_path / "a.png")
    assert "8 windows, seam score" in text.output


def test_a_failure_half_way_leaves_nothing(tmp_path, generator, monkeypatch):
    """A file that turns out to be broken after the first rows were translated and written."""
    monkeypatch.setattr(streaming, "IN_MEMORY_PIXELS", 10)
    picture = np.random.default_rng(0).integers(0, 256, (900, 300, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(save(picture, "PNG")[:-100_000])
    done = run("translate", tmp_path / "a.png", "--generator", generator, "--out", tmp_path / "out")
    assert (done.exit_code, "incomplete" in done.output) == (1, True)
    assert not list((tmp_path / "out").iterdir())


def test_wrong_use_is_found_before_any_work(tmp_path, generator):
    for name in ("a.png", "a.jpg"):
        (tmp_path / name).write_bytes(save(gradient(), "PNG"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    cases = {
        "both become": (tmp_path / "a.png", tmp_path / "a.jpg", "--out", tmp_path / "out"),
        "must be a folder": (tmp_path / "a.png", tmp_path / "a.jpg", "--out", tmp_path / "out.png"),
        "overwritten": (tmp_path / "a.png", "--out", tmp_path),
        "no images": (tmp_path / "empty", "--out", tmp_path / "out"),
        "no noise": (tmp_path / "a.png", "--out", tmp_path / "out", "--noise", "3"),
    }
    for words, arguments in cases.items():
        done = run("translate", *arguments, "--generator", generator)
        assert done.exit_code == 2, done.output
        assert words in " ".join(done.output.split())
    assert not (tmp_path / "out").exists()


def test_a_bad_generator_is_exit_code_one(tmp_path):
    (tmp_path / "a.png").write_bytes(save(gradient(), "PNG"))
    done = run("translate", tmp_path / "a.png", "--generator", tmp_path / "a.png", "--out", tmp_path / "out")
    assert done.exit_code == 1
    assert "cannot be used" in done.output


def test_export_writes_a_checked_file(tmp_path, checkpoint):
    out = tmp_path / "city.onnx"
    done = run("export", checkpoint, "--out", out, "--title", "City", "--licence", "CC0")
    assert done.exit_code == 0, done.output
    card = read_card(out)
    assert (card.name, card.title, card.licence, card.step) == ("city", "City", "CC0", 7)
    assert (card.architecture, card.window, card.precision) == ("unet_32", 32, "fp16")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["city.onnx", "run"]
    found = inspect_file(out)
    assert (found["kind"], found["step"], found["card"]["title"]) == ("generator", 7, "City")
    assert found["weights_sha256"] == card.weights_sha256
    assert found["parameters"] > 1000


def test_export_with_figures(tmp_path, checkpoint):
    folder = tmp_path / "maps" / "train"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for stem in range(6):
        pair = rng.integers(0, 256, (32, 64, 3), dtype=np.uint8)
        (folder / f"{stem}.png").write_bytes(save(pair, "PNG"))
    (tmp_path / "held.tsv").write_text("# two\n0\n3\n")
    out = tmp_path / "a.onnx"
    done = run(
        "export", checkpoint, "--out", out, "--evaluate", folder.parent, "--tiles", tmp_path / "held.tsv"
    )
    assert done.exit_code == 0, done.output
    figures = read_card(out).metrics
    assert figures["held_out"] == {"tiles": 2, "list": "held.tsv"}
    assert {"generator", "median_colour", "input_copied"} < set(figures)
    assert figures["input_copied"]["l1"] > figures["median_colour"]["l1"] > 0
    assert "median_colour" in done.output


def test_export_measures_on_what_the_run_held_out_whatever_the_tiles_are_called(tmp_path, checkpoint):
    """Names that a list with a name a line cannot hold."""
    odd = ["#1", " apart ", "line\N{LINE SEPARATOR}break", "x" * 250]
    folder = write_maps(tmp_path / "maps" / "train", 6, side=32)
    for number, name in enumerate(odd, start=1):
        (folder / f"{number}.png").rename(folder / f"{name}.png")
    split = Holdout({PAIRS: ["5", "6"]}, {PAIRS: odd}, share=0.5, seed=1, groups={PAIRS: None})
    holdout.write(split, checkpoint)
    told = tmp_path / "told.json"
    newest = checkpoint / "checkpoints" / "step-00000007"
    listed = ("--evaluate", folder.parent, "--tiles", checkpoint / "split.json", "--json", told)
    done = run("export", newest, "--out", tmp_path / "a.onnx", *listed)
    assert done.exit_code == 0, done.output
    parity = json.loads(told.read_text())["parity"]
    assert (parity["tiles"], parity["list"]) == (4, "split.json")
    assert read_card(tmp_path / "a.onnx").metrics["held_out"] == {"tiles": 4, "list": "split.json"}


def test_export_for_a_program(tmp_path, checkpoint):
    """Compared on held-out tiles of an archive with a broken file; figures of so many, and JSON lines."""
    folder = write_maps(tmp_path / "maps" / "train", 8, side=32)
    (folder / "1.png").write_bytes(b"broken")
    (tmp_path / "held.tsv").write_text("1\n2\n3\n5\n")
    packed = shutil.make_archive(str(tmp_path / "maps"), "zip", tmp_path / "maps")
    options = ("export", checkpoint, "--evaluate", packed, "--tiles", tmp_path / "held.tsv", "--events")
    told = tmp_path / "told.json"
    done = run(*options, "--out", tmp_path / "a.onnx", "--json", told)
    assert done.exit_code == 1
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["event"] == "failed"
    assert "1.png" in last["reason"]
    assert not told.exists()
    done = run(*options, "--out", tmp_path / "a.onnx", "--json", told, "--skip-broken", "--limit", "3")
    assert done.exit_code == 0, done.output
    shares = [json.loads(line)["share"] for line in done.stdout.splitlines()]
    assert shares == sorted(shares)
    found = json.loads(told.read_text())
    assert (found["parity"]["tiles"], found["parity"]["list"]) == (2, "held.tsv")  # three, one of them broken
    assert 0 < found["parity"]["mean"] < found["parity"]["largest"] < 13
    assert found["card"]["metrics"]["held_out"] == {"tiles": 2, "list": "held.tsv"}
    assert found["bytes"] == (tmp_path / "a.onnx").stat().st_size


def test_export_explains_what_is_wrong(tmp_path, checkpoint):
    (tmp_path / "nothing").mkdir()
    done = run("export", tmp_path / "nothing", "--out", tmp_path / "a.onnx")
    assert (done.exit_code, "no checkpoint" in done.output) == (1, True)
    done = run("export", checkpoint, "--out", tmp_path / "a.onnx", "--name", "Not A Name")
    assert (done.exit_code, "name must be 1 to 64 of a-z" in done.output) == (1, True)
    done = run("export", checkpoint, "--out", tmp_path / "a.onnx", "--noise")
    assert (done.exit_code, "no dropout" in done.output) == (1, True)
    done = run("export", checkpoint, "--out", tmp_path / "a.onnx", "--tiles", tmp_path / "nothing")
    assert done.exit_code == 2
    assert not (tmp_path / "a.onnx").exists()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("city", "city"),
        ("My Map", "my-map"),
        ("Zürich (2024)_v1.2", "z-rich-2024-_v1.2"),
        ("地图", ""),
        ("a" * 70, "a" * 64),
    ],
)
def test_a_short_name_from_any_file_name(text, name):
    assert short_name(text) == name


def test_any_file_name_will_do(tmp_path, checkpoint):
    for file, name in (("My Map.onnx", "my-map"), ("地图.onnx", "map2sat")):
        done = run("export", checkpoint, "--out", tmp_path / file)
        assert done.exit_code == 0, done.output
        assert read_card(tmp_path / file).name == name


def test_inspect_refuses_other_files(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"hello")
    for path in (tmp_path / "a.onnx", tmp_path / "missing.onnx"):
        with pytest.raises(CardError):
            inspect_file(path)


def test_the_training_command_repeats_the_run():
    config = preset("seed", steps=10, dropout=0.25, deterministic=False, direction="sat2map")
    command = train_command(config)
    assert "--preset seed" in command
    assert "--direction sat2map" in command
    assert "--steps 10" in command
    assert "--set dropout=0.25" in command
    assert "--set deterministic=false" in command
    assert "learning_rate" not in command
