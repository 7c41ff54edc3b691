"""Images in every format, colour mode and orientation come out upright, in sRGB and whole."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

from mapgan import imageio
from mapgan.imageio import ImageError, decode
from tests.mapgan.images import deep_png, exif, gradient, png, png_chunk, save, tiff, tiff_tags

LOSSLESS = [
    ("PNG", {}),
    ("PNG", {"compress_level": 0}),
    ("WEBP", {"lossless": True}),
    ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}),
    ("TIFF", {"compression": "tiff_adobe_deflate"}),
    ("TIFF", {"compression": "packbits"}),
    ("TIFF", {"big_tiff": True}),
    ("TIFF", {"compression": "tiff_lzw", "big_tiff": True}),
]


@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_lossless_formats_keep_every_pixel(kind, options):
    decoded = decode(save(gradient(), kind, **options))
    assert (decoded.format, decoded.width, decoded.height) == (kind, 60, 40)
    assert decoded.rgb.dtype == np.uint8
    assert decoded.rgb.flags.c_contiguous
    np.testing.assert_array_equal(decoded.rgb, gradient())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 95}),
        ("JPEG", {"quality": 95, "progressive": True}),
        ("WEBP", {"quality": 95}),
        ("TIFF", {"compression": "jpeg", "quality": 95}),
    ],
)
def test_lossy_formats_come_close(kind, options):
    difference = decode(save(gradient(), kind, **options)).rgb.astype(int) - gradient()
    assert np.abs(difference).mean() < 4


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(kind, orientation):
    """Stored pixels are made from the upright ones by the inverse turn, so decoding gives them back."""
    turns = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # what a camera held so would store
    upright = Image.fromarray(gradient(48, 64))
    turn = turns[orientation]
    stored = upright if turn is None else upright.transpose(Image.Transpose(turn))
    options = {"lossless": True} if kind == "WEBP" else {"quality": 95} if kind == "JPEG" else {}
    decoded = decode(save(stored, kind, exif=exif(orientation, gps=True), **options))
    assert (decoded.width, decoded.height) == (64, 48)
    assert np.abs(decoded.rgb.astype(int) - gradient(48, 64)).mean() < 4


def test_a_broken_exif_block_does_not_cost_the_picture():
    for block in (b"", b"II", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff", bytes(40)):
        data = save(gradient(), "JPEG", quality=95, exif=b"Exif\0\0" + block)
        assert decode(data).width == 60


def test_grey_and_bitmap():
    grey = gradient()[..., 0]
    np.testing.assert_array_equal(decode(save(grey, "PNG")).rgb, np.repeat(grey[..., None], 3, axis=2))
    bitmap = Image.fromarray(grey).convert("1")
    for kind, options in (("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "group4"})):
        expected = np.asarray(bitmap.convert("RGB"))
        np.testing.assert_array_equal(decode(save(bitmap, kind, **options)).rgb, expected)


def test_sixteen_bit_grey_is_scaled_and_not_clipped():
    samples = np.linspace(0, 65535, 20 * 32).reshape(20, 32).astype(np.uint16)
    expected = np.rint(samples / 257).astype(int)
    for data in (deep_png(samples), save(samples, "TIFF"), save(samples, "TIFF", compression="tiff_lzw")):
        rgb = decode(data).rgb.astype(int)
        assert np.abs(rgb - expected[..., None]).max() <= 1
        assert (rgb.min(), rgb.max()) == (0, 255)


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bit_colour(order):
    rng = np.random.default_rng(1)
    samples = rng.integers(0, 65536, (20, 24, 3)).astype(np.uint16)
    raw = samples.astype(f"{order}u2").tobytes()
    for data in (deep_png(samples), tiff(tiff_tags(24, 20, [16] * 3, 2), raw, order=order)):
        assert np.abs(decode(data).rgb.astype(int) - np.rint(samples / 257)).max() <= 1


def test_twelve_bit_and_inverted_grey_tiff():
    samples = np.linspace(0, 4095, 16 * 16).astype(np.uint16).reshape(16, 16)
    pairs = samples.reshape(-1, 2).astype(np.uint32)
    packed = (pairs[:, 0] << 12) | pairs[:, 1]
    raw = b"".join(int(value).to_bytes(3, "big") for value in packed)
    rgb = decode(tiff(tiff_tags(16, 16, [12], 1), raw)).rgb
    np.testing.assert_array_equal(rgb[..., 0], np.rint(samples / 4095 * 255).astype(np.uint8))
    deep = np.linspace(0, 65535, 256).astype("<u2").reshape(16, 16)
    inverted = decode(tiff(tiff_tags(16, 16, [16], 0), deep.tobytes())).rgb
    assert (inverted[0, 0, 0], inverted[-1, -1, 0]) == (255, 0)


@pytest.mark.parametrize(
    "data",
    [
        save(Image.fromarray(np.linspace(0, 1, 400, dtype=np.float32).reshape(20, 20)), "TIFF"),
        save(Image.fromarray(np.arange(400, dtype=np.int32).reshape(20, 20)), "TIFF"),
    ],
    ids=["float", "int32"],
)
def test_samples_without_a_known_white_are_refused(data):
    with pytest.raises(ImageError) as error:
        decode(data)
    assert error.value.code == "unsupported_samples"
    assert "8 or 16 bits" in error.value.message


def test_transparency_lies_over_white():
    rgba = np.dstack([gradient(), np.full((40, 60), 128, np.uint8)])
    rgba[0, 0, 3], rgba[1, 1, 3] = 0, 255
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("TIFF", {})):
        rgb = decode(save(rgba, kind, **options)).rgb.astype(int)
        assert tuple(rgb[0, 0]) == (255, 255, 255)
        assert tuple(rgb[1, 1]) == tuple(gradient()[1, 1])
        half = gradient()[20, 20] * (128 / 255) + 255 * (127 / 255)
        assert np.abs(rgb[20, 20] - half).max() <= 2


def test_transparent_colours_and_palettes():
    palette = Image.fromarray(gradient()).quantize(16)
    index = palette.getpixel((0, 0))
    for transparency in (index, bytes(0 if i == index else 255 for i in range(16))):
        rgb = decode(save(palette, "PNG", transparency=transparency)).rgb
        assert tuple(rgb[0, 0]) == (255, 255, 255)
        expected = np.asarray(palette.convert("RGB"))[-1, -1]
        assert tuple(rgb[-1, -1]) == tuple(expected)
    grey = Image.new("L", (16, 16), 10)
    assert decode(save(grey, "PNG", transparency=10)).rgb.min() == 255
    deep = b"".join(b"\0" + b"\x01\x02" * 16 for _ in range(16))
    assert decode(png(16, 16, 16, 0, deep, png_chunk(b"tRNS", b"\x01\x02"))).rgb.min() == 255
    colour = b"".join(b"\0" + b"\x10\x00\x20\x00\x30\x00" * 16 for _ in range(16))
    clear = png_chunk(b"tRNS", b"\x10\x00\x20\x00\x30\x00")
    assert decode(png(16, 16, 16, 2, colour, clear)).rgb.min() == 255


def test_grey_with_alpha():
    picture = Image.new("LA", (20, 20), (100, 0))
    for kind in ("PNG", "TIFF"):
        assert decode(save(picture, kind)).rgb.min() == 255


def test_cmyk_jpeg_and_tiff_show_their_colours():
    """Red is cyan 0, magenta and yellow full. JPEG stores CMYK inverted, as Photoshop began to; TIFF not."""
    red = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    for kind in ("JPEG", "TIFF"):
        pixel = decode(save(red, kind)).rgb[16, 16].astype(int)
        assert np.abs(pixel - [255, 0, 0]).max() <= 4
    assert decode(save(Image.new("CMYK", (32, 32), (0, 0, 0, 0)), "JPEG")).rgb.min() >= 252


def test_an_embedded_profile_is_applied():
    """A profile with red and green swapped, so that its use cannot be missed."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    assert lab.profile.xcolor_space.strip() == "Lab"
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"tmpX").replace(b"gXYZ", b"rXYZ").replace(b"tmpX", b"gXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "Odd!".encode("utf-16-be"))
    red = Image.new("RGB", (20, 20), (255, 0, 0))
    for kind, options in (
        ("PNG", {}),
        ("JPEG", {"quality": 100}),
        ("TIFF", {}),
        ("WEBP", {"lossless": True}),
    ):
        pixel = decode(save(red, kind, icc_profile=swapped, **options)).rgb[10, 10].astype(int)
        assert np.abs(pixel - [0, 255, 0]).max() <= 6, kind
        same = decode(save(red, kind, icc_profile=srgb, **options)).rgb[10, 10].astype(int)
        assert np.abs(same - [255, 0, 0]).max() <= 3, kind


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 200], ids=["text", "zeros"])
def test_a_profile_that_does_not_fit_is_ignored(profile):
    assert (decode(save(gradient(), "PNG", icc_profile=profile)).rgb == gradient()).all()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = Image.fromarray(gradient()[..., 0])
    assert (decode(save(grey, "PNG", icc_profile=srgb)).rgb[..., 0] == gradient()[..., 0]).all()


def test_first_page_of_a_tiff_and_first_picture_of_a_phone():
    first, second = Image.fromarray(gradient()), Image.new("RGB", (60, 40), "red")
    pages = save(first, "TIFF", save_all=True, append_images=[second, second])
    assert (decode(pages).rgb == gradient()).all()
    phone = save(first, "MPO", save_all=True, append_images=[second], quality=95)
    decoded = decode(phone)
    assert decoded.format == "JPEG"
    assert np.abs(decoded.rgb.astype(int) - gradient()).mean() < 4


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_refused_and_single_frames_are_not(kind):
    frames = [Image.fromarray(gradient()), Image.new("RGB", (60, 40), "red")]
    with pytest.raises(ImageError) as error:
        decode(save(frames[0], kind, save_all=True, append_images=frames[1:]))
    assert error.value.code == "animated"
    assert decode(save(frames[0], kind, save_all=True)).width == 60


def test_limits():
    data = save(gradient(), "PNG")
    with pytest.raises(ImageError) as error:
        decode(data, max_bytes=len(data) - 1)
    assert error.value.code == "too_large"
    with pytest.raises(ImageError) as error:
        decode(data, max_pixels=60 * 40 - 1)
    assert error.value.code == "too_many_pixels"
    assert "60 x 40" in error.value.message
    assert decode(data, max_bytes=len(data), max_pixels=60 * 40).width == 60
    with pytest.raises(ImageError) as error:
        decode(save(gradient(15, 60), "PNG"))
    assert error.value.code == "too_small"
    assert decode(save(gradient(16, 60), "PNG")).height == 16


def test_png_without_metadata():
    data = imageio.encode_png(gradient())
    names = [data[at + 4 : at + 8] for at in _chunk_starts(data)]
    assert set(names) == {b"IHDR", b"IDAT", b"IEND"}
    np.testing.assert_array_equal(decode(data).rgb, gradient())


def _chunk_starts(data):
    at = 8
    while at < len(data):
        yield at
        at += 12 + int.from_bytes(data[at : at + 4], "big")


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(600, 300, (160, 320)), (16, 32000, (320, 1)), (40, 60, (60, 40))]
)
def test_thumbnail_keeps_the_shape(height, width, expected):
    data = imageio.thumbnail_webp(gradient(height, width))
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == "WEBP"
        assert image.size == expected
        assert not image.info.get("exif")


def test_unit_scale_is_exact_both_ways():
    values = np.arange(256, dtype=np.uint8)
    unit = imageio.to_unit(values)
    assert unit.dtype == np.float32
    assert (unit.min(), unit.max()) == (-1, 1)
    np.testing.assert_array_equal(imageio.from_unit(unit), values)


@given(st.lists(st.floats(-10, 10, width=32), min_size=1))
def test_from_unit_clips(values):
    pixels = imageio.from_unit(np.array(values, np.float32))
    expected = np.clip(np.rint((np.array(values, np.float64) + 1) * 127.5), 0, 255)
    assert np.abs(pixels - expected).max() <= 1
