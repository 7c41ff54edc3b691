"""Faults planted into copies of good pairs, a function a kind: what the doctor must find."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]
SHIFTS = ((16, 0), (0, 16), (-16, 0), (0, -16), (16, 16), (-24, 8), (32, 0), (0, -32))
"""Right and down, in pixels."""


def read(path: Path) -> Picture:
    """Both halves."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def write(path: Path, picture: Picture) -> None:
    """Without loss, in whatever format the name says."""
    options = {"lossless": True, "method": 0} if path.suffix == ".webp" else {}
    Image.fromarray(picture).save(path, **options)


def empty(path: Path, _index: int) -> None:
    """A file of no bytes."""
    path.write_bytes(b"")


def truncated(path: Path, index: int) -> None:
    """A file that ends early."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * (20 + index % 60) // 100])


def garbage(path: Path, index: int) -> None:
    """A file that is no picture."""
    path.write_bytes(np.random.default_rng(index).bytes(5000))


def other_size(path: Path, index: int) -> None:
    """Another size than the rest has."""
    picture = read(path)
    side = picture.shape[0] - 10 - index % 20
    write(path, np.asarray(Image.fromarray(picture).resize((2 * side, side))))


def odd_width(path: Path, _index: int) -> None:
    """A column is missing."""
    write(path, read(path)[:, :-1])


def blank(path: Path, index: int) -> None:
    """One flat half."""
    picture = read(path).copy()
    half = picture.shape[1] // 2
    (picture[:, :half] if index % 2 else picture[:, half:])[:] = (0, 128, 255)[index % 3]
    write(path, picture)


def swapped(path: Path, _index: int) -> None:
    """The halves exchanged."""
    picture = read(path)
    half = picture.shape[1] // 2
    write(path, np.concatenate([picture[:, half:], picture[:, :half]], axis=1))


def misaligned(path: Path, index: int) -> None:
    """The map moved, its edge continued by its mirror image."""
    picture = read(path).copy()
    half = picture.shape[1] // 2
    picture[:, half:] = shifted(picture[:, half:], *SHIFTS[index % len(SHIFTS)])
    write(path, picture)


def shifted(picture: Picture, right: int, down: int) -> Picture:
    """A picture moved, its border filled by reflection."""
    height, width = picture.shape[:2]
    pad = max(abs(right), abs(down))
    padded = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    return padded[pad - down : pad - down + height, pad - right : pad - right + width]


def grey(path: Path, _index: int) -> None:
    """Stored as grey (PNG: WebP has no grey)."""
    data = io.BytesIO()
    Image.fromarray(read(path)).convert("L").save(data, "PNG")
    path.write_bytes(data.getvalue())


def cmyk(path: Path, _index: int) -> None:
    """Stored as CMYK."""
    data = io.BytesIO()
    Image.fromarray(read(path)).convert("CMYK").save(data, "JPEG", quality=95)
    path.write_bytes(data.getvalue())


def copy_exact(path: Path, _index: int) -> None:
    """The same bytes under another name."""
    path.with_stem(f"copy_{path.stem}").write_bytes(path.read_bytes())


def copy_encoded(path: Path, index: int) -> None:
    """The same picture as a JPEG under another name."""
    target = path.with_name(f"recoded_{path.stem}.jpg")
    Image.fromarray(read(path)).save(target, quality=(60, 75, 90)[index % 3])


KINDS: dict[str, tuple[Callable[[Path, int], None], str]] = {
    "empty": (empty, "unreadable"),
    "truncated": (truncated, "unreadable"),
    "garbage": (garbage, "unreadable"),
    "other_size": (other_size, "size"),
    "odd_width": (odd_width, "odd_width"),
    "blank": (blank, "blank"),
    "swapped": (swapped, "swapped"),
    "misaligned": (misaligned, "misaligned"),
    "grey": (grey, "colour_mode"),
    "cmyk": (cmyk, "colour_mode"),
    "copy_exact": (copy_exact, "duplicate"),
    "copy_encoded": (copy_encoded, "duplicate"),
}
"""How a fault is planted, and the kind of finding that must name the tile."""


def plant(tiles: list[Path], kind: str) -> list[str]:
    """Plant one kind of fault into the tiles and give their stems back."""
    for index, path in enumerate(tiles):
        KINDS[kind][0](path, index)
    return [path.stem for path in tiles]
