"""Whatever the bytes, `decode` gives a whole image or an ImageError with a sensible code; never more."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from mapgan.containers import scrub
from mapgan.imageio import Decoded, ImageError, decode
from tests.mapgan.images import EXIF_GPS, deep_png, exif, gradient, png, png_chunk, save, tiff, tiff_tags

CODES = {
    *("empty", "too_large", "unsupported_format", "too_many_pixels", "too_small", "animated", "truncated"),
    *("unsupported_samples", "bad_image"),
}
RGBA = np.dstack([gradient(20, 24), gradient(20, 24)[..., 0]])
SEEDS = {
    "png": save(gradient(20, 24), "PNG"),
    "png-rgba": save(RGBA, "PNG", exif=exif(6)),
    "png-palette": save(Image.fromarray(gradient(20, 24)).quantize(8), "PNG", transparency=1),
    "png-16": deep_png(np.arange(16 * 20, dtype=np.uint16).reshape(16, 20) * 200),
    "apng": save(
        Image.fromarray(gradient(20, 24)), "PNG", save_all=True, append_images=[Image.new("RGB", (24, 20))]
    ),
    "jpeg": save(gradient(20, 24), "JPEG", exif=exif(8, gps=True), comment=b"hello"),
    "jpeg-progressive": save(gradient(20, 24), "JPEG", progressive=True),
    "jpeg-cmyk": save(Image.new("CMYK", (24, 20), (9, 80, 200, 3)), "JPEG"),
    "mpo": save(
        Image.fromarray(gradient(20, 24)), "MPO", save_all=True, append_images=[Image.new("RGB", (24, 20))]
    ),
    "webp": save(gradient(20, 24), "WEBP"),
    "webp-lossless": save(RGBA, "WEBP", lossless=True, exif=exif(3)),
    "tiff": save(gradient(20, 24), "TIFF", exif=exif(5, gps=True)),
    "tiff-lzw": save(gradient(20, 24), "TIFF", compression="tiff_lzw"),
    "tiff-deflate": save(RGBA, "TIFF", compression="tiff_adobe_deflate"),
    "tiff-jpeg": save(gradient(20, 24), "TIFF", compression="jpeg"),
    "tiff-big": save(gradient(20, 24), "TIFF", big_tiff=True),
    "tiff-fax": save(Image.fromarray(gradient(20, 24)).convert("1"), "TIFF", compression="group4"),
    "tiff-16": tiff(tiff_tags(16, 16, [16] * 3, 2), bytes(range(256)) * 6, order=">"),
}


def outcome(data: bytes, **limits: int) -> Decoded | str:
    """The image, or the code of the refusal; anything else fails the test."""
    try:
        decoded = decode(data, **limits)
    except ImageError as error:
        refusal = error
    else:
        assert decoded.rgb.shape == (decoded.height, decoded.width, 3)
        assert decoded.rgb.dtype == np.uint8
        return decoded
    assert refusal.code in CODES
    assert refusal.message.endswith(".")
    return refusal.code


@pytest.mark.parametrize("name", SEEDS)
def test_a_file_cut_anywhere_is_refused_or_complete(name):
    """No prefix gives a picture with missing pixels; at most the file's trailer may be absent."""
    whole = outcome(SEEDS[name])
    for length in range(len(SEEDS[name])):
        part = outcome(SEEDS[name][:length])
        if isinstance(part, Decoded):
            assert isinstance(whole, Decoded)
            np.testing.assert_array_equal(part.rgb, whole.rgb)


@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("TIFF", {"compression": "tiff_lzw"})]
)
def test_half_a_file_says_that_it_is_incomplete(kind, options):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = save(noise, kind, **options)
    assert outcome(data[: len(data) // 2]) == "truncated"


@given(
    name=st.sampled_from(sorted(SEEDS)),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12
    ),
    cut=st.floats(0.3, 1),
)
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_files(name, changes, cut):
    data = bytearray(SEEDS[name])
    for where, value in changes:
        data[int(where * len(data))] = value
    outcome(bytes(data[: int(cut * len(data))] if cut < 0.9 else data))


@given(
    name=st.sampled_from(["tiff", "tiff-lzw", "tiff-jpeg", "tiff-big", "tiff-16", "jpeg", "png-rgba"]),
    offset=st.integers(0, 400),
    word=st.sampled_from([0, 1, 2, 7, 0xFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]),
    order=st.sampled_from("<>"),
)
@settings(max_examples=400, deadline=None)
def test_lying_numbers(name, offset, word, order):
    """32-bit words at arbitrary places of the file's end, where TIFF keeps its directory, or its start."""
    data = bytearray(SEEDS[name])
    where = (len(data) - 4 - offset) if name.startswith("tiff") else offset
    if 0 <= where <= len(data) - 4:
        struct.pack_into(f"{order}I", data, where, word)
    outcome(bytes(data))


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\x40\0\0\0WEBP", b"II*\0", b"MM\0+"]),
)
@example(b"", b"\xff\xd8\xff")
@settings(max_examples=400, deadline=None)
def test_garbage(tail, magic):
    assert isinstance(outcome(magic + tail), str)


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "empty", "empty"),
        (b"hello", "unsupported_format", "PNG"),
        (b"<!DOCTYPE html><html></html>", "unsupported_format", "web page"),
        (b"\xef\xbb\xbf <?xml version='1.0'?><svg/>", "unsupported_format", "SVG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format", "SVG"),
        (save(Image.new("P", (20, 20)), "GIF"), "unsupported_format", "GIF"),
        (b"%PDF-1.7", "unsupported_format", "PDF"),
        (b"\0\0\0\x20ftypheic" + bytes(40), "unsupported_format", "HEIC"),
        (save(Image.new("RGB", (20, 20)), "BMP"), "unsupported_format", "not an image format"),
        (save(Image.new("RGB", (20, 20)), "JPEG2000"), "unsupported_format", "not an image format"),
        (b"GIF89a" + bytes(5_000_000), "unsupported_format", "GIF"),
    ],
)
def test_other_files_are_named(data, code, words):
    with pytest.raises(ImageError) as error:
        decode(data)
    assert error.value.code == code
    assert words in error.value.message


def test_a_picture_followed_by_a_web_page_is_only_a_picture():
    """Polyglots decode, since pixels alone are kept: nothing of the tail is ever served."""
    for name in ("png", "jpeg", "webp", "tiff"):
        assert isinstance(outcome(SEEDS[name] + b"<script>alert(1)</script>"), Decoded)


@pytest.mark.parametrize(
    "data",
    [
        png(30_000, 30_000, 8, 2, bytes(1000)),
        png(13_300, 13_300, 1, 0, bytes(1664 * 13_300)),
        save(Image.new("1", (6000, 6000)), "TIFF", compression="group4"),
        tiff(tiff_tags(30_000, 30_000, [8] * 3, 2), bytes(100)),
        SEEDS["jpeg"].replace(struct.pack(">HH", 20, 24), struct.pack(">HH", 65000, 65000)),
        b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff\x3f\x00" * 2 + bytes(8),
        save(Image.new("L", (40_000, 20)), "PNG"),
    ],
    ids=["png", "png-1-bit", "tiff-fax", "tiff", "jpeg", "webp", "long"],
)
def test_huge_pictures_are_refused_by_their_header(data):
    start = time.perf_counter()
    assert outcome(data) in {"too_many_pixels", "truncated"}
    assert time.perf_counter() - start < 0.5


def test_text_bombs_and_many_parts():
    bomb = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10_000_000)))
    rows = (b"\0" + bytes(20 * 3)) * 20
    assert isinstance(outcome(png(20, 20, 8, 2, rows, *[bomb] * 100)), Decoded)
    profile = png_chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000)))
    assert outcome(png(20, 20, 8, 2, rows, profile)) == "bad_image"
    assert outcome(png(20, 20, 8, 2, rows, png_chunk(b"iCCP", bytes(5_000_000)))) == "bad_image"
    assert outcome(png(20, 20, 8, 2, rows, *[png_chunk(b"tEXt", b"")] * 150_000)) == "bad_image"


def test_a_jpeg_of_endless_scans_is_refused():
    data = save(gradient(64, 64), "JPEG", progressive=True)
    scan = data.rindex(b"\xff\xda")
    start = time.perf_counter()
    assert outcome(data[:scan] + data[scan:-2] * 5000 + data[-2:]) == "bad_image"
    assert time.perf_counter() - start < 1


def test_tiff_tags_that_all_claim_the_whole_file():
    """Each would be copied by a trusting reader: 4,000 times 20 MB."""
    pixels = bytes(3 * 2**20)
    tags = tiff_tags(1024, 1024, [8] * 3, 2)
    claims = {number: (4, [8, 8]) for number in range(40_000, 44_000)}
    data = tiff(tags | claims, pixels, count=dict.fromkeys(claims, 2**20 * 3 // 4))
    start = time.perf_counter()
    assert isinstance(outcome(data), Decoded)
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({279: (4, [500])}, "truncated"),  # a strip longer than the file
        ({273: (4, [2**31])}, "truncated"),
        ({273: (4, [8] * 9), 279: (4, [12] * 9)}, "bad_image"),  # more strips than rows
        ({278: (4, [2])}, "bad_image"),  # fewer strips than the rows need
        ({259: (3, [6])}, "bad_image"),  # an old compression with a bad name
        ({256: (4, [0])}, "bad_image"),
        ({258: (3, [8, 8, 8, 8]), 277: (3, [60_000])}, "bad_image"),
        ({322: (4, [1]), 323: (4, [1]), 324: (4, [8] * 256), 325: (4, [1] * 256), 273: None}, "bad_image"),
        ({322: (4, [60_000]), 323: (4, [60_000]), 324: (4, [8]), 325: (4, [1]), 273: None}, "bad_image"),
    ],
)
def test_tiff_directories_that_contradict_the_picture(changes, code):
    tags = tiff_tags(16, 16, [8], 1) | changes
    data = tiff({number: value for number, value in tags.items() if value}, bytes(256))
    assert outcome(data) == code


def test_no_metadata_survives():
    tags = exif(1, gps=True)
    for kind in ("JPEG", "PNG", "TIFF"):  # of WebP the decoder returns pixels alone
        clean = scrub(save(gradient(), kind, exif=tags)).data
        assert not Image.open(io.BytesIO(clean)).getexif().get_ifd(EXIF_GPS)
