"""Archives from strangers: what is unpacked, which entries are refused, and what is left behind."""

from __future__ import annotations

import bz2
import gzip
import resource
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest

from mapgan import archives
from mapgan.archives import ArchiveError, opened
from tests.mapgan.hostile import (
    KINDS,
    listed,
    member,
    pack,
    patch,
    picture,
    refused,
    tar_of,
    zip_with,
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go, so that a test sees what is left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_folder_is_itself(tmp_path: Path) -> None:
    """Nothing is copied, stepped through or removed."""
    (tmp_path / "maps").mkdir()
    with opened(tmp_path) as root:
        assert root == tmp_path
    assert tmp_path.is_dir()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top", ["", "maps/", "./a/b c/"])
def test_pictures_alone_are_unpacked(tmp_path: Path, temporary: Path, kind: str, top: str) -> None:
    """With folders above them or without; what is no picture, hidden or an archive is left alone."""
    files = {"train/1.png": picture(seed=1), "train/2.JPG": b"x", "val/1.webp": picture(400, 200)}
    others = ["read.me", "train/.hidden.png", "train/inner.zip", ".git/3.png", "train/Thumbs.db"]
    inside = {f"{top}{name}": data for name, data in files.items()}
    inside |= {f"{top}{name}": b"other" for name in others} | {"__MACOSX/train/._1.png": b"x"}
    path = pack(tmp_path / f"data{kind}", inside)
    with opened(path) as root:
        assert listed(root) == sorted(files)
        assert all((root / name).read_bytes() == data for name, data in files.items())
        assert root.is_relative_to(temporary)
        assert all((root / name).stat().st_mode & 0o7133 == 0 for name in files)
    assert not list(temporary.iterdir())


def test_the_content_tells_the_kind(tmp_path: Path) -> None:
    """Whatever the name says."""
    for number, kind in enumerate(KINDS):
        path = pack(tmp_path / f"data{kind}", {"1.png": b"x"}).rename(tmp_path / str(number))
        with opened(path) as root:
            assert listed(root) == ["1.png"]


def test_backslashes_separate(tmp_path: Path) -> None:
    """Some programs for Windows write them."""
    path = pack(tmp_path / "a.zip", {"train/A/1.png": b"x", "train/B/1.png": b"y"})
    patch(path, b"train/A/", b"train\\A\\")
    with opened(path) as root:
        assert listed(root) == ["A/1.png", "B/1.png"] or listed(root) == ["train/A/1.png", "train/B/1.png"]


def test_a_folder_of_the_caller(tmp_path: Path, temporary: Path) -> None:
    """Leftovers of a killed process are removed first, everything at the end, whatever happens inside."""
    work = tmp_path / ".data-part"
    work.mkdir()
    (work / "old.png").write_bytes(b"left by a killed process")
    path = pack(tmp_path / "a.zip", {"1.png": b"x"})
    seen = []

    def use(root: Path) -> None:
        seen.append((root, listed(root)))
        raise KeyError

    with pytest.raises(KeyError), opened(path, work=work) as root:
        use(root)
    assert seen == [(work, ["1.png"])]
    assert not work.exists()
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    "name",
    ["../1.png", "a/../../1.png", "/etc/1.png", "..\\1.png", "C:\\1.png", "c:/1.png", "\\\\host\\1.png"],
)
@pytest.mark.parametrize("kind", [".zip", ".tar"])
def test_paths_out_of_the_folder(tmp_path: Path, kind: str, name: str) -> None:
    """Upwards, absolute, with a drive; even of files that would not be written."""
    error = refused(pack(tmp_path / f"a{kind}", {"1.png": b"x", name: b"evil"}))
    assert error.code == "path"
    assert "outside" in str(error)
    assert refused(pack(tmp_path / f"b{kind}", {name.replace(".png", ".txt"): b"evil"})).code == "path"


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "is a link"),
        (tarfile.LNKTYPE, "is a link"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (tarfile.FIFOTYPE, "device"),
        (tarfile.GNUTYPE_SPARSE, "special kind"),
        (b"Q", "special kind"),
    ],
)
def test_tar_of_no_files(tmp_path: Path, kind: bytes, what: str) -> None:
    """Links, devices, pipes, sparse files and what nobody has heard of."""
    odd = member("train/1.png", kind, target="/etc/passwd")
    error = refused(tar_of(tmp_path / "a.tar", (member("2.png", size=1), b"x"), (odd, b"")))
    assert error.code == "link"
    assert what in str(error)
    assert "train/1.png" in str(error)


def test_sparse_by_extended_headers(tmp_path: Path) -> None:
    """A file of a few bytes that claims to be one of gigabytes."""
    info = member("1.png", size=0)
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "9000000000", "GNU.sparse.name": "1.png"}
    assert refused(tar_of(tmp_path / "a.tar", (info, b""))).code == "link"


@pytest.mark.parametrize("mode", [0o120777, 0o060666, 0o010666])
def test_zip_of_links_and_devices(tmp_path: Path, mode: int) -> None:
    """They say so in their attributes."""

    def change(info: zipfile.ZipInfo) -> None:
        info.external_attr = mode << 16

    error = refused(zip_with(tmp_path / "a.zip", "2.png", change, b"/etc/passwd"))
    assert error.code == "link"
    assert "2.png is a link or a device" in str(error)


def test_encrypted(tmp_path: Path) -> None:
    """A password is asked for nowhere."""
    path = pack(tmp_path / "a.zip", {"1.png": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    error = refused(path)
    assert error.code == "encrypted"
    assert "without a password" in str(error)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, 93])
def test_unknown_compression(tmp_path: Path, method: int) -> None:
    """Including two that the standard library reads, but not in bounded memory."""
    path = pack(tmp_path / "a.zip", {"1.png": b"x"})
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, data.index(b"PK\x01\x02") + 10, method)
    path.write_bytes(data)
    error = refused(path)
    assert error.code == "compression"
    assert "deflate" in str(error)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
@pytest.mark.parametrize("other", ["a/1.png", "./a//1.png", "a\\1.png", "a/1.png/2.png", "a/1.png/b/2.png"])
def test_one_name_twice(tmp_path: Path, kind: str, other: str) -> None:
    """Also in two spellings, or as a file and a folder."""
    path = tmp_path / f"a{kind}"
    if kind == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/1.png", b"x")
            archive.writestr(other, b"y")
    else:
        path.write_bytes(
            gzip.compress(
                tar_of(
                    tmp_path / "raw", (member("a/1.png", size=1), b"x"), (member(other, size=1), b"y")
                ).read_bytes()
            )
        )
    error = refused(path)
    assert error.code == "twice"
    assert "of one name" in str(error)


@pytest.mark.parametrize(
    "name", ["1\n.png", "1\x1b[2J.png", "x" * 300 + ".png", "a/" * 20 + "1.png", "\udcff.png", "1\0.png"]
)
def test_odd_names(tmp_path: Path, name: str) -> None:
    """Controls, undecodable bytes, names too long or too deep; the message shows them harmlessly."""
    path = tmp_path / "a.tar"
    if "\0" in name:
        path = zip_with(tmp_path / "a.zip", "1X.png", lambda _: None)
        patch(path, b"1X.png", b"1\0.png")
    else:
        tar_of(path, (member(name, size=1), b"x"), form=tarfile.GNU_FORMAT)
    assert refused(path).code == "name"


def test_names_in_other_scripts(tmp_path: Path) -> None:
    """Are names; two ways to write an accent are one."""
    for kind in KINDS:
        path = pack(tmp_path / f"a{kind}", {"A/kartta-é.png": b"x", "B/地図.png": b"y"})
        with opened(path) as root:
            assert listed(root) == ["A/kartta-é.png", "B/地図.png"]
    assert refused(pack(tmp_path / "b.tar", {"é.png": b"x", "e\u0301.png": b"y"})).code == "twice"


def test_nothing_in_it(tmp_path: Path) -> None:
    """No entries, no pictures, no bytes, no archive, no file."""
    for kind in KINDS:
        assert "is empty" in str(refused(pack(tmp_path / f"a{kind}", {})))
        error = refused(pack(tmp_path / f"b{kind}", {"readme.txt": b"x", "inner.zip": b"x"}))
        assert error.code == "no_pictures"
        assert "no pictures (.jpeg, .jpg, .png, .tif, .tiff, .webp) among its 2 entries" in str(error)
    (tmp_path / "c.zip").write_bytes(b"")
    assert "the file is empty" in str(refused(tmp_path / "c.zip"))
    for magic, name in ((b"Rar!\x1a", "RAR"), (b"7z\xbc\xaf", "7-Zip")):
        (tmp_path / "c.zip").write_bytes(magic + bytes(600))
        assert f"{name} archives are not read; pack the pictures as .zip or .tar.gz" in str(
            refused(tmp_path / "c.zip")
        )
    (tmp_path / "c.zip").write_bytes(picture())
    assert refused(tmp_path / "c.zip").code == "format"
    (tmp_path / "d.gz").write_bytes(gzip.compress(picture()))
    assert refused(tmp_path / "d.gz").code == "damaged"
    (tmp_path / "d.bz2").write_bytes(bz2.compress(b""))
    assert refused(tmp_path / "d.bz2").code == "damaged"
    assert "no such folder or archive" in str(refused(tmp_path / "absent"))
    assert refused(Path("/dev/zero")).code == "missing"


def test_killed_while_unpacked(tmp_path: Path) -> None:
    """What a killed process leaves is one folder in the caller's own place, gone after the next start."""
    path, work = pack(tmp_path / "a.zip", {"1.png": b"x"}), tmp_path / "work"
    code = f"""
import pathlib, time
from mapgan.archives import opened
with opened(pathlib.Path({str(path)!r}), work=pathlib.Path({str(work)!r})):
    print("open", flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        process.kill()
    assert listed(work) == ["1.png"]
    with opened(path, work=work) as root:
        assert listed(root) == ["1.png"]
    assert not work.exists()


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_a_full_disk(tmp_path: Path, kind: str) -> None:
    """A write that fails is told as such and leaves nothing; a limit on files stands in for the disk."""
    path = pack(tmp_path / f"a{kind}", {"1.png": picture(), "2.png": picture(200, 200)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        error = refused(path, tmp_path / "work")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.code == "disk"
    assert "make room" in str(error)


def test_more_than_the_disk_has(tmp_path: Path) -> None:
    """A zip says before the first byte what it needs."""
    limits = archives.Limits(max_total=1, max_entries=1, max_file=1, max_ratio=1, max_empty=1)
    with pytest.raises(ArchiveError, match=r"has only .* left; make room"):
        archives.Extraction(tmp_path, limits).check_space(2**60)
