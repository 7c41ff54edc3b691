"""The losses of Pix2Pix and CycleGAN, in pure ``keras.ops``: one code for every backend.

All take tensors of any shape and return a float32 scalar, the mean over every element. They are
computed in float32 whatever the networks compute in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from keras import ops


def bce(logits: Any, *, real: bool) -> Any:
    """Binary cross-entropy of logits against one label for all of them.

    ``-log(sigmoid(x))`` for real and ``-log(1 - sigmoid(x))`` for fake are ``softplus(-x)`` and
    ``softplus(x)``: no exponential overflows. The GAN loss of Goodfellow et al. 2014, with the
    non-saturating generator when ``real`` is asked of a fake.
    """
    x = ops.cast(logits, "float32")
    return ops.mean(ops.softplus(-x if real else x))


def lsgan(logits: Any, *, real: bool) -> Any:
    """Squared distance of the raw output to 1 for real, to 0 for fake (Mao et al. 2017)."""
    x = ops.cast(logits, "float32")
    return ops.mean(ops.square(x - 1.0 if real else x))


def l1(first: Any, second: Any) -> Any:
    """Mean absolute difference of two images in [-1, 1]; 2 at most."""
    return ops.mean(ops.abs(ops.cast(first, "float32") - ops.cast(second, "float32")))


GAN_LOSSES: Final[dict[str, Callable[..., Any]]] = {"bce": bce, "lsgan": lsgan}
