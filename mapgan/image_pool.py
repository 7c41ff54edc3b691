"""The image pool of CycleGAN: D also judges pictures that the generators made earlier.

Shrivastava et al. 2017, with the size and the rule of Zhu et al. 2017, section 4, as in the authors'
``util/image_pool.py``. Pure ``keras.ops`` over Keras variables, so a compiled step can hold it and a
checkpoint has all of it.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class ImagePool:
    """Up to ``size`` generated pictures.

    While the pool is filling, every new picture is kept and returned. Once it is full, a new picture
    is returned as it came with probability 1/2; else it takes the place of a random stored one,
    which is returned instead.

    Args:
        size: pictures to keep; 0 returns every picture as it came and keeps none.
        image_size: side of the pictures, in pixels.
        seed: of the draws; the state they reach is a variable.
    """

    def __init__(self, size: int, *, image_size: int, seed: int) -> None:
        self.size = size
        self._images = keras.Variable(
            ops.zeros((size, image_size, image_size, 3), dtype="float32"),
            dtype="float32",
            trainable=False,
            name="pool_images",
        )
        # "int" is int64 in TensorFlow: its int32 variables stay on the host, out of XLA's reach on a GPU.
        self._count = keras.Variable(0, dtype="int", trainable=False, name="pool_count")
        self._draws = keras.random.SeedGenerator(seed)

    def variables(self) -> dict[str, Any]:
        """The pictures, how many there are, and the state of the draws; nothing for an empty pool."""
        if not self.size:
            return {}
        return {"images": self._images, "count": self._count, "draws": self._draws.state}

    def exchange(self, pictures: Any) -> Any:
        """Show ``pictures`` to the pool, one after the other, and take what D shall judge.

        Args:
            pictures: float32 ``(batch, s, s, 3)`` in [-1, 1], with a known batch; no gradient passes.

        Returns:
            As many pictures of the same shape.
        """
        if not self.size:
            return pictures
        return ops.stack([self._exchange_one(picture) for picture in ops.unstack(pictures)])

    def _exchange_one(self, new: Any) -> Any:
        """The rule for one picture ``(s, s, 3)``; two numbers are drawn whether they are needed or not."""
        count = ops.convert_to_tensor(self._count)
        chance, place = ops.unstack(keras.random.uniform((2,), seed=self._draws))
        filling = count < self.size
        replacing = ops.logical_and(ops.logical_not(filling), chance > 0.5)
        # float32 rounds 0.99999999 * 50 up to 50, one past the end.
        drawn = ops.minimum(ops.cast(place * self.size, count.dtype), self.size - 1)
        slot = ops.where(filling, count, drawn)
        old = ops.take(self._images, slot, axis=0)
        kept = ops.where(ops.logical_or(filling, replacing), new, old)
        # A plain scatter keeps determinism on every device: there is one index and no collision.
        self._images.assign(ops.scatter_update(self._images, ops.reshape(slot, (1, 1)), kept[None]))
        self._count.assign(ops.minimum(count + 1, self.size))
        return ops.where(replacing, old, new)
