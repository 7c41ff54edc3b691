"""Pairs on disk: layouts, broken files, exclusion; batches as a function of the step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mapgan.datasets import (
    DatasetError,
    LoadedPairs,
    PairedDataset,
    find_pairs,
    load_pair,
    load_pairs,
    read_stems,
    select_pairs,
)
from tests.mapgan.pairs import REAL_MAPS, write_maps


def dataset(pairs: LoadedPairs, **options: object) -> PairedDataset:
    """Crops of 32 with the usual augmentation."""
    defaults = {"image_size": 32, "a_to_b": True, "flip": True, "batch_size": 1, "seed": 0}
    return PairedDataset(pairs, **{**defaults, **options})  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".TIFF"])
def test_maps_layout_in_natural_order(tmp_path: Path, suffix: str) -> None:
    """train/ is found below the root; 2 comes before 10; left is A."""
    write_maps(tmp_path / "train", 11, suffix=suffix)
    pairs = find_pairs(tmp_path)
    assert [pair.stem for pair in pairs] == [str(number) for number in range(1, 12)]
    a, b = load_pair(pairs[0])
    assert a.shape == b.shape == (40, 40, 3)
    assert a[..., 0].mean() > 100 > a[..., 2].mean()
    assert b[..., 2].mean() > 100 > b[..., 0].mean()


def test_what_lies_in_tiffs(tmp_path: Path) -> None:
    """CMYK and 16-bit grey, whose usual container it is, are read as 8-bit RGB."""
    picture = np.full((32, 64, 3), 255, np.uint8)
    picture[:, :32] = (250, 10, 10)
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "1.tif")
    Image.fromarray(picture[..., 1].astype(np.uint16) * 257).save(tmp_path / "2.tif")
    red, grey = (load_pair(pair) for pair in find_pairs(tmp_path))
    assert [tuple(half[0, 0]) for half in red] == [(250, 10, 10), (255, 255, 255)]
    assert [tuple(half[0, 0]) for half in grey] == [(10, 10, 10), (255, 255, 255)]


def test_flat_folder_and_val(tmp_path: Path) -> None:
    """A flat folder is all training; val needs its folder."""
    write_maps(tmp_path, 2)
    assert len(find_pairs(tmp_path)) == 2
    with pytest.raises(DatasetError, match="no folder 'val'"):
        find_pairs(tmp_path, "val")
    write_maps(tmp_path / "val", 3)
    assert len(find_pairs(tmp_path, "val")) == 3


def test_two_folders(tmp_path: Path) -> None:
    """A/ and B/ by equal names, whatever the suffix."""
    for name, suffix in (("A", ".png"), ("B", ".jpg")):
        write_maps(tmp_path / "train" / name, 3, suffix=suffix)
    pairs = find_pairs(tmp_path)
    assert next((pair.a.name, pair.b and pair.b.name) for pair in pairs) == ("1.png", "1.jpg")
    assert load_pair(pairs[0])[1].shape == (40, 80, 3)
    (tmp_path / "train" / "B" / "2.jpg").unlink()
    with pytest.raises(DatasetError, match="without a counterpart: 2"):
        find_pairs(tmp_path)


def test_two_folders_with_different_sizes(tmp_path: Path) -> None:
    """Halves of one pair must be equal; the message has both sizes."""
    write_maps(tmp_path / "A", 1, side=40)
    write_maps(tmp_path / "B", 1, side=41)
    with pytest.raises(DatasetError, match=r"80x40 but .* 82x41"):
        load_pair(find_pairs(tmp_path)[0])


def test_nothing_there(tmp_path: Path) -> None:
    """Missing and empty folders, and one name twice."""
    with pytest.raises(DatasetError, match="no such folder"):
        find_pairs(tmp_path / "absent")
    (tmp_path / "notes.txt").write_text("not a picture")
    with pytest.raises(DatasetError, match="no pictures"):
        find_pairs(tmp_path)
    write_maps(tmp_path, 1, suffix=".png")
    write_maps(tmp_path, 1, suffix=".jpg")
    with pytest.raises(DatasetError, match="two pictures have one name"):
        find_pairs(tmp_path)


def test_exclusion(tmp_path: Path) -> None:
    """Held-out tiles stay out, and a tile that is not there is an error."""
    write_maps(tmp_path / "train", 4)
    listed = tmp_path / "holdout.tsv"
    listed.write_text("# held out\n2\n\n 4 \n")
    assert read_stems(listed) == ["2", "4"]
    assert [pair.stem for pair in find_pairs(tmp_path, exclude=read_stems(listed))] == ["1", "3"]
    with pytest.raises(DatasetError, match=r"not in .*: 9"):
        find_pairs(tmp_path, exclude=["9"])
    with pytest.raises(DatasetError, match="excluded"):
        find_pairs(tmp_path, exclude=["1", "2", "3", "4"])
    listed.write_text("2\n2\n")
    with pytest.raises(DatasetError, match="twice: 2"):
        read_stems(listed)
    with pytest.raises(DatasetError, match="cannot read"):
        read_stems(tmp_path / "absent")


def test_selection_keeps_the_order_asked_for(tmp_path: Path) -> None:
    """The list rules, and knows no other tiles."""
    pairs = find_pairs(write_maps(tmp_path, 3))
    assert [pair.stem for pair in select_pairs(pairs, ["3", "1"])] == ["3", "1"]
    with pytest.raises(DatasetError, match="no such tiles: 7"):
        select_pairs(pairs, ["7"])


def plant(folder: Path) -> None:
    """One file of every kind of fault beside good ones."""
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:200])
    (folder / "3.png").write_text("<html>")
    (folder / "4.png").write_bytes(b"")
    Image.new("RGB", (81, 40)).save(folder / "5.png")
    Image.new("RGB", (60, 30)).save(folder / "6.png")


def test_broken_files_are_named(tmp_path: Path) -> None:
    """All offenders in one message, in order."""
    plant(write_maps(tmp_path, 9))
    with pytest.raises(DatasetError) as caught:
        load_pairs(find_pairs(tmp_path), 36)
    message = str(caught.value)
    assert [f"{number}.png" in message for number in range(1, 10)] == [False] + [True] * 5 + [False] * 3
    assert "the width 81 is odd" in message
    assert "a half is 30x30, most are 40x40" in message


def test_broken_files_are_skipped_on_request(tmp_path: Path) -> None:
    """The others keep their order, and each one left out has its sentence."""
    plant(write_maps(tmp_path, 9))
    loaded = load_pairs(find_pairs(tmp_path), 36, skip_broken=True)
    assert loaded.stems == ["1", "7", "8", "9"]
    assert [int(picture[0, 0, 1]) for picture in loaded.a] == [1, 7, 8, 9]
    assert len(loaded.problems) == 5
    for number in (1, 7, 8, 9):
        (tmp_path / f"{number}.png").write_bytes(b"")
    (tmp_path / "5.png").unlink()
    (tmp_path / "6.png").unlink()
    with pytest.raises(DatasetError, match="no usable pair"):
        load_pairs(find_pairs(tmp_path), 36, skip_broken=True)


@pytest.mark.parametrize("mode", ["L", "CMYK", "I;16", "RGBA", "P"])
def test_colour_modes(tmp_path: Path, mode: str) -> None:
    """Grey, print, deep, transparent and palette pictures all become 8-bit RGB."""
    if mode == "I;16":
        picture = Image.fromarray(np.full((40, 80), 0x8080, np.uint16))
    else:
        picture = Image.new("RGB", (80, 40), (128, 128, 128)).convert(mode)
    picture.save(tmp_path / ("1.jpg" if mode == "CMYK" else "1.png"))
    a, b = load_pair(find_pairs(tmp_path)[0], 20)
    assert a.shape == b.shape == (20, 20, 3)
    assert np.abs(a.astype(int) - 128).max() <= 8


def test_resize_is_bicubic(tmp_path: Path) -> None:
    """Pillow's bicubic, each half on its own."""
    write_maps(tmp_path, 1)
    pair = find_pairs(tmp_path)[0]
    a, b = load_pair(pair)
    for half, resized in zip((a, b), load_pair(pair, 57), strict=True):
        expected = Image.fromarray(half).resize((57, 57), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(resized, np.asarray(expected))


def test_more_than_the_memory(tmp_path: Path) -> None:
    """Said before it is tried."""
    pairs = find_pairs(write_maps(tmp_path, 2))
    with pytest.raises(DatasetError, match=r"20,000,000 pictures .* GB; this machine has .* lower load_size"):
        load_pairs(pairs * 5_000_000, 4096)


def test_halves_the_other_way_round(tmp_path: Path) -> None:
    """A is the right half where the data have it so; two folders say it themselves."""
    write_maps(tmp_path / "maps", 1)
    a, b = load_pair(find_pairs(tmp_path / "maps", a_side="right")[0], 20)
    np.testing.assert_array_equal((b, a), load_pair(find_pairs(tmp_path / "maps")[0], 20))
    for name in ("A", "B"):
        write_maps(tmp_path / "folders" / name, 1)
    assert find_pairs(tmp_path / "folders", a_side="right") == find_pairs(tmp_path / "folders")


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_folders_named_by_split_and_domain(tmp_path: Path, split: str) -> None:
    """CycleGAN's layout holds pairs, too, when the names agree; one folder alone is an error."""
    write_maps(tmp_path / f"{split}A", 3)
    with pytest.raises(DatasetError, match=rf"{split}A is there but .*{split}B is not"):
        find_pairs(tmp_path, split)
    write_maps(tmp_path / f"{split}B", 3, suffix=".jpg")
    pairs = find_pairs(tmp_path, split)
    assert [(pair.a.parent.name, pair.b and pair.b.name) for pair in pairs] == [
        (f"{split}A", f"{number}.jpg") for number in (1, 2, 3)
    ]


def test_rows_are_kept_in_place() -> None:
    """A part of the pictures is no second copy of them."""
    pairs = numbered(9)
    kept = pairs.kept([1, 2, 5, 8])
    assert kept.stems == ["1", "2", "5", "8"]
    assert np.shares_memory(kept.a, pairs.a)
    assert np.shares_memory(kept.b, pairs.b)
    assert kept.a[:, 0, 0, 2].tolist() == kept.b[:, 0, 0, 2].tolist() == [1, 2, 5, 8]


def numbered(count: int, size: int = 40) -> LoadedPairs:
    """Pairs whose pixels say where they come from: row, column and number; B is A plus one in red."""
    a = np.zeros((count, size, size, 3), np.uint8)
    a[..., 0] = np.arange(size)[None, :, None] * 2
    a[..., 1] = np.arange(size)[None, None, :]
    a[..., 2] = np.arange(count)[:, None, None]
    return LoadedPairs([str(number) for number in range(count)], a, a + np.array([1, 0, 0], np.uint8), [])


def test_both_halves_are_cut_alike() -> None:
    """Same window, same mirroring, in every draw; and all windows and both sides occur."""
    data = dataset(numbered(5))
    tops, lefts, mirrored = set(), set(), set()
    for step in range(300):
        source, target = data.batch(step)
        assert source.shape == (1, 32, 32, 3)
        assert source.dtype == np.uint8
        np.testing.assert_array_equal(source[..., 0] + 1, target[..., 0])
        np.testing.assert_array_equal(source[..., 1:], target[..., 1:])
        columns = source[0, 0, :, 1].astype(int)
        assert set(np.diff(columns)) in ({1}, {-1})
        tops.add(source[0, 0, 0, 0] // 2)
        lefts.add(columns.min())
        mirrored.add(columns[0] > columns[-1])
    assert tops == lefts == set(range(9))
    assert mirrored == {True, False}


def test_without_augmentation_the_whole_picture() -> None:
    """Equal sizes and no flip give every picture as it is."""
    pairs = numbered(3, 32)
    data = dataset(pairs, flip=False)
    for step in range(6):
        source, _ = data.batch(step)
        np.testing.assert_array_equal(source[0], pairs.a[source[0, 0, 0, 2]])


def test_every_pass_sees_every_pair_in_a_new_order() -> None:
    """Three passes of seven pairs in batches of two, which cross the passes' borders."""
    data = dataset(numbered(7), batch_size=2)
    seen = [int(picture[0, 0, 2]) for step in range(11) for picture in data.batch(step)[0]][:21]
    passes = [seen[:7], seen[7:14], seen[14:]]
    assert all(sorted(one) == list(range(7)) for one in passes)
    assert passes[0] != passes[1] != passes[2]


def test_a_batch_is_a_function_of_its_number() -> None:
    """Asked for out of order, by another object, the same; with another seed, not."""
    forward, backward = dataset(numbered(7)), dataset(numbered(7))
    expected = [forward.batch(step)[0] for step in range(20)]
    for step in reversed(range(20)):
        np.testing.assert_array_equal(backward.batch(step)[0], expected[step])
    other = dataset(numbered(7), seed=1)
    assert any((other.batch(step)[0] != expected[step]).any() for step in range(20))


def test_direction_and_fingerprint() -> None:
    """map2sat swaps source and target; pixels, names and direction all show in the fingerprint."""
    pairs = numbered(2)
    source, target = dataset(pairs, a_to_b=False).batch(0)
    np.testing.assert_array_equal(source[..., 0], target[..., 0] + 1)
    changed = numbered(2)
    changed.a[1, 3, 3, 0] ^= 1
    prints = {
        dataset(pairs).fingerprint(),
        dataset(pairs, a_to_b=False).fingerprint(),
        dataset(changed).fingerprint(),
        dataset(numbered(3)).fingerprint(),
    }
    assert len(prints) == 4
    assert dataset(numbered(2)).fingerprint() in prints
    assert len(dataset(pairs)) == 2


@pytest.mark.skipif(not REAL_MAPS.is_dir(), reason="the real tiles are not beside the repository")
def test_real_tiles_without_the_held_out_ones() -> None:
    """1,096 tiles, 100 of them held out; the map is the lighter half."""
    stems = read_stems(REAL_MAPS / "holdout.tsv")
    pairs = find_pairs(REAL_MAPS, exclude=stems)
    assert (len(stems), len(pairs)) == (100, 996)
    loaded = load_pairs(pairs[:20], 286)
    assert loaded.problems == []
    assert loaded.b.mean() > 200 > loaded.a.mean()
