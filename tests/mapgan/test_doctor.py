"""The dataset doctor: each check on drawn pairs, the command, and planted faults among real tiles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image, ImageDraw

from mapgan import holdout
from mapgan.cli import main
from mapgan.datasets import DatasetError, find_pairs, read_stems
from mapgan.doctor.examine import examine
from mapgan.doctor.ground import join, overlapping
from mapgan.doctor.report import Report
from mapgan.doctor.splitting import make_split
from tests.mapgan import faults
from tests.mapgan.pairs import REAL_MAPS

SIDE = 128
TILES = 120


def draw_pair(rng: np.random.Generator, side: int = SIDE) -> faults.Picture:
    """A street map on the right and, on the left, the same streets and parks in noisy dull colours."""
    drawn, photo = (Image.new("RGB", (side, side), colour) for colour in ((233, 229, 223), (70, 75, 60)))
    shapes = [(ImageDraw.Draw(drawn), (203, 223, 170), (255, 255, 255))]
    shapes.append((ImageDraw.Draw(photo), (40, 70, 35), (130, 130, 125)))
    boxes = [tuple(int(value) for value in rng.integers(0, side, 2)) for _ in range(3)]
    streets = [tuple(int(value) for value in rng.integers(-20, side + 20, 4)) for _ in range(7)]
    for pencil, park, street in shapes:
        for left, top in boxes:
            pencil.rectangle((left, top, left + 30, top + 24), fill=park)
        for line in streets:
            pencil.line(line, fill=street, width=5)
    ground = rng.normal(0, 18, (side // 4, side // 4, 1)).repeat(4, 0).repeat(4, 1)
    noise = ground + rng.normal(0, 2, (side, side, 3))
    left = np.clip(np.asarray(photo) + noise, 0, 255).astype(np.uint8)
    return np.concatenate([left, np.asarray(drawn)], axis=1)


def write_pairs(folder: Path, count: int, *, seed: int = 0, shift: tuple[int, int] = (0, 0)) -> list[Path]:
    """Drawn pairs 1.png, 2.png and so on, all maps moved by ``shift``."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"{number}.png" for number in range(1, count + 1)]
    for path in paths:
        picture = draw_pair(rng).copy()
        picture[:, SIDE:] = faults.shifted(picture[:, SIDE:], *shift)
        faults.write(path, picture)
    return paths


def named(report: Report, kind: str, *severities: str) -> set[str]:
    """Stems that findings of a kind (and of some severities) name."""
    return {
        tile.split("/")[-1]
        for finding in report.findings
        if finding.kind == kind and (not severities or finding.severity in severities)
        for tile in finding.tiles
    }


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty pairs without a fault."""
    root = tmp_path_factory.mktemp("good")
    write_pairs(root / "train", 60)
    return root


def run(*arguments: object) -> Result:
    """The command as a shell would call it."""
    return CliRunner().invoke(main, ["doctor", *map(str, arguments)])


def test_nothing_is_wrong_with_good_pairs(good: Path, tmp_path: Path) -> None:
    """No finding at all, exit code 0, and the JSON says the same as the text."""
    result = run(good, "--json", tmp_path / "report.json")
    assert result.exit_code == 0, result.output
    assert "60 readable pairs (60 in train)" in result.output
    document = json.loads((tmp_path / "report.json").read_text())
    assert set(document) == {
        "schema", "paired", "layout", "size", "pairs", "summary", "kinds", "colours", "histograms",
        "alignment", "findings", "groups",
    }  # fmt: skip
    assert document["findings"] == [] == document["groups"]
    assert document["size"] == {"width": SIDE, "height": SIDE}
    assert (document["paired"], document["layout"]) == (True, "halves")
    assert np.sum(document["histograms"]["B"], axis=1) == pytest.approx([1, 1, 1], abs=0.01)
    heights = np.array(document["alignment"]["heights"])
    assert divmod(int(heights.argmax()), 33) == (16, 16)
    assert document["summary"] == {"error": 0, "warning": 0, "notice": 0}


def test_colours_are_those_of_all_pixels(tmp_path: Path) -> None:
    """Mean and deviation as NumPy gives them over the whole set at once."""
    write_pairs(tmp_path, 10)
    pixels = np.stack([faults.read(pair.a) for pair in find_pairs(tmp_path)])
    figures = examine(tmp_path).colours
    for name, half in (("A", pixels[:, :, :SIDE]), ("B", pixels[:, :, SIDE:])):
        assert np.allclose(figures[name]["mean"], half.mean((0, 1, 2)), atol=0.01)
        assert np.allclose(figures[name]["stdev"], half.std((0, 1, 2)), atol=0.01)


def test_planted_faults_among_drawn_pairs(tmp_path: Path) -> None:
    """Two pairs of ninety have each fault; all are named, and no other pair by an error."""
    paths = write_pairs(tmp_path, 90, seed=1)
    kinds = [kind for kind in faults.KINDS if kind not in ("moved_far", "strangers")]
    stems = {
        kind: set(faults.plant(paths[2 * place : 2 * place + 2], kind)) for place, kind in enumerate(kinds)
    }
    report = examine(tmp_path)
    for kind in kinds:
        assert stems[kind] <= named(report, faults.KINDS[kind][1]), kind
    assert report.broken <= set().union(*stems.values())


@pytest.mark.parametrize("shift", [(16, 0), (-7, 11)])
def test_a_shift_of_the_whole_set_is_found_to_the_pixel(shift: tuple[int, int], tmp_path: Path) -> None:
    """And single pairs are judged apart from it."""
    paths = write_pairs(tmp_path, 42, shift=shift)
    faults.swapped(paths[0], 0)
    report = examine(tmp_path)
    (found,) = [finding for finding in report.findings if finding.kind == "set_misaligned"]
    assert (found.values["right"], found.values["down"]) == shift
    assert found.severity == "error"
    assert not named(report, "misaligned", "error")


def test_two_folders(tmp_path: Path) -> None:
    """Names without a counterpart, names given twice, files that are no pictures."""
    for half, columns in (("A", slice(0, SIDE)), ("B", slice(SIDE, None))):
        (tmp_path / half).mkdir()
        for number in range(5):
            picture = draw_pair(np.random.default_rng(number))
            faults.write(tmp_path / half / f"{number}.png", picture[:, columns])
    (tmp_path / "B" / "3.png").unlink()
    (tmp_path / "A" / "1.jpg").write_bytes(b"another")
    (tmp_path / "A" / "notes.txt").write_text("hello")
    report = examine(tmp_path)
    assert named(report, "unpaired") == {"3"}
    assert named(report, "name_twice") == {"1"}
    assert [finding.values["files"] for finding in report.findings if finding.kind == "ignored_files"] == [
        ["notes.txt"]
    ]


def test_sixteen_bits_and_transparency_are_noticed(tmp_path: Path) -> None:
    """Pillow alone would not tell 16-bit colours from 8-bit ones."""
    from tests.mapgan.images import deep_png

    paths = write_pairs(tmp_path, 3)
    paths[0].write_bytes(deep_png(faults.read(paths[0]).astype(np.uint16) * 257))
    Image.fromarray(faults.read(paths[1])).convert("RGBA").save(paths[1])
    report = examine(tmp_path)
    assert named(report, "colour_mode", "notice") == {"1", "2"}
    assert report.count("error") == 0


def neighbours(folder: Path) -> None:
    """Thirty single tiles and two cut from one ground, a quarter of a tile apart."""
    write_pairs(folder, 30, seed=5)
    wide = draw_pair(np.random.default_rng(99), side=2 * SIDE)
    for name, left in (("left", 0), ("right", SIDE // 4)):
        a, b = wide[:SIDE, left : left + SIDE], wide[:SIDE, 2 * SIDE + left : 3 * SIDE + left]
        faults.write(folder / f"{name}.png", np.concatenate([a, b], axis=1))


def test_overlapping_ground(tmp_path: Path) -> None:
    """A notice within a split, with the place; a group that no split separates."""
    neighbours(tmp_path)
    report = examine(tmp_path)
    assert named(report, "overlap", "notice") == {"left", "right"}
    (finding,) = [finding for finding in report.findings if finding.kind == "overlap"]
    assert finding.values["shift"] == pytest.approx([0.25, 0], abs=0.02)
    assert finding.values["share"] == pytest.approx(0.75, abs=0.02)
    assert any({"left", "right"} <= set(group) for group in report.groups)


def test_what_two_splits_share_is_a_warning(tmp_path: Path) -> None:
    """Copies and neighbours of the training tiles in val/."""
    neighbours(tmp_path / "train")
    (tmp_path / "val").mkdir()
    (tmp_path / "train" / "right.png").rename(tmp_path / "val" / "right.png")
    faults.copy_encoded(tmp_path / "train" / "7.png", 0)
    (tmp_path / "train" / "recoded_7.jpg").rename(tmp_path / "val" / "recoded_7.jpg")
    report = examine(tmp_path)
    assert {"left", "right"} <= named(report, "overlap", "warning")
    assert named(report, "duplicate", "warning") == {"7", "recoded_7"}
    assert report.pairs == {"train": 31, "val": 2}
    assert not any("right" in group for group in report.training_groups())


def test_the_command_s_exit_codes(good: Path, tmp_path: Path) -> None:
    """1 for errors in the data, 2 for wrong use."""
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty").exit_code == 2
    assert run(tmp_path / "nowhere").exit_code == 2
    assert run(good, "--split", tmp_path / "lists", "--fraction", "1.5").exit_code == 2
    faults.empty(write_pairs(tmp_path / "broken", 3)[0], 0)
    result = run(tmp_path / "broken")
    assert result.exit_code == 1
    assert "error: unreadable (1)" in result.output
    with pytest.raises(DatasetError, match="no such folder"):
        examine(tmp_path / "nowhere")


def test_the_split_is_what_exclude_reads(tmp_path: Path) -> None:
    """Neighbours stay together, the fraction is met, the seed decides, broken tiles are left out."""
    neighbours(tmp_path / "train")
    faults.empty(tmp_path / "train" / "9.png", 0)
    lists: list[list[str]] = []
    for name, seed in (("one", 3), ("again", 3), ("other", 4)):
        result = run(tmp_path, "--split", tmp_path / name, "--fraction", "0.25", "--seed", seed)
        assert result.exit_code == 1
        lists.append(read_stems(tmp_path / name / "val.txt"))
    assert lists[0] == lists[1] != lists[2]
    train = read_stems(tmp_path / "one" / "train.txt")
    assert (len(lists[0]), len(train)) == (8, 23)
    assert "9" not in {*train, *lists[0]}
    assert ("left" in train) == ("right" in train)
    assert len(find_pairs(tmp_path, exclude=lists[0])) == 24
    made = holdout.read(tmp_path / "one")
    assert (made.given, made.side("A")) == (True, (train, lists[0]))


@pytest.mark.parametrize("side", [20, 32, 40, 66])
def test_tiny_pairs(side: int, tmp_path: Path) -> None:
    """Nothing is too small to be examined; the plot needs 33 pixels."""
    for path in write_pairs(tmp_path, 2):
        Image.open(path).resize((2 * side, side)).save(path)
    alignment = examine(tmp_path).alignment
    assert ("heights" in alignment) == (side >= 33)
    assert alignment["pairs"] == 2


def test_groups_stay_whole_at_any_seed() -> None:
    """Even where they do not fit the share, which is never exceeded."""
    tiles = [str(number) for number in range(50)]
    groups = [tiles[:20], tiles[20:23], tiles[23:25]]
    for seed in range(30):
        split = make_split(tiles, groups, fraction=0.2, seed=seed)
        assert len(split.val) == 10
        assert sorted(split.train + split.val) == sorted(tiles)
        assert all(len({tile in split.val for tile in group}) == 1 for group in groups)


def test_links_join_into_groups() -> None:
    """Chains are one group; what has no link is in none."""
    assert join(7, [(0, 3), (3, 5), (1, 2)]) == [[0, 3, 5], [1, 2]]


def test_pictures_in_memory_are_grouped() -> None:
    """Neighbours, and copies of a featureless one; of any sizes."""
    wide = draw_pair(np.random.default_rng(99), side=2 * SIDE)
    pictures = [draw_pair(np.random.default_rng(seed))[:, :SIDE] for seed in range(10)]
    pictures += [wide[:SIDE, :SIDE], wide[:SIDE, SIDE // 3 : SIDE // 3 + SIDE]]
    pictures += [np.full((SIDE, SIDE, 3), 40, np.uint8)] * 2
    pictures += [np.full((50, 70, 3), 90, np.uint8)]
    assert overlapping(pictures) == [[10, 11], [12, 13]]
    assert overlapping(pictures[:1]) == []


def test_a_whole_set_with_its_halves_exchanged(tmp_path: Path) -> None:
    """One warning that says what to do, and none when it is done."""
    for path in write_pairs(tmp_path / "train", 20):
        faults.swapped(path, 0)
    (finding,) = [found for found in examine(tmp_path).findings if found.kind == "set_swapped"]
    assert "--a-side right" in finding.message
    assert finding.severity == "warning"
    result = run(tmp_path, "--a-side", "right")
    assert (result.exit_code, "set_swapped" in result.output) == (0, False), result.output


def test_what_is_no_data_set(tmp_path: Path) -> None:
    """Said in words, with exit code 2; a broken link among pictures is one more broken picture."""
    (tmp_path / "a.txt").write_text("hello")
    assert run(tmp_path / "a.txt").exit_code == 2
    assert "no pictures" in run(tmp_path).output
    write_pairs(tmp_path / "pairs", 3)
    (tmp_path / "pairs" / "9.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "pairs" / "8.bmp").write_bytes(b"BM")
    report = examine(tmp_path / "pairs")
    assert named(report, "unreadable", "error") == {"9"}
    assert [finding.kind for finding in report.findings if finding.severity == "warning"] == ["ignored_files"]


def reference_groups() -> list[list[str]]:
    """Tiles of the real set that show overlapping ground."""
    lines = (REAL_MAPS / "overlap_groups.tsv").read_text().splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, dict[str, list[str]]]:
    """A copy of 120 real tiles in which every kind of fault is planted twice.

    Maps are moved only where they show something: nothing tells where an empty map belongs.
    `benchmarks/doctor_faults.py` measures the same with all tiles.
    """
    if not (REAL_MAPS / "train").is_dir():
        pytest.skip(f"the real tiles are not at {REAL_MAPS}")
    folder = tmp_path_factory.mktemp("planted") / "train"
    folder.mkdir()
    tiles = [folder / pair.a.name for pair in find_pairs(REAL_MAPS)[1::9][:TILES]]
    for tile in tiles:
        tile.write_bytes((REAL_MAPS / "train" / tile.name).read_bytes())
    order = [tiles[at] for at in np.random.default_rng(11).permutation(len(tiles))]
    stems = {}
    for kind in sorted(faults.KINDS, key=lambda kind: kind not in faults.MAP_MUST_SHOW):
        careful = kind in faults.MAP_MUST_SHOW
        chosen = [path for path in order if not careful or faults.shows_something(path)][:2]
        order = [path for path in order if path not in chosen]
        stems[kind] = faults.plant(chosen, kind)
    return examine(folder.parent), stems


def test_faults_planted_among_real_tiles(planted: tuple[Report, dict[str, list[str]]]) -> None:
    """All of them are found, and at most 1 % of the other tiles get an error."""
    report, stems = planted
    touched = {stem for kind in stems.values() for stem in kind}
    for kind, (_, finding) in faults.KINDS.items():
        assert set(stems[kind]) <= named(report, finding), kind
    untouched = {tile.split("/")[-1] for tile in report.broken} - touched
    assert len(untouched) <= 0.01 * TILES


def test_the_split_of_real_tiles_separates_no_overlap(tmp_path: Path) -> None:
    """The reference's groups that are easiest to lose, whole, among other tiles."""
    if not (REAL_MAPS / "train").is_dir():
        pytest.skip(f"the real tiles are not at {REAL_MAPS}")
    groups = reference_groups()
    chosen = {tile for group in groups if len(group) > 5 for tile in group}
    folder = tmp_path / "train"
    folder.mkdir()
    for tile in chosen:
        (folder / f"{tile}.webp").write_bytes((REAL_MAPS / "train" / f"{tile}.webp").read_bytes())
    report = examine(tmp_path)
    for seed in range(10):
        split = make_split(report.training(), report.training_groups(), fraction=0.2, seed=seed)
        val = set(split.val)
        assert val
        for group in groups:
            assert len({tile in val for tile in group if tile in chosen}) <= 1
