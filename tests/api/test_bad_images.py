"""Uploads that are wrong, hostile or unusual: a clear 4xx, or a correct translation. Never a 500."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from django.core.files.storage import default_storage
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import User
from jobs.models import JobState
from tests.api.test_submit import faults, post, upload
from tests.translator.factories import encoded, opened, picture, pixels, run, stored_files
from translator.models import Generator, Translation

Api = Callable[[User | None], APIClient]

HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"><script>alert(1)</script></svg>'


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def bomb() -> bytes:
    """30,000 x 30,000 one-bit pixels in about 100 KB."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(30_000 * (1 + 30_000 // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def animation(frames: int) -> bytes:
    """A GIF of very many frames; Pillow would drop equal ones, so it is put together by hand."""
    one = Image.new("P", (16, 16))
    buffer = io.BytesIO()
    one.save(buffer, "GIF")
    data = buffer.getvalue()
    body = data.index(b"\x2c")
    return data[:body] + data[body:-1] * frames + b"\x3b"


REFUSED = {
    "renamed HTML": (HTML, "unsupported_format"),
    "renamed SVG": (SVG, "unsupported_format"),
    "nothing": (b"", "empty"),
    "truncated PNG": (picture(200, 200)[:-2000], "truncated"),
    "truncated JPEG": (encoded(pixels(200, 200), "JPEG")[:-500], "truncated"),
    "decompression bomb": (bomb(), "too_many_pixels"),
    "animation": (animation(20_000), "unsupported_format"),
    "random bytes": (np.random.default_rng(1).bytes(5000), "unsupported_format"),
    "a script that begins like a PNG": (b"\x89PNG\r\n\x1a\n" + HTML, None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(api_of: Api, alice: User, generator: Generator, name: str) -> None:
    data, code = REFUSED[name]
    files = stored_files()
    response = post(api_of(alice), generator, image=upload(data))
    assert response.status_code == 400
    ((field, found),) = faults(response)
    assert field == "image"
    assert code in (None, found)
    assert response.json()["detail"]
    assert not Translation.objects.exists()
    assert stored_files() == files


def test_the_bomb_is_small() -> None:
    """Else the limit on bytes would be what stopped it."""
    assert len(bomb()) < 150_000


def translated(api_of: Api, alice: User, generator: Generator, data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Original and result of an upload, as the API gives them back."""
    response = post(api_of(alice), generator, image=upload(data))
    assert response.status_code == 202, response.content
    translation = run(Translation.objects.get())
    assert translation.state == JobState.SUCCEEDED, translation.error_details
    original, result = (
        default_storage.open(key).read() for key in (translation.original, translation.result)
    )
    assert b"Exif" not in original + result
    assert b"secret" not in original + result
    return opened(original), opened(result)


def inverted(rgb: np.ndarray) -> np.ndarray:
    return 255 - rgb


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_formats(api_of: Api, alice: User, generator: Generator, format_: str) -> None:
    options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}.get(format_, {})
    original, result = translated(api_of, alice, generator, encoded(pixels(60, 40), format_, **options))
    difference = np.abs(original.astype(int) - pixels(60, 40))
    assert difference.mean() < (5 if format_ == "JPEG" else 1e-9)
    assert np.array_equal(result, inverted(original))


def test_sixteen_bits(api_of: Api, alice: User, generator: Generator) -> None:
    grey = (np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 64).astype(np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    original, _ = translated(api_of, alice, generator, buffer.getvalue())
    assert np.abs(original[..., 0].astype(int) - np.rint(grey / 257)).max() <= 1


def test_palette(api_of: Api, alice: User, generator: Generator) -> None:
    image = Image.fromarray(pixels(32, 32)).quantize(16)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    original, _ = translated(api_of, alice, generator, buffer.getvalue())
    assert np.array_equal(original, np.asarray(image.convert("RGB")))


def test_transparency_lies_over_white(api_of: Api, alice: User, generator: Generator) -> None:
    image = Image.new("RGBA", (32, 32), (200, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 16, 32))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    original, _ = translated(api_of, alice, generator, buffer.getvalue())
    assert (original[:, :16] == 255).all()
    assert (original[:, 16:] == (200, 0, 0)).all()


def test_cmyk(api_of: Api, alice: User, generator: Generator) -> None:
    buffer = io.BytesIO()
    Image.new("CMYK", (32, 32), (255, 0, 0, 0)).save(buffer, "JPEG", quality=100)
    original, _ = translated(api_of, alice, generator, buffer.getvalue())
    red, green, blue = original.reshape(-1, 3).mean(axis=0)
    assert red < 60
    assert min(green, blue) > 150  # cyan, not its negative


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_turned_and_with_a_place(api_of: Api, alice: User, generator: Generator, format_: str) -> None:
    """The camera lay on its side and knew where: the picture stands upright, the place is gone."""
    exif = Image.Exif()
    exif[0x0112] = 8
    exif[0x010E] = "secret description"
    exif.get_ifd(0x8825)[2] = (48.0, 8.0, 30.0)
    quality = {"quality": 100} if format_ in ("JPEG", "WEBP") else {}
    rgb = np.zeros((20, 60, 3), np.uint8)
    rgb[:, :30] = 255  # white on the left as stored: at the bottom when turned to the left
    original, result = translated(api_of, alice, generator, encoded(rgb, format_, exif=exif, **quality))
    assert original.shape == result.shape == (60, 20, 3)
    assert original[45:].min() > 200
    assert original[:15].max() < 60
