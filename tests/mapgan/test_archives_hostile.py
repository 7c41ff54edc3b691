"""Archives that lie, never end or end too soon: refused in bounded time and memory, leaving nothing."""

from __future__ import annotations

import lzma
import struct
import tarfile
import tempfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from mapgan.archives import opened
from tests.mapgan.hostile import KINDS, listed, member, pack, picture, refused, tar_of


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go, so that a test sees what is left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_bombs(tmp_path: Path, kind: str) -> None:
    """What grows beyond all measure, as a picture or beside them; told before the memory or disk is full."""
    inside = {"1.png": picture(), "notes.txt": bytes(70 * 2**20)}
    if kind == ".tar":
        return  # it does not grow
    path = pack(tmp_path / f"a{kind}", inside)
    inside.clear()
    tracemalloc.start()
    error = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.code == "bomb"
    assert "100 times its size" in str(error)
    assert peak < 40 * 2**20


@pytest.mark.parametrize("kind", KINDS)
def test_limits(tmp_path: Path, kind: str) -> None:
    """Bytes of one file, of all, and the number of entries."""
    path = pack(tmp_path / f"a{kind}", {f"{number}.png": picture(seed=number) for number in range(4)})
    size = len(picture())
    assert refused(path, max_file=size - 100).code == "too_large"
    assert refused(path, max_total=3 * size).code == "too_large"
    assert refused(path, max_entries=3).code == "too_many"
    with opened(path, max_entries=4, max_file=2 * size, max_total=20 * size, max_empty=0) as root:
        assert len(listed(root)) == 4


@pytest.mark.parametrize(
    ("kind", "name"), [(".zip", "{}.png"), (".zip", "{}/"), (".zip", "{}.txt"), (".tar.gz", "{}.png")]
)
def test_twenty_thousand_empty_entries(tmp_path: Path, kind: str, name: str) -> None:
    """Refused early, whether they claim to be pictures, folders or nothing of interest."""
    path = tmp_path / f"a{kind}"
    if kind == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(20_000):
                archive.writestr(name.format(number), b"")
    else:
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            for number in range(20_000):
                tar.addfile(member(name.format(number)))
    error = refused(path)
    assert error.code == "empty_entries"
    assert "1,000 entries of the archive are empty" in str(error)


def test_a_directory_that_lies_about_its_length(tmp_path: Path) -> None:
    """Entries are counted before anything is made of them."""
    path = pack(tmp_path / "a.zip", {f"{number}.png": b"x" for number in range(50)})
    assert refused(path, max_entries=49).code == "too_many"
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.rindex(b"PK\x05\x06") + 10, 1)  # entries in all: one
    path.write_bytes(data)
    assert refused(path, max_entries=49).code == "too_many"


@pytest.mark.parametrize("claimed", [100, 10**6, 2**32 - 2])
def test_lying_sizes(tmp_path: Path, claimed: int) -> None:
    """Smaller or larger than what comes out of the compressed bytes."""
    path = pack(tmp_path / "a.zip", {"1.png": picture()})
    data = bytearray(path.read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, claimed)
    path.write_bytes(data)
    assert refused(path).code == ("bomb" if claimed > 2**31 else "damaged")


def test_overlapping_entries(tmp_path: Path) -> None:
    """Many names for the same compressed bytes."""
    path = pack(tmp_path / "a.zip", {"1.png": picture(), "2.png": picture()})
    data = bytearray(path.read_bytes())
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    struct.pack_into("<I", data, second + 42, 0)  # its content begins where the first one's does
    path.write_bytes(data)
    error = refused(path)
    assert error.code == "bomb"
    assert "shares its bytes" in str(error)


@pytest.mark.parametrize("kind", KINDS)
def test_cut_short(tmp_path: Path, kind: str) -> None:
    """Anywhere: in a header, in a file, between two files, before the end mark."""
    path = pack(tmp_path / f"a{kind}", {f"{number}.png": picture(seed=number) for number in range(3)})
    whole = path.read_bytes()
    cuts = [1024, 512 * 24, len(whole) // 2] if kind == ".tar" else [600, len(whole) // 2, len(whole) - 40]
    for at in cuts:
        path.write_bytes(whole[:at])
        error = refused(path, tmp_path / "work")
        assert error.code == "damaged"
        assert "again" in str(error)


def test_damaged(tmp_path: Path) -> None:
    """Flipped bytes in the content or a header, and headers without end."""
    path = pack(tmp_path / "a.zip", {"1.png": picture()})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    assert refused(path).code == "damaged"
    path = tar_of(tmp_path / "a.tar", (member("1.png", size=1), b"x"), (member("2.png", size=1), b"y"))
    data = bytearray(path.read_bytes())
    data[1024] ^= 0xFF
    path.write_bytes(data)
    assert refused(path).code == "damaged"
    endless = member("x", tarfile.GNUTYPE_LONGNAME, size=2**33)
    assert "headers" in str(refused(tar_of(tmp_path / "b.tar", (endless, b"1.png"), form=1)))
    nested = [(member("x", tarfile.GNUTYPE_LONGNAME, size=2), b"y\0")] * 2000
    assert refused(tar_of(tmp_path / "c.tar", *nested)).code == "damaged"
    assert refused(tar_of(tmp_path / "d.tar", (member("1.png", size=-1024), b""), form=1)).code == "too_large"


def test_lzma_that_wants_gigabytes(tmp_path: Path) -> None:
    """The header of an xz file says how much memory its reader needs."""
    inner = tar_of(tmp_path / "a.tar", (member("1.png", size=1), b"x")).read_bytes()
    data = bytearray(lzma.compress(inner))
    # bytes 12 to 19 are the block's header, 16 the dictionary's size (36 for 1 GiB), 20 its checksum
    data[16] = 36
    struct.pack_into("<I", data, 20, zlib.crc32(bytes(data[12:20])))
    path = tmp_path / "a.tar.xz"
    path.write_bytes(data)
    error = refused(path)
    assert error.code == "damaged"
    assert "emory" in str(error)
