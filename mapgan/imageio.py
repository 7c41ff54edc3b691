"""Bytes from strangers to RGB arrays and back. Pillow and NumPy only: the web process imports this.

Every image enters the platform through `decode` and leaves it through `encode_png` or `thumbnail_webp`,
which write pixels and nothing else. Decoding goes in three steps, each cheaper than the next: the bytes
are counted, the container is scrubbed and its pixels counted (`mapgan.containers`), and only then is a
codec called, on one named format.

Memory: at the default limits the most expensive file that passes (25 megapixels of 16-bit RGBA, WebP or
progressive CMYK) keeps a process below 500 MB; `tests/mapgan/test_imageio_memory.py` holds it to that.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from mapgan.containers import ImageError, Scrubbed, damaged, scrub, truncated

__all__ = [
    "ACCEPTED_FORMATS", "SUFFIXES", "Decoded", "ImageError", "check_size", "decode", "decode_bands",
    "encode_png", "from_unit", "thumbnail_webp", "to_rgb", "to_unit", "upright",
]  # fmt: skip

ACCEPTED_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"})
"""By which files of these formats are found in folders and archives, in lower case."""
MIN_SIDE = 16
"""Shortest side in pixels. Less holds no street, and reflection has nothing to reflect."""
MAX_SIDE = 32_768
"""Longest side in pixels; it bounds the rows that the tiling keeps in memory."""

_BAND_PIXELS = 2**20  # pixels converted at once: the conversion's copies stay small beside the image

RGB = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Decoded:
    """A whole, upright image.

    Attributes:
        rgb: (height, width, 3) uint8, sRGB, C-contiguous.
        format: what the file was, one of `ACCEPTED_FORMATS`.
        width: columns after the orientation was applied.
        height: rows after the orientation was applied.
    """

    rgb: RGB
    format: str
    width: int
    height: int


def decode(data: bytes, *, max_bytes: int = 20 * 2**20, max_pixels: int = 25_000_000) -> Decoded:
    """Decodes every pixel of an image from an untrusted source.

    Content decides the format, never a name or a declared type. The result is upright (EXIF
    orientation), in sRGB (an embedded RGB, grey or CMYK profile is applied), over white where the image
    is transparent, and 8 bits deep (16-bit samples are scaled). Of a TIFF with several pages the first
    is taken (the others are overviews in GeoTIFF files), of a phone's multi-picture JPEG likewise.

    Args:
        data: the file.
        max_bytes: largest accepted file.
        max_pixels: largest accepted width x height, checked before anything is decoded.

    Raises:
        ImageError: for anything that is not one complete image within the limits, and nothing else.
            Codes: empty, too_large, unsupported_format, too_many_pixels, too_small, animated,
            truncated, unsupported_samples, bad_image.
    """
    if len(data) > max_bytes:
        raise ImageError(
            "too_large",
            f"The file has {len(data) / 2**20:.1f} MB; at most {max_bytes / 2**20:g} MB are accepted. "
            "Save it as JPEG or WebP, or scale it down.",
        )
    scrubbed = scrub(data)
    check_size(scrubbed.width, scrubbed.height, max_pixels)
    rgb = np.empty((scrubbed.height, scrubbed.width, 3), np.uint8)
    top = 0
    for band in decode_bands(scrubbed):
        rgb[top : top + len(band)] = band
        top += len(band)
    rgb = np.ascontiguousarray(upright(rgb, scrubbed.orientation))
    return Decoded(rgb, scrubbed.format, width=rgb.shape[1], height=rgb.shape[0])


def decode_bands(scrubbed: Scrubbed) -> Iterator[RGB]:
    """Decodes an image whose size was checked, as it is stored and not upright.

    The codec holds all of it, at four bytes a pixel; what it gives is converted band by band.

    Yields:
        Bands from top to bottom, (rows, width, 3) uint8 sRGB.

    Raises:
        ImageError: as `decode`.
    """
    try:
        yield from _decoded(scrubbed)
    except ImageError:
        raise
    except Exception as error:  # Pillow's parsers raise whatever broken bytes lead them into
        raise (truncated() if _means_truncated(error) else damaged()) from error


def encode_png(rgb: RGB) -> bytes:
    """Writes (height, width, 3) uint8 as PNG: lossless, fast rather than small, without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def thumbnail_webp(rgb: RGB, max_side: int = 320) -> bytes:
    """Scales (height, width, 3) uint8 into a square of `max_side` pixels, keeping its shape, as WebP."""
    height, width = rgb.shape[:2]
    scale = min(1.0, max_side / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    # `reducing_gap` shrinks by whole factors first, which keeps 25 megapixels quick.
    small = Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=82, method=4)
    return buffer.getvalue()


def to_unit(rgb: RGB) -> npt.NDArray[np.float32]:
    """Maps uint8 [0, 255] to float32 [-1, 1], what the networks take; any shape."""
    unit: npt.NDArray[np.float32] = rgb.astype(np.float32)
    unit /= np.float32(127.5)
    unit -= np.float32(1.0)
    return unit


def from_unit(unit: npt.NDArray[np.float32]) -> RGB:
    """Maps float32 [-1, 1] to uint8 [0, 255], rounding to nearest and clipping; any shape."""
    scaled = np.rint((unit + np.float32(1.0)) * np.float32(127.5))
    clipped: RGB = np.clip(scaled, 0, 255).astype(np.uint8)
    return clipped


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuses what is too large or too small to translate.

    Raises:
        ImageError: `too_many_pixels` or `too_small`.
    """
    if width * height > max_pixels or max(width, height) > MAX_SIDE:
        raise ImageError(
            "too_many_pixels",
            f"The image has {width} x {height} pixels; at most {max_pixels / 1e6:g} megapixels and "
            f"{MAX_SIDE} pixels a side are accepted. Scale it down or cut it into parts.",
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            "too_small",
            f"The image has {width} x {height} pixels; each side needs at least {MIN_SIDE}.",
        )


def _means_truncated(error: Exception) -> bool:
    return "truncated" in str(error).lower()


def _decoded(scrubbed: Scrubbed) -> Iterator[RGB]:
    """Runs the codec of the one format that the container showed; may raise anything."""
    with Image.open(io.BytesIO(scrubbed.data), formats=(scrubbed.format,)) as image:
        if image.size != (scrubbed.width, scrubbed.height):
            raise damaged()
        image.load()
        yield from to_rgb(image)


def to_rgb(image: Image.Image) -> Iterator[RGB]:
    """Converts a loaded image of any mode, band by band, to (rows, width, 3) uint8 sRGB.

    Raises:
        ImageError: `unsupported_samples`.
    """
    if image.mode in ("I", "F"):  # no telling which value is white
        raise ImageError(
            "unsupported_samples",
            "The image stores signed, 32-bit or floating-point samples. Save it with 8 or 16 bits a channel.",
        )
    width, height = image.size
    transform = _profile_transform(image)
    deep = _DeepGrey.of(image) if image.mode.startswith("I;16") else None
    rows = max(1, _BAND_PIXELS // width)
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        band = deep.to_8_bits(band) if deep else _flatten(band)
        band = transform(band) if transform else band.convert("RGB")
        yield np.asarray(band)


def _flatten(band: Image.Image) -> Image.Image:
    """Lays a transparent image over white; opaque images keep their mode."""
    if band.mode == "P" and "transparency" not in band.info:
        return band.convert("RGB")
    if not band.has_transparency_data:
        return band
    colour = band.info.get("transparency")
    if isinstance(colour, tuple) and max(colour) > 255:
        # Pillow reads 16-bit colours as 8-bit pixels but leaves the transparent colour at 16 bits.
        band.info["transparency"] = tuple(value >> 8 for value in colour)
    over = band.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")


@dataclass(frozen=True)
class _DeepGrey:
    """How 12- or 16-bit grey samples become 8-bit ones."""

    bits: int
    white_is_zero: bool
    transparent: int | None

    @classmethod
    def of(cls, image: Image.Image) -> _DeepGrey:
        tags = getattr(image, "tag_v2", {})  # a TIFF says so in its tags
        depth = tags.get(258, (16,))
        clear = image.info.get("transparency")
        return cls(depth[0], tags.get(262, 1) == 0, clear if isinstance(clear, int) else None)

    def to_8_bits(self, band: Image.Image) -> Image.Image:
        # Pillow's own conversion to "L" clips at 255 instead of scaling.
        samples = np.asarray(band).astype(np.uint32)
        limit = (1 << self.bits) - 1
        grey = ((samples * 255 + limit // 2) // limit).clip(0, 255).astype(np.uint8)
        if self.white_is_zero:
            grey = 255 - grey
        if self.transparent is not None:
            grey[samples == self.transparent] = 255
        return Image.fromarray(grey)


class _ProfileTransform:
    """Converts bands from an embedded colour profile to sRGB."""

    def __init__(self, profile: ImageCms.ImageCmsProfile, mode: str) -> None:
        self._mode = mode
        self._transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")

    def __call__(self, band: Image.Image) -> Image.Image:
        if band.mode != self._mode:
            band = band.convert(self._mode)
        return self._transform.apply(band)


def _profile_transform(image: Image.Image) -> _ProfileTransform | None:
    """The conversion that the embedded profile asks for; None without one that fits the pixels.

    A broken profile, one for another kind of colours, and sRGB itself (where a round trip would only
    add rounding) change nothing.
    """
    mode = {"P": "RGB", "RGBA": "RGB", "LA": "RGB", "1": "L"}.get(image.mode, image.mode)
    mode = "L" if mode.startswith("I;16") else mode
    space = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}.get(mode)
    data = image.info.get("icc_profile")
    if not data or space is None:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        if profile.profile.xcolor_space.strip() != space or "sRGB" in ImageCms.getProfileDescription(profile):
            return None
        return _ProfileTransform(profile, mode)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError, AttributeError):
        return None


def upright(rgb: RGB, orientation: int) -> RGB:
    """Undoes the EXIF orientation (CIPA DC-008 4.6.4): 2 to 4 flip or turn by 180 degrees, 5 to 8 swap
    rows and columns first. A view."""
    if orientation >= 5:
        rgb = rgb.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        rgb = rgb[:, ::-1]
    if orientation in (3, 4, 7, 8):
        rgb = rgb[::-1]
    return rgb
