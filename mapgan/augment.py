"""Differentiable augmentation of what the discriminator sees (DiffAugment, Zhao et al. 2020).

A discriminator that has seen a small set often enough knows its pictures by heart. Changing the real
pictures alone would teach the generator the changes; changing real and made ones alike, in D's loss
and in G's, and letting the gradient through, does not. The changes and their strengths are those of
the authors' ``DiffAugment_pytorch.py``. Pure ``keras.ops`` with static shapes: the same code under
``tf.function``, XLA and ``jax.jit``.
"""

from __future__ import annotations

from typing import Any, Final

import keras
from keras import ops

from mapgan.config import AUGMENTATIONS

TRANSLATION: Final = 0.125  # of the side, each way
CUTOUT: Final = 0.5  # of the side: a quarter of the picture, less where it hangs over an edge
DRAWS: Final = 7  # numbers a picture: three of colour, two of place, two of the hole


class DiffAugment:
    """Brightness, saturation and contrast; a shift by up to an eighth; a grey hole of half the side.

    Every picture of a batch gets numbers of its own, every call new ones, from a generator whose state
    is a variable: a resumed run goes on with the numbers that would have come.

    The six channels of a Pix2Pix pair share **all** numbers. The geometry has to be the same, or the
    halves would no longer lie on each other. The colour is the same because D then can still tell a
    wrong colour from a change: the real source beside it shows how much was changed. Changing the
    judged half alone would hide that, and would leave D the sources, unchanged, to learn by heart.
    Saturation and contrast take the mean grey of each half by itself, as if it came alone.

    Args:
        policy: one of ``mapgan.config.AUGMENTATIONS``; ``none`` gives everything back as it came.
        seed: of the draws.

    Raises:
        ValueError: an unknown policy.
    """

    def __init__(self, policy: str, *, seed: int) -> None:
        if policy not in AUGMENTATIONS:
            raise ValueError(f"policy must be one of {', '.join(AUGMENTATIONS)}, not {policy!r}")
        self._kinds = () if policy == "none" else tuple(policy.split(","))
        self._draws = keras.random.SeedGenerator(seed)

    def variables(self) -> dict[str, Any]:
        """The state of the draws, by its path in a checkpoint; nothing when there are none."""
        return {"random/augment": self._draws.state} if self._kinds else {}

    def __call__(self, pictures: Any) -> Any:
        """Change a batch.

        Args:
            pictures: float ``(batch, h, w, 3)`` or ``(batch, h, w, 6)`` in [-1, 1]; batch, height and
                width are known.

        Returns:
            The same shape. Values may leave [-1, 1], as in the authors' code.
        """
        if not self._kinds:
            return pictures
        numbers = keras.random.uniform((pictures.shape[0], DRAWS), seed=self._draws)
        if "color" in self._kinds:
            halves = [recolour(half, numbers[:, :3]) for half in _halves(pictures)]
            pictures = ops.concatenate(halves, axis=-1)
        if "translation" in self._kinds:
            pictures = shift(pictures, numbers[:, 3:5])
        if "cutout" in self._kinds:
            pictures = cut(pictures, numbers[:, 5:7])
        return pictures


def _halves(pictures: Any) -> list[Any]:
    """Three channels at a time."""
    return [pictures[..., first : first + 3] for first in range(0, pictures.shape[-1], 3)]


def recolour(pictures: Any, numbers: Any) -> Any:
    """Brighter by [-1/2, 1/2), saturation times [0, 2), contrast times [1/2, 3/2), in this order.

    Args:
        pictures: ``(batch, h, w, 3)``.
        numbers: ``(batch, 3)`` in [0, 1), one for each of the three.
    """
    brightness, saturation, contrast = (ops.reshape(numbers[:, i], (-1, 1, 1, 1)) for i in range(3))
    pictures = pictures + (brightness - 0.5)
    grey = ops.mean(pictures, axis=-1, keepdims=True)
    pictures = (pictures - grey) * (2.0 * saturation) + grey
    mean = ops.mean(pictures, axis=(1, 2, 3), keepdims=True)
    return (pictures - mean) * (contrast + 0.5) + mean


def shift(pictures: Any, numbers: Any) -> Any:
    """Move each picture by whole pixels, up to an eighth of each side; what comes in is 0 (mid-grey).

    Args:
        pictures: ``(batch, h, w, channels)``.
        numbers: ``(batch, 2)`` in [0, 1): down and right; every distance is equally likely.
    """
    sides = pictures.shape[1:3]
    most = [int(side * TRANSLATION + 0.5) for side in sides]
    distances = ops.stack([_whole(numbers[:, axis], 2 * most[axis] + 1) - most[axis] for axis in (0, 1)], -1)
    padded = ops.pad(pictures, ((0, 0), *((far, far) for far in most), (0, 0)))
    # A roll by a number that the compiler does not know has a roll as its gradient: exact, the same
    # on every device, and no scatter. Gathering would be one line and none of these.
    rolled = [
        ops.roll(picture, distance, axis=(0, 1))
        for picture, distance in zip(ops.unstack(padded), ops.unstack(distances), strict=True)
    ]
    (top, left), (height, width) = most, sides
    return ops.stack(rolled)[:, top : top + height, left : left + width]


def cut(pictures: Any, numbers: Any) -> Any:
    """Set a rectangle of half the sides to 0 (mid-grey); its centre is anywhere in the picture.

    Args:
        pictures: ``(batch, h, w, channels)``.
        numbers: ``(batch, 2)`` in [0, 1): the centre's row and column.
    """
    inside = []
    for axis, side in enumerate(pictures.shape[1:3]):
        size = int(side * CUTOUT + 0.5)
        # The centre of an even size lies between two pixels, so it has one place more.
        first = _whole(numbers[:, axis, None], side + (1 - size % 2)) - size // 2
        place = ops.arange(side, dtype="int32")[None, :]
        inside.append(ops.logical_and(place >= first, place < first + size))
    hole = ops.logical_and(inside[0][:, :, None], inside[1][:, None, :])
    return pictures * ops.cast(ops.logical_not(hole), pictures.dtype)[..., None]


def _whole(number: Any, count: int) -> Any:
    """[0, 1) to one of ``count`` int32 numbers from 0; float32 may round the product up to ``count``."""
    return ops.minimum(ops.cast(number * count, "int32"), count - 1)
