"""Archives from strangers: what is unpacked, what is refused and in which words, and what is left behind."""

from __future__ import annotations

import bz2
import gzip
import lzma
import resource
import struct
import tarfile
import tempfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from mapgan import archives
from mapgan.archives import ArchiveError, opened
from tests.mapgan.hostile import TAR_MODES, member, pack, patch, picture, tar_of, zip_with

KINDS = [".zip", *TAR_MODES]


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders go, so that a test sees what is left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def listed(folder: Path) -> list[str]:
    """Files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def refused(path: Path, work: Path | None = None, **limits: int) -> ArchiveError:
    """The refusal of an archive, which must leave nothing behind."""
    with pytest.raises(ArchiveError) as caught, opened(path, work=work, **limits):
        pass
    assert not list(Path(tempfile.gettempdir()).iterdir())
    assert work is None or not work.exists()
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 300
    return caught.value


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


@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
@pytest.mark.parametrize("name", ["{}.png", "{}/", "{}.txt"])
def test_twenty_thousand_empty_entries(tmp_path: Path, kind: str, name: str) -> None:
    """Refused early, whether they claim to be pictures, folders or nothing of interest."""
    path = tmp_path / f"a{kind}"
    if kind == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for number in range(20_000):
                archive.writestr(name.format(number), b"")
    else:
        kind_of = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
        with tarfile.open(path, "w:gz", compresslevel=1) as tar:
            for number in range(20_000):
                tar.addfile(member(name.format(number), kind_of))
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


def test_nothing_in_it(tmp_path: Path) -> None:
    """No entries, no pictures, no bytes, no archive, no file."""
    for kind in KINDS:
        assert "is empty" in str(refused(pack(tmp_path / f"a{kind}", {})))
        error = refused(pack(tmp_path / f"b{kind}", {"readme.txt": b"x", "inner.zip": b"x"}))
        assert error.code == "no_pictures"
        assert "no pictures (.jpeg, .jpg, .png, .webp) among its 2 entries" in str(error)
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
