"""Maps drawn flat: a few colours cover nearly all of a drawn map, and a network only comes near them.

A pixel that is close to one of the training maps' common colours becomes that colour; others, such as
the anti-aliased borders between two, stay as they are. Photographs have no such colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from mapgan.imageio import RGB

Colour: TypeAlias = tuple[int, int, int]

NEAR: Final = 12
"""Levels of the worst channel within which a pixel counts as one of the colours. On held-out maps 8 to 16
do nearly as well; two areas of one style are as little as 10 levels apart."""
SPREAD: Final = 6
"""Levels that lossy compression moves a flat colour by."""
APART: Final = 10
"""Colours nearer to each other than this are one colour and its borders."""
LEAST_SHARE: Final = 0.01
"""Of all pixels, for a colour to count: rarer ones draw more pixels to them than are theirs."""
MOST: Final = 16
_ENOUGH: Final = 1_500_000
"""Pixels to look at, evenly spread; more do not move a colour."""
_BIN: Final = 4
_BINS: Final = 256 // _BIN


def common_colours(pictures: npt.NDArray[np.uint8]) -> list[Colour]:
    """The colours of which most of the pictures consist, the most frequent first.

    Again and again the fullest cube of 8 x 8 x 8 levels is taken, and the median of what lies within
    ``SPREAD`` of its centre is a colour, unless it is a shade of one that was found before.

    Args:
        pictures: uint8 ``(..., 3)``, such as training maps.

    Returns:
        At most ``MOST``; none where no colour has ``LEAST_SHARE`` of the pixels.
    """
    pixels = pictures.reshape(-1, 3)
    rest = pixels[:: len(pixels) // _ENOUGH + 1].astype(np.int16)
    least = LEAST_SHARE * len(rest)
    found: list[Colour] = []
    while len(rest) >= max(least, 1) and len(found) < MOST:
        centre = _fullest(rest)
        near = rest[_distance(rest, centre) <= SPREAD]
        colour = np.median(near, axis=0).astype(np.int16)
        alike = _distance(rest, colour) <= SPREAD
        if alike.sum() < least or not alike.any():
            break
        if all(np.abs(colour - np.array(other)).max() >= APART for other in found):
            found.append((int(colour[0]), int(colour[1]), int(colour[2])))
        rest = rest[~alike]
    return found


def _fullest(pixels: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Centre of the cube of two bins a side that holds the most pixels."""
    bins = (pixels // _BIN).astype(np.intp)
    places = (bins[:, 0] * _BINS + bins[:, 1]) * _BINS + bins[:, 2]
    counts = np.bincount(places, minlength=_BINS**3).reshape(_BINS, _BINS, _BINS)
    cubes = sliding_window_view(np.pad(counts, (1, 0)), (2, 2, 2)).sum(axis=(-1, -2, -3))
    at = np.unravel_index(int(cubes.argmax()), cubes.shape)
    return np.array(at, np.int16) * np.int16(_BIN)


def _distance(pixels: npt.NDArray[np.int16], colour: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """By the worst channel."""
    distance: npt.NDArray[np.int16] = np.abs(pixels - colour).max(axis=-1)
    return distance


def flatten(pixels: RGB, colours: Sequence[Colour]) -> RGB:
    """Every pixel within ``NEAR`` of a colour becomes the nearest one of them.

    Args:
        pixels: uint8 ``(height, width, 3)``.
        colours: from :func:`common_colours`; of two that are equally near the first is taken.
    """
    result = pixels.copy()
    flat = result.reshape(-1, 3)
    planes = [np.ascontiguousarray(pixels[..., channel]).reshape(-1) for channel in range(3)]
    nearest = np.full(len(flat), NEAR + 1, np.uint8)
    for colour in colours:
        at = np.flatnonzero(_around(planes, colour))
        distance = np.zeros(len(at), np.uint8)
        for plane, level in zip(planes, colour, strict=True):
            values = plane[at]
            wanted = np.uint8(level)
            np.maximum(distance, np.maximum(values, wanted) - np.minimum(values, wanted), out=distance)
        closer = distance < nearest[at]
        nearest[at[closer]] = distance[closer]
        flat[at[closer]] = colour
    return result


def _around(planes: Sequence[npt.NDArray[np.uint8]], colour: Colour) -> npt.NDArray[np.bool_]:
    """Which pixels may be near: all that are, and at the ends of the scale some that are not.

    In bytes, which wrap around: the exact distance of nearly all pixels need not be taken.
    """
    inside = np.ones(len(planes[0]), np.bool_)
    for plane, level in zip(planes, colour, strict=True):
        inside &= plane - np.uint8((level - NEAR) % 256) <= 2 * NEAR
    return inside


def to_text(colours: Sequence[Colour]) -> str:
    """As cards have them: six hexadecimal digits each, separated by spaces."""
    return " ".join(f"{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours)


def from_text(text: str) -> list[Colour]:
    """The opposite of :func:`to_text`, for a text that the card has checked."""
    return [(int(part[:2], 16), int(part[2:4], 16), int(part[4:], 16)) for part in text.split()]
