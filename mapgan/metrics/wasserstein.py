"""Sliced Wasserstein distance on the patches of a Laplacian pyramid (Karras et al. 2018, section 5).

Do the made pictures have patches as the real ones have, at every scale, wherever they lie? From each
level of each picture 128 patches of 7x7 pixels are taken at random; over each set and level, every
colour channel is brought to mean 0 and standard deviation 1 (so a wrong tint or contrast as such is
not seen); then 512 random directions are drawn, both sets projected and sorted, and the mean absolute
difference taken. Places and directions come from fixed seeds and are the same for both sets.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mapgan.metrics.pooled import Pictures

Singles: TypeAlias = npt.NDArray[np.float32]

PATCH: Final = 7
PATCHES: Final = 128
DIRECTIONS: Final = 512
SMALLEST: Final = 16  # side of the coarsest level
SCALE: Final = 1000  # as in the paper's tables
SEED: Final = 0
FLAT: Final = np.float32(1e-3)  # deviation, in levels, that rounding alone can make
FILTER: Final = np.array([1, 4, 6, 4, 1], np.float32) / 16


def swd(real: Pictures, made: Pictures) -> float:
    """The mean over levels, from full size down to 16 pixels, times 1,000.

    Args:
        real, made: uint8 ``(n, s, s, 3)``; of two sets of different number the first ones of the
            larger are compared.

    Raises:
        ValueError: pictures of less than 16 pixels.
    """
    count = min(len(real), len(made))
    distances = [
        _distance(first, second, level)
        for level, (first, second) in enumerate(
            zip(_descriptors(real[:count]), _descriptors(made[:count]), strict=True)
        )
    ]
    return float(np.mean(distances)) * SCALE


def _distance(first: Singles, second: Singles, level: int) -> float:
    """Of two sets of patches ``(m, 147)`` of one level."""
    random = np.random.RandomState((SEED, 1, level))
    directions = random.standard_normal((DIRECTIONS, first.shape[1])).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    projected = [np.sort(directions @ patches.T, axis=1) for patches in (first, second)]
    return float(np.abs(projected[0] - projected[1]).mean())


def _descriptors(pictures: Pictures) -> list[Singles]:
    """Of each level the normalised patches of all pictures: ``(n * 128, 147)``, finest first."""
    if min(pictures.shape[1:3]) < SMALLEST:
        raise ValueError(f"the distance of patches needs pictures of at least {SMALLEST} pixels")
    found: list[list[Singles]] = []
    for index, picture in enumerate(pictures):
        for level, plane in enumerate(_pyramid(picture.astype(np.float32))):
            if not index:
                found.append([])
            found[level].append(_patches(plane, index, level))
    return [_normalised(np.concatenate(patches)) for patches in found]


def _patches(plane: Singles, index: int, level: int) -> Singles:
    """128 patches of ``(height, width, 3)``, the places drawn from picture and level: ``(128, 7, 7, 3)``."""
    random = np.random.RandomState((SEED, 0, index, level))
    tops, lefts = (random.randint(0, side - PATCH + 1, PATCHES) for side in plane.shape[:2])
    inside = np.arange(PATCH)
    found: Singles = plane[(tops[:, None] + inside)[:, :, None], (lefts[:, None] + inside)[:, None, :]]
    return found


def _normalised(patches: Singles) -> Singles:
    """Each colour channel over the whole set to mean 0 and deviation 1; a flat one stays near 0."""
    patches = patches - patches.mean(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
    deviation = patches.std(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
    patches /= np.maximum(deviation, FLAT)
    return patches.reshape(len(patches), -1)


def _pyramid(picture: Singles) -> list[Singles]:
    """Laplacian pyramid (Burt and Adelson 1983); the coarsest level is the blurred picture itself."""
    levels = [picture]
    while min(levels[-1].shape[:2]) // 2 >= SMALLEST:
        smaller = _blur(levels[-1])[::2, ::2]
        levels[-1] = levels[-1] - _enlarge(smaller, levels[-1].shape)
        levels.append(smaller)
    return levels


def _enlarge(picture: Singles, shape: tuple[int, ...]) -> Singles:
    """Twice as large: zeros between the pixels, blurred at four times the weight."""
    large = np.zeros(shape, np.float32)
    large[::2, ::2] = picture
    return _blur(large) * 4


def _blur(picture: Singles) -> Singles:
    """The binomial filter in both directions, mirrored at the edges."""
    for axis in (0, 1):
        width = [(0, 0)] * 3
        width[axis] = (2, 2)
        padded = np.moveaxis(np.pad(picture, width, mode="reflect"), axis, 0)
        length = picture.shape[axis]
        blurred = sum(
            (weight * padded[start : start + length] for start, weight in enumerate(FILTER)),
            start=np.float32(0),
        )
        picture = np.moveaxis(np.asarray(blurred, np.float32), 0, axis)
    return picture
