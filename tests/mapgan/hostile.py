"""Archives that nobody packs by accident, and the helpers to pack good ones."""

from __future__ import annotations

import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from mapgan.archives import ArchiveError, opened

TAR_MODES = {".tar": "w", ".tar.gz": "w:gz", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}
KINDS = [".zip", *TAR_MODES]


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


def picture(width: int = 80, height: int = 40, seed: int = 0) -> bytes:
    """A PNG of noise, which does not compress."""
    data = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    """A plain archive of the kind that the name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    mode = next(mode for suffix, mode in TAR_MODES.items() if path.name.endswith(suffix))
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def pack_folder(path: Path, folder: Path, *, top: str = "") -> Path:
    """All files below a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return pack(path, {f"{top}{file.relative_to(folder)}": file.read_bytes() for file in files})


def tar_of(
    path: Path, *members: tuple[tarfile.TarInfo, bytes], form: Literal[0, 1, 2] = tarfile.PAX_FORMAT
) -> Path:
    """A tar (1 GNU, 2 pax) of headers made by hand; the content need not fit the header."""
    with path.open("wb") as file:
        for member, data in members:
            file.write(member.tobuf(form, "utf-8", "surrogateescape"))
            file.write(data + bytes(-len(data) % 512))
        file.write(bytes(1024))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, *, size: int = 0, target: str = "") -> tarfile.TarInfo:
    """A header."""
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, target
    return info


def zip_with(path: Path, name: str, change: Callable[[zipfile.ZipInfo], None], data: bytes = b"x") -> Path:
    """A good picture, and an entry whose description is changed before it is written."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.png", picture())
        info = zipfile.ZipInfo(name)
        change(info)
        archive.writestr(info, data)
    return path


def patch(path: Path, old: bytes, new: bytes) -> Path:
    """Replace bytes everywhere."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    return path
