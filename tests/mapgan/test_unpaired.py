"""Two domains: their layouts, what is refused, and that nothing joins the draws of A and B."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mapgan.datasets import DatasetError
from mapgan.unpaired import Domain, LoadedDomains, UnpairedDataset, load_domains
from tests.mapgan.pairs import REAL_MAPS, write_maps


def write_domain(folder: Path, names: list[str], colour: tuple[int, int, int], side: int = 40) -> None:
    """Plain pictures of one colour."""
    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (side, side + 8), colour).save(folder / f"{name}.png")


def numbered(count: int, size: int = 40) -> Domain:
    """Pictures whose pixels say where they come from: row, column and number."""
    pixels = np.zeros((count, size, size, 3), np.uint8)
    pixels[..., 0] = np.arange(size)[None, :, None]
    pixels[..., 1] = np.arange(size)[None, None, :]
    pixels[..., 2] = np.arange(count)[:, None, None]
    return Domain([str(number) for number in range(count)], pixels)


def dataset(a: int = 5, b: int = 7, **options: object) -> UnpairedDataset:
    """Crops of 32 with the usual augmentation."""
    defaults = {"image_size": 32, "flip": True, "batch_size": 1, "seed": 0}
    domains = LoadedDomains(numbered(a), numbered(b), [])
    return UnpairedDataset(domains, **{**defaults, **options})  # type: ignore[arg-type]


def cut(picture: np.ndarray) -> tuple[int, int, int, bool]:
    """Number, top, left and mirroring of a crop of :func:`numbered`."""
    columns = picture[0, :, 1].astype(int)
    return int(picture[0, 0, 2]), int(picture[0, 0, 0]), int(columns.min()), bool(columns[0] > columns[-1])


def test_maps_layout_is_split_into_halves(tmp_path: Path) -> None:
    """All left halves are A, all right halves B."""
    write_maps(tmp_path / "train", 4)
    loaded = load_domains(tmp_path, 36, exclude=["2"])
    assert loaded.a.stems == loaded.b.stems == ["1", "3", "4"]
    assert loaded.a.pictures.shape == loaded.b.pictures.shape == (3, 36, 36, 3)
    assert loaded.a.pictures[..., 0].mean() > 100 > loaded.a.pictures[..., 2].mean()
    assert loaded.b.pictures[..., 2].mean() > 100 > loaded.b.pictures[..., 0].mean()


@pytest.mark.parametrize(("a", "b"), [("trainA", "trainB"), ("train/A", "train/B"), ("A", "B")])
def test_folders_need_not_agree(tmp_path: Path, a: str, b: str) -> None:
    """Other names, numbers and sizes on each side; a name in one of them can be held out."""
    write_domain(tmp_path / a, ["x", "y", "z"], (200, 0, 0))
    write_domain(tmp_path / b, ["1", "x"], (0, 0, 200), side=64)
    loaded = load_domains(tmp_path, 36)
    assert (loaded.a.stems, loaded.b.stems, loaded.problems) == (["x", "y", "z"], ["1", "x"], [])
    assert (loaded.a.pictures == (200, 0, 0)).all()
    assert (loaded.b.pictures == (0, 0, 200)).all()
    held_out = load_domains(tmp_path, 36, exclude=["x", "y"])
    assert (held_out.a.stems, held_out.b.stems) == (["z"], ["1"])


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    """No folder, half a data set, unknown or too many exclusions, broken pictures."""
    with pytest.raises(DatasetError, match="no such folder"):
        load_domains(tmp_path / "absent", 36)
    write_domain(tmp_path / "trainA", ["1", "2", "3"], (9, 9, 9))
    with pytest.raises(DatasetError, match=r"trainA is there but .*trainB is not"):
        load_domains(tmp_path, 36)
    write_domain(tmp_path / "trainB", ["7"], (9, 9, 9))
    with pytest.raises(DatasetError, match=r"to exclude are not in .*: 8"):
        load_domains(tmp_path, 36, exclude=["8"])
    with pytest.raises(DatasetError, match=r"no pictures in .*trainB"):
        load_domains(tmp_path, 36, exclude=["7"])
    (tmp_path / "trainA" / "2.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"2\.png: not a readable picture"):
        load_domains(tmp_path, 36)
    loaded = load_domains(tmp_path, 36, skip_broken=True)
    assert loaded.a.stems == ["1", "3"]
    assert len(loaded.a.pictures) == 2
    assert len(loaded.problems) == 1
    (tmp_path / "trainB" / "7.png").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"no usable picture in .*trainB"):
        load_domains(tmp_path, 36, skip_broken=True)


def test_each_domain_has_passes_of_its_own() -> None:
    """Five and seven pictures: every pass sees each once, in an order that changes."""
    data = dataset(batch_size=2)
    assert len(data) == 7
    drawn = [data.batch(step) for step in range(35)]
    for side, count in ((0, 5), (1, 7)):
        seen = [cut(picture)[0] for batch in drawn for picture in batch[side]]
        passes = [seen[start : start + count] for start in range(0, 70, count)]
        assert all(sorted(one) == list(range(count)) for one in passes)
        assert len({tuple(one) for one in passes}) > 3


def test_nothing_joins_a_and_b() -> None:
    """Equal sizes, so that a shared order would show: every number meets every other, cuts differ."""
    data = dataset(6, 6)
    drawn = [tuple(cut(side[0]) for side in data.batch(step)) for step in range(900)]
    together = Counter((a[0], b[0]) for a, b in drawn)
    assert len(together) == 36
    assert max(together.values()) < 60  # 25 each by chance; a shared order has 150 for six of them
    for part in (1, 2):  # tops and lefts: nine values each, equal once in nine times
        assert 60 < sum(a[part] == b[part] for a, b in drawn) < 145
    mirrored = Counter((a[3], b[3]) for a, b in drawn)
    assert all(160 < mirrored[pair] < 300 for pair in ((0, 0), (0, 1), (1, 0), (1, 1)))
    assert {a[1] for a, _ in drawn} == {b[2] for _, b in drawn} == set(range(9))


def test_a_batch_is_a_function_of_its_number() -> None:
    """Asked for out of order, by another object, the same; with another seed, not."""
    forward, backward, other = dataset(), dataset(), dataset(seed=1)
    expected = [forward.batch(step) for step in range(20)]
    for step in reversed(range(20)):
        for found, wanted in zip(backward.batch(step), expected[step], strict=True):
            assert found.shape == (1, 32, 32, 3)
            assert found.dtype == np.uint8
            np.testing.assert_array_equal(found, wanted)
    for side in (0, 1):
        assert any((other.batch(step)[side] != expected[step][side]).any() for step in range(20))


def test_without_augmentation_the_whole_picture() -> None:
    """Equal sizes and no flip give every picture as it is."""
    data = dataset(image_size=40, flip=False)
    for step in range(10):
        assert all(cut(side[0])[1:] == (0, 0, False) for side in data.batch(step))


def test_fingerprint() -> None:
    """Pixels, names and which domain is which all show in it."""
    prints = {dataset(a, b).fingerprint() for a, b in ((5, 7), (7, 5), (5, 6))}
    altered = numbered(5)
    altered.pictures[4, 0, 0, 0] ^= 1
    renamed = Domain(["9", *numbered(5).stems[1:]], numbered(5).pictures)
    for domain in (altered, renamed):
        domains = LoadedDomains(domain, numbered(7), [])
        prints.add(UnpairedDataset(domains, image_size=32, flip=True, batch_size=1, seed=0).fingerprint())
    assert len(prints) == 5
    assert dataset().fingerprint() in prints


@pytest.mark.skipif(not REAL_MAPS.is_dir(), reason="the real tiles are not beside the repository")
def test_real_tiles(tmp_path: Path) -> None:
    """The map is the lighter half, and a batch has one of each."""
    (tmp_path / "train").mkdir()
    for number in range(1, 5):
        target = (REAL_MAPS / "train" / f"{number}.webp").resolve()
        (tmp_path / "train" / target.name).symlink_to(target)
    loaded = load_domains(tmp_path, 286)
    a, b = UnpairedDataset(loaded, image_size=256, flip=True, batch_size=4, seed=0).batch(0)
    assert a.shape == b.shape == (4, 256, 256, 3)
    assert b.mean() > 200 > a.mean()
