"""Networks as they are looked at: nothing of them stays behind."""

from __future__ import annotations

import gc
import weakref

import numpy as np

from mapgan.networks import build_generator
from mapgan.translating import translator


def test_a_network_that_was_looked_at_is_given_back() -> None:
    """Who measures many checkpoints one after the other holds one of them at a time."""
    network = build_generator("unet_16", width=2, norm="batch", image_size=16)
    with translator(network) as translate:
        assert translate(np.zeros((1, 16, 16, 3), np.uint8)).shape == (1, 16, 16, 3)
    gone = weakref.ref(network)
    del network, translate
    gc.collect()
    assert gone() is None
