"""Rows that come one band at a time are the rows that decoding the whole file gives."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mapgan import pngrows, streaming, tiffrows
from mapgan.imageio import ImageError, decode
from mapgan.pngrows import PngReader, PngWriter
from mapgan.streaming import RowBuffer, open_rows
from tests.mapgan.images import deep_png, exif, gradient, png, png_chunk, save

rng = np.random.default_rng(0)
NOISE = rng.integers(0, 256, (70, 90, 4), dtype=np.uint8)
RGB = Image.fromarray(NOISE[..., :3])
RGBA = Image.fromarray(NOISE)
DEEP = rng.integers(0, 65536, (70, 90, 4), dtype=np.uint16)


def palette(**options) -> bytes:
    return save(RGB.quantize(11), "PNG", **options)


PNGS = {
    "rgb": save(RGB, "PNG"),
    "smooth": save(gradient(70, 90), "PNG"),
    "rgba": save(RGBA, "PNG"),
    "grey": save(RGB.convert("L"), "PNG"),
    "grey-alpha": save(RGBA.convert("LA"), "PNG"),
    "bits": save(RGB.convert("1"), "PNG"),
    "palette": palette(),
    "palette-clear": palette(transparency=3),
    "palette-2-bits": palette(bits=2),
    "rgb-clear": save(RGB, "PNG", transparency=(1, 2, 3)),
    "deep-grey": deep_png(DEEP[..., 0]),
    "deep-rgb": deep_png(DEEP[..., :3]),
    "deep-rgba": deep_png(DEEP),
    "text": save(RGB, "PNG", comment="x" * 100),
}


@pytest.fixture(autouse=True)
def small_bands(monkeypatch):
    monkeypatch.setattr(streaming, "IN_MEMORY_PIXELS", 10)
    monkeypatch.setattr(pngrows, "_BAND_BYTES", 2000)
    monkeypatch.setattr(tiffrows, "_BAND_PIXELS", 2000)


def read(path, data: bytes, step: int = 13) -> tuple[np.ndarray, object]:
    """All rows, asked for as windows are: with some of the last again."""
    path.write_bytes(data)
    with open_rows(path, max_pixels=10**6) as rows:
        height = rows.shape[0]
        parts = [np.asarray(rows[at : at + 2 * step])[:step].copy() for at in range(0, height, step)]
        return np.concatenate(parts), rows


@pytest.mark.parametrize("name", PNGS)
def test_png_rows(tmp_path, name):
    got, rows = read(tmp_path / "a", PNGS[name])
    assert isinstance(rows, RowBuffer)
    np.testing.assert_array_equal(got, decode(PNGS[name]).rgb)


@settings(deadline=None, max_examples=25)
@given(
    filters=st.lists(st.integers(0, 4), min_size=5, max_size=5),
    kind=st.sampled_from([(8, 0, 1), (8, 4, 2), (8, 2, 3), (8, 6, 4), (16, 2, 6), (16, 6, 8), (2, 0, 1)]),
)
def test_every_filter_of_every_layout(filters, kind):
    depth, colour, pixel = kind
    width = 17
    row_bytes = width * pixel if depth >= 8 else -(-width * depth // 8)
    lines = np.random.default_rng(1).integers(0, 256, (30, row_bytes), dtype=np.uint8)
    rows = b"".join(bytes([filters[at % 5]]) + line.tobytes() for at, line in enumerate(lines))
    data = png(width, 30, depth, colour, rows)
    got = np.concatenate(list(PngReader(io.BytesIO(data)).bands()))
    np.testing.assert_array_equal(got, decode(data).rgb)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "CMYK", "P"])
def test_tiff_strips(tmp_path, compression, mode):
    if compression == "jpeg" and mode in ("RGBA", "P"):
        pytest.skip("no such TIFF")
    picture = RGB.quantize(11) if mode == "P" else RGBA.convert(mode)
    data = save(picture, "TIFF", compression=compression, strip_size=900)
    got, rows = read(tmp_path / "a", data)
    assert isinstance(rows, RowBuffer)
    np.testing.assert_array_equal(got, decode(data).rgb)


def test_deep_and_big_tiffs(tmp_path):
    import tifffile

    for options in ({"rowsperstrip": 8}, {"rowsperstrip": 8, "bigtiff": True}, {"byteorder": ">"}):
        for samples in (DEEP[..., 0], NOISE[..., :3]):
            stream = io.BytesIO()
            tifffile.imwrite(stream, samples, compression="zlib", **options)
            data = stream.getvalue()
            np.testing.assert_array_equal(read(tmp_path / "a", data)[0], decode(data).rgb)


@pytest.mark.parametrize(
    "data",
    [
        save(RGB, "JPEG"),
        save(RGB, "WEBP", lossless=True),
        save(RGB, "PNG", exif=exif(6)),
        save(RGB, "JPEG", exif=exif(8)),
        save(RGB, "TIFF", exif=exif(3), strip_size=900),
        save(RGB, "TIFF", compression="tiff_lzw", strip_size=10**6),
    ],
    ids=["jpeg", "webp", "png-turned", "jpeg-turned", "tiff-turned", "tiff-one-strip"],
)
def test_others_go_through_a_file(tmp_path, data):
    got, rows = read(tmp_path / "a", data)
    assert isinstance(rows, np.ndarray)
    np.testing.assert_array_equal(got, decode(data).rgb)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_interlaced_png_goes_through_a_file(tmp_path):
    """Pillow writes none, so one pixel a pass by hand: 16 x 16 of one colour."""
    passes = [(2, 2), (2, 2), (4, 2), (4, 4), (8, 4), (8, 8), (16, 8)]
    rows = b"".join((b"\0" + b"\x07" * width) * height for width, height in passes)
    data = bytearray(png(16, 16, 8, 0, rows))
    head = png_chunk(b"IHDR", bytes(data[16:28]) + b"\x01")
    data[8:33] = head
    got, kind = read(tmp_path / "a", bytes(data))
    assert isinstance(kind, np.ndarray)
    assert (got == 7).all()


def test_broken_files_are_image_errors(tmp_path):
    whole = PNGS["rgb"]
    cut = whole[:-3000]
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    short = png(90, 70, 8, 2, (b"\0" + bytes(270)) * 60)
    long = png(90, 70, 8, 2, (b"\0" + bytes(270)) * 71)
    odd = png(90, 70, 8, 2, (b"\x07" + bytes(270)) * 70)
    stream = png_chunk(b"IDAT", zlib.compress(b"x" * 9)[:-2])
    tiff = save(RGB, "TIFF", compression="tiff_lzw", strip_size=900)
    cases = {
        "cut": (cut, "truncated"), "flipped": (bytes(flipped), "bad_image"), "short": (short, "truncated"),
        "long": (long, "bad_image"), "odd": (odd, "bad_image"), "no rows": (whole[:33] + whole[-12:], ""),
        "stream": (whole[:33] + stream + whole[-12:], "truncated"), "tiff cut": (tiff[:-100], ""),
        "tiff noise": (tiff[:9] + bytes(4000) + tiff[4009:], "bad_image"), "text": (b"hello", ""),
        "": (b"", ""),
    }  # fmt: skip
    for name, (data, code) in cases.items():
        with pytest.raises(ImageError) as caught:
            pytest.fail(f"{name} was read: {read(tmp_path / 'a', data)[0].shape}")
        assert not code or caught.value.code == code, name
    (tmp_path / "a").write_bytes(whole)
    with pytest.raises(ImageError, match="megapixels"), open_rows(tmp_path / "a", max_pixels=100):
        pass


def test_rows_are_read_downwards_only(tmp_path):
    (tmp_path / "a").write_bytes(PNGS["rgb"])
    with open_rows(tmp_path / "a", max_pixels=10**6) as rows:
        whole = decode(PNGS["rgb"]).rgb
        np.testing.assert_array_equal(rows[40:50], whole[40:50])
        np.testing.assert_array_equal(rows[45:99], whole[45:])
        with pytest.raises(ValueError, match="top to bottom"):
            rows[0:4]


@settings(deadline=None, max_examples=20)
@given(height=st.integers(1, 40), width=st.integers(1, 40), step=st.integers(1, 11), flat=st.booleans())
def test_what_is_written_is_what_pillow_reads(height, width, step, flat):
    picture = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    picture = np.cumsum(picture, axis=0, dtype=np.uint8) if flat else picture
    stream = io.BytesIO()
    with PngWriter(stream, width=width, height=height) as out:
        for top in range(0, height, step):
            out.write(picture[top : top + step])
        out.write(picture[:0])
    with Image.open(stream) as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), picture)


def test_the_writer_counts_rows():
    with pytest.raises(ValueError, match="missing"), PngWriter(io.BytesIO(), width=4, height=4) as out:
        out.write(np.zeros((3, 4, 3), np.uint8))
    with PngWriter(io.BytesIO(), width=4, height=1) as out:
        for rows in (np.zeros((2, 4, 3), np.uint8), np.zeros((1, 5, 3), np.uint8), np.zeros((1, 4, 3))):
            with pytest.raises(ValueError, match="next rows"):
                out.write(rows)
        out.write(np.zeros((1, 4, 3), np.uint8))


def test_a_smooth_picture_stays_small():
    stream = io.BytesIO()
    picture = gradient(300, 400)
    with PngWriter(stream, width=400, height=300) as out:
        out.write(picture)
    assert len(stream.getvalue()) < 1.2 * len(save(picture, "PNG", compress_level=1)) + 1000
