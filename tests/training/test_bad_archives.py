"""Archives that nobody packs by accident, through the real upload and the real child: refused with a reason
that a person understands, and nothing of them is left."""

from __future__ import annotations

import stat
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from jobs.models import JobState
from tests.mapgan.hostile import member, pack, picture, tar_of, zip_with
from tests.pages.helpers import text_of
from tests.training.test_examine import examined
from tests.training.test_uploads import begin, send
from training_jobs.models import DatasetVersion, Upload
from translator.storage import walk

pytestmark = pytest.mark.django_db(transaction=True)


def good(path: Path) -> Path:
    """A sound archive."""
    return pack(path, {f"train/{number}.png": picture(seed=number) for number in range(12)})


def traversal(path: Path) -> Path:
    return zip_with(path, "../../evil.png", lambda _: None)


def symlink(path: Path) -> Path:
    def change(info: zipfile.ZipInfo) -> None:
        info.external_attr = (stat.S_IFLNK | 0o777) << 16

    return zip_with(path, "2.png", change, b"/etc/passwd")


def hard_link(path: Path) -> Path:
    return tar_of(path, (member("train/1.png", tarfile.LNKTYPE, target="/etc/passwd"), b""))


def device(path: Path) -> Path:
    return tar_of(path, (member("train/1.png", tarfile.CHRTYPE), b""))


def bomb(path: Path) -> Path:
    return pack(path, {"train/1.png": picture(), "notes.txt": bytes(70 * 2**20)})


def nested(path: Path) -> Path:
    inner = good(path.with_name("inner.zip"))
    return pack(path, {"inner.zip": inner.read_bytes()})


def lying_header(path: Path) -> Path:
    data = bytearray(pack(path, {"1.png": picture()}).read_bytes())
    struct.pack_into("<I", data, data.index(b"PK\x01\x02") + 24, 10**6)
    path.write_bytes(data)
    return path


def empty_entries(path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"train/{number}.png", b"")
    return path


def no_images(path: Path) -> Path:
    return pack(path, {"readme.txt": b"nothing"})


def one_missing(path: Path) -> Path:
    halves = {f"A/{number}.png": picture(40, 40, number) for number in range(12)}
    halves |= {f"B/{number}.png": picture(40, 40, 50 + number) for number in range(11)}
    return pack(path, halves)


def all_missing(path: Path) -> Path:
    return pack(path, {f"trainA/{number}.png": picture(40, 40, number) for number in range(3)})


def cut_short(path: Path) -> Path:
    path.write_bytes(good(path).read_bytes()[:-300])
    return path


def encrypted(path: Path) -> Path:
    data = bytearray(good(path).read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


def names_of_bytes(path: Path) -> Path:
    return tar_of(path, (member("train/\udcff\udcfe.png", size=4), b"evil"), form=1)


def unreadable_pictures(path: Path) -> Path:
    return pack(path, {f"train/{number}.png": b"no picture" for number in range(3)})


def single_halves(path: Path) -> Path:
    return pack(path, {f"train/{number}.png": picture(40, 40, number) for number in range(12)})


ARCHIVES: list[tuple[Callable[[Path], Path], str, str]] = [
    (
        traversal,
        "a.zip",
        "evil.png would be written outside of the archive's folder; pack the folder itself.",
    ),
    (symlink, "a.zip", "2.png is a link or a device, not a file"),
    (hard_link, "a.tar", "is a link; pack the pictures themselves."),
    (device, "a.tar", "is a device or of a special kind"),
    (bomb, "a.zip", "The archive unpacks to more than 100 times its size"),
    (nested, "a.zip", "The archive has no pictures"),
    (lying_header, "a.zip", "1.png is shorter than the archive says"),
    (empty_entries, "a.zip", "More than 1,000 entries of the archive are empty"),
    (no_images, "a.zip", "no pictures (.jpeg, .jpg, .png, .tif, .tiff, .webp) among its 1 entries."),
    (one_missing, "a.zip", "do not fit together: A/11.png has no counterpart in the other folder."),
    (all_missing, "a.zip", "trainB is not there, but its other half is; trainA/0.png has no counterpart"),
    (cut_short, "a.zip", "The archive is damaged or cut short"),
    (encrypted, "a.zip", "is encrypted; pack the pictures without a password."),
    (names_of_bytes, "a.tar", "A name in the archive is not readable text"),
    (single_halves, "a.zip", "about twice as wide as high (80 x 40)"),
    (unreadable_pictures, "a.zip", "None of the pictures can be used: train/0.png"),
]


def sent(client: Client, path: Path) -> DatasetVersion:
    """Brought as a browser does it: in chunks, then named in the form."""
    data = path.read_bytes()
    upload_id = begin(client, len(data), path.name).content.decode()
    step = 2**20
    for offset in range(0, len(data), step):
        assert send(client, upload_id, offset, data[offset : offset + step]).status_code == 204
    fields = {"name": path.parent.name, "a_side": "left", "archive": upload_id}
    assert client.post("/training/datasets/new/", fields).status_code == 302
    return DatasetVersion.objects.get()


@pytest.mark.parametrize(("make", "name", "words"), ARCHIVES, ids=[make.__name__ for make, *_ in ARCHIVES])
def test_refused_with_a_reason(
    carol_client: Client,
    tmp_path: Path,
    work_dir: Path,
    make: Callable[[Path], Path],
    name: str,
    words: str,
) -> None:
    before = set(Path(tempfile.gettempdir()).glob("mapgan-data-*"))
    version = examined(sent(carol_client, make(tmp_path / name)))
    assert version.state == JobState.FAILED
    assert version.error_code in ("unusable", "unpaired")
    assert words in version.error_message
    assert str(tmp_path) not in version.error_message
    page = text_of(carol_client.get(version.get_absolute_url()))
    assert words in page
    assert "Examine it again" not in page
    assert "Traceback" not in page + version.error_details
    assert not Upload.objects.exists()
    assert list(walk("uploads")) == list(walk("datasets")) == []
    assert list(work_dir.iterdir()) == []
    assert set(Path(tempfile.gettempdir()).glob("mapgan-data-*")) == before
    assert not list(tmp_path.rglob("evil.png"))


def test_the_suffix_says_nothing(carol_client: Client, tmp_path: Path) -> None:
    """What an archive is, its content tells."""
    path = good(tmp_path / "a.tar.gz").rename(tmp_path / "a.zip")
    assert examined(sent(carol_client, path)).state == JobState.SUCCEEDED


def test_a_refused_version_goes_with_its_dataset(carol_client: Client, tmp_path: Path) -> None:
    version = examined(sent(carol_client, no_images(tmp_path / "a.zip")))
    assert carol_client.post(f"/training/versions/{version.pk}/retry/").status_code == 302
    version.refresh_from_db()
    assert version.state == JobState.FAILED  # there is nothing to look at again
    assert carol_client.post(f"/training/datasets/{version.dataset_id}/delete/").status_code == 302
    assert not DatasetVersion.objects.exists()
