"""Faults planted into copies of good pairs, a function a kind: what the doctor must find.

The tests and `benchmarks/doctor_faults.py` share them. Each takes the picture's path and a number, by
which it varies how strongly and in what way; some write a second file.
"""

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
    path.write_bytes(data[: len(data) * (5 + index * 13 % 90) // 100])


def garbage(path: Path, index: int) -> None:
    """A file that is no picture."""
    path.write_bytes(np.random.default_rng(index).bytes(5000))


def text(path: Path, index: int) -> None:
    """A text under a picture's name."""
    path.write_text("these are not pixels\n" * (1 + 50 * index))


def other_size(path: Path, index: int) -> None:
    """Another size than the rest has: smaller, larger, or another shape."""
    picture = read(path)
    height, width = picture.shape[:2]
    size = ((width - 20, height - 10), (2 * width, 2 * height), (width, height - 2), (width + 2, height))
    write(path, np.asarray(Image.fromarray(picture).resize(size[index % 4])))


def half_alone(path: Path, index: int) -> None:
    """One half without the other."""
    picture = read(path)
    half = picture.shape[1] // 2
    write(path, picture[:, half:] if index % 2 else picture[:, :half])


def odd_width(path: Path, index: int) -> None:
    """A column is missing, or one too many."""
    picture = read(path)
    write(path, picture[:, :-1] if index % 2 else np.concatenate([picture, picture[:, -1:]], axis=1))


def blank(path: Path, index: int) -> None:
    """One flat half."""
    _flatten(path, index, noise=0)


def blank_noisy(path: Path, index: int) -> None:
    """One half of one colour and a little noise."""
    _flatten(path, index, noise=1 + index % 3)


def blank_jpeg(path: Path, index: int) -> None:
    """One flat half, and all of it saved as a JPEG, whose blocks cross the border."""
    _flatten(path, index, noise=0)
    _as_jpeg(path, read(path), quality=(50, 75, 90)[index % 3])


def swapped(path: Path, _index: int) -> None:
    """The halves exchanged."""
    picture = read(path)
    half = picture.shape[1] // 2
    write(path, np.concatenate([picture[:, half:], picture[:, :half]], axis=1))


def misaligned(path: Path, index: int) -> None:
    """The map moved, its edge continued by its mirror image."""
    move(path, *SHIFTS[index % len(SHIFTS)], "reflect")


def rolled(path: Path, index: int) -> None:
    """The map moved, what leaves it at one side coming back at the other."""
    move(path, *SHIFTS[index % len(SHIFTS)], "roll")


def pushed(path: Path, index: int) -> None:
    """The map moved, white where there is nothing."""
    move(path, *SHIFTS[index % len(SHIFTS)], "white")


def moved_little(path: Path, index: int) -> None:
    """The map moved by 8 or 10 pixels."""
    move(path, *((8, 0), (0, -8), (-10, 0), (0, 10))[index % 4], "reflect")


def moved_far(path: Path, index: int) -> None:
    """The map moved by 48 or 64 pixels."""
    move(path, *((48, 0), (0, -48), (-64, 0), (0, 64))[index % 4], "roll")


def move(path: Path, right: int, down: int, how: str) -> None:
    """Move the map, filling its border by ``reflect``, ``roll`` or ``white``."""
    picture = read(path).copy()
    half = picture.shape[1] // 2
    if how == "reflect":
        picture[:, half:] = shifted(picture[:, half:], right, down)
    else:
        part = np.roll(picture[:, half:], (down, right), (0, 1))
        if how == "white":
            part[: max(0, down)] = 255
            part[len(part) + min(0, down) :] = 255
            part[:, : max(0, right)] = 255
            part[:, half + min(0, right) :] = 255
        picture[:, half:] = part
    write(path, picture)


def shifted(picture: Picture, right: int, down: int) -> Picture:
    """A picture moved, its border filled by reflection."""
    height, width = picture.shape[:2]
    pad = max(abs(right), abs(down))
    padded = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    return padded[pad - down : pad - down + height, pad - right : pad - right + width]


def grey(path: Path, _index: int) -> None:
    """Stored as grey (PNG: WebP has no grey)."""
    _as(path, "L", "PNG")


def grey_in_colour(path: Path, index: int) -> None:
    """Without colours in a file that could have them; of some only the aerial half."""
    picture = read(path).copy()
    part = picture[:, : picture.shape[1] // 2] if index % 2 else picture
    part[:] = np.asarray(Image.fromarray(part).convert("L"))[..., None]
    Image.fromarray(picture).save(path, quality=85)


def cmyk(path: Path, _index: int) -> None:
    """Stored as CMYK."""
    _as(path, "CMYK", "JPEG")


def sixteen_bits(path: Path, _index: int) -> None:
    """Stored as 16-bit grey."""
    values = np.asarray(Image.fromarray(read(path)).convert("L"), np.uint16) * 257
    data = io.BytesIO()
    Image.fromarray(values).save(data, "PNG")
    path.write_bytes(data.getvalue())


def channels_exchanged(path: Path, _index: int) -> None:
    """The aerial half with red and blue exchanged, as a program makes it that takes RGB for BGR."""
    _recolour(path, lambda half: half[..., ::-1])


def inverted(path: Path, _index: int) -> None:
    """The aerial half as a negative."""
    _recolour(path, lambda half: 255 - half)


def tinted(path: Path, index: int) -> None:
    """The aerial half with a strong tint: orange, blue, green or magenta."""
    gains = np.array(((1.4, 1, 0.7), (0.7, 1, 1.4), (0.75, 1.3, 0.75), (1.3, 0.75, 1.3))[index % 4])
    _recolour(path, lambda half: half * gains)


def overexposed(path: Path, index: int) -> None:
    """The aerial half 1.8 to 3.2 times as bright, some of it washed out, too."""
    gain, offset = ((1.8, 30), (2.2, 20), (2.6, 10), (3.2, 0))[index % 4]
    _recolour(path, lambda half: half * gain + offset)


def _recolour(path: Path, change: Callable[[Picture], np.ndarray]) -> None:
    """Change the colours of the aerial half."""
    picture = read(path).copy()
    half = picture[:, : picture.shape[1] // 2]
    half[:] = np.clip(change(half), 0, 255).astype(np.uint8)
    write(path, picture)


def copy_exact(path: Path, _index: int) -> None:
    """The same bytes under another name."""
    path.with_stem(f"copy_{path.stem}").write_bytes(path.read_bytes())


def copy_encoded(path: Path, index: int) -> None:
    """The same picture as a JPEG under another name."""
    _as_jpeg(path.with_name(f"recoded_{path.stem}.jpg"), read(path), quality=(40, 60, 75, 90)[index % 4])


def copy_brighter(path: Path, index: int) -> None:
    """The same picture, brighter or darker, under another name."""
    values = read(path) * (0.85, 0.93, 1.08, 1.15)[index % 4] + (5, -10, 0, 10)[index % 4]
    _as_jpeg(path.with_name(f"bright_{path.stem}.jpg"), np.clip(values, 0, 255).astype(np.uint8))


def copy_cropped(path: Path, index: int) -> None:
    """The same picture, a border of each half cut away, at its old size under another name."""
    picture = read(path)
    height, half = picture.shape[0], picture.shape[1] // 2
    left, top = ((4, 4), (8, 3), (3, 8), (10, 10))[index % 4]
    parts = [
        Image.fromarray(np.ascontiguousarray(part[top : height - top, left : half - left])).resize(
            (half, height), Image.Resampling.BICUBIC
        )
        for part in (picture[:, :half], picture[:, half:])
    ]
    _as_jpeg(path.with_name(f"cropped_{path.stem}.jpg"), np.concatenate([np.asarray(p) for p in parts], 1))


def copy_turned(path: Path, index: int) -> None:
    """The same picture, both halves mirrored or turned, under another name."""
    picture = read(path)
    half = picture.shape[1] // 2
    parts = [picture[:, :half], picture[:, half:]]
    if index % 4 == 0:
        parts = [part[:, ::-1] for part in parts]
    elif index % 4 == 1:
        parts = [part[::-1] for part in parts]
    else:
        parts = [np.rot90(part, index % 4 - 1) for part in parts]
    _as_jpeg(path.with_name(f"turned_{path.stem}.jpg"), np.concatenate(parts, axis=1))


def strangers(paths: list[Path]) -> None:
    """Each picture's map half replaced by the next one's."""
    pictures = [read(path) for path in paths]
    half = pictures[0].shape[1] // 2
    for path, picture, other in zip(paths, pictures, pictures[1:] + pictures[:1], strict=True):
        write(path, np.concatenate([picture[:, :half], other[:, half:]], axis=1))


def _flatten(path: Path, index: int, noise: int) -> None:
    """Make one half flat but for normal noise of this deviation, in grey levels."""
    picture = read(path).copy()
    half = picture.shape[1] // 2
    colour = ((0, 0, 0), (255, 255, 255), (128, 128, 128), (233, 229, 223), (30, 60, 200))[index % 5]
    part = picture[:, :half] if index % 2 else picture[:, half:]
    values = np.random.default_rng(index).normal(0, noise, part.shape) + np.array(colour)
    part[:] = np.clip(values, 0, 255).astype(np.uint8)
    write(path, picture)


def _as(path: Path, mode: str, form: str) -> None:
    """Store the picture in another mode, whatever the name says."""
    data = io.BytesIO()
    Image.fromarray(read(path)).convert(mode).save(data, form)
    path.write_bytes(data.getvalue())


def _as_jpeg(path: Path, picture: Picture, quality: int = 88) -> None:
    """Store a picture as a JPEG, whatever the name says."""
    data = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(data, "JPEG", quality=quality)
    path.write_bytes(data.getvalue())


KINDS: dict[str, tuple[Callable[[Path, int], None], str]] = {
    "empty": (empty, "unreadable"),
    "truncated": (truncated, "unreadable"),
    "garbage": (garbage, "unreadable"),
    "text": (text, "unreadable"),
    "other_size": (other_size, "size"),
    "half_alone": (half_alone, "size"),
    "odd_width": (odd_width, "odd_width"),
    "blank": (blank, "blank"),
    "blank_noisy": (blank_noisy, "blank"),
    "blank_jpeg": (blank_jpeg, "blank"),
    "swapped": (swapped, "swapped"),
    "misaligned": (misaligned, "misaligned"),
    "rolled": (rolled, "misaligned"),
    "pushed": (pushed, "misaligned"),
    "moved_little": (moved_little, "misaligned"),
    "moved_far": (moved_far, "misaligned"),
    "strangers": (lambda _path, _index: None, "misaligned"),
    "grey": (grey, "colour_mode"),
    "grey_in_colour": (grey_in_colour, "colour_mode"),
    "cmyk": (cmyk, "colour_mode"),
    "sixteen_bits": (sixteen_bits, "colour_mode"),
    "copy_exact": (copy_exact, "duplicate"),
    "copy_encoded": (copy_encoded, "duplicate"),
    "copy_brighter": (copy_brighter, "duplicate"),
    "copy_cropped": (copy_cropped, "duplicate"),
    "copy_turned": (copy_turned, "duplicate"),
    "channels_exchanged": (channels_exchanged, "colour_outlier"),
    "inverted": (inverted, "colour_outlier"),
    "tinted": (tinted, "colour_outlier"),
    "overexposed": (overexposed, "colour_outlier"),
}
"""How a fault is planted, and the kind of finding that must name the tile."""
MAP_MUST_SHOW = frozenset(
    {"misaligned", "rolled", "pushed", "moved_little", "moved_far", "strangers", "swapped"}
)
"""Kinds that are faults only where the map half shows something."""


def plant(tiles: list[Path], kind: str) -> list[str]:
    """Plant one kind of fault into the tiles and give their stems back."""
    stems = [path.stem for path in tiles]
    if kind == "strangers":
        strangers(tiles)
    for index, path in enumerate(tiles):
        KINDS[kind][0](path, index)
    return stems


def shows_something(path: Path) -> bool:
    """Whether the map half has more than a few faint lines."""
    picture = read(path)
    return float(picture[:, picture.shape[1] // 2 :].std((0, 1)).max()) > 12
