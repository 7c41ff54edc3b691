"""KID over a random network: are two sets of pictures alike to eyes that were never trained?

The kernel inception distance (Binkowski et al. 2018) needs a trained Inception. Networks of random
weights tell textures apart, too (Ulyanov et al. 2018 show how much an untrained one knows of pictures),
need no download and are the same everywhere. The values are comparable with each other alone, on the
same tiles, never with a published KID: hence the name ``kid_random_cnn``.

**The network**: four convolutions 4x4 of stride 2 (edges repeated) to 32, 64, 128 and 256 channels on
values in [-1, 1]; weights normal with variance 1 / fan-in from a fixed seed. Each channel is brought to
mean 0 and deviation 1 as measured once on 16 pictures of coloured 1/f noise from the same seed, then
ReLU. **Features** of a picture: mean and standard deviation over space of every channel of every
layer, 960 numbers.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from mapgan.metrics.pooled import Floats, Pictures
from mapgan.metrics.wasserstein import Singles

WIDTHS: Final = (32, 64, 128, 256)
SEED: Final = 2018
NOISE_PICTURES, NOISE_SIDE = 16, 128
NORMAL_95: Final = 1.959964


class Kid(NamedTuple):
    """An estimate and its 95 % interval."""

    value: float
    low: float
    high: float


class _Layer(NamedTuple):
    """``weights`` ``(4 * 4 * in, out)`` in the order of :func:`_unfold`; then ``(x - mean) * scale``."""

    weights: Singles
    mean: Singles
    scale: Singles


def kid(real: Floats, made: Floats, *, paired: bool = True) -> Kid:
    """Unbiased squared MMD of two sets of features, ``(n, d)`` and ``(m, d)``, n and m at least 2.

    The kernel is ``(x.y / d + 1)^3``. A picture is not compared with itself, nor, in `paired` sets, with
    its own counterpart (Gretton et al. 2012, lemma 6): the expectation is 0 for two samples of one
    distribution, equal sets give exactly 0, and a value may be below 0. Unpaired sets may differ in
    number; all of one are compared with all of the other (Binkowski et al. 2018, equation 4).

    The interval is 1.96 standard errors of the delete-one jackknife. A bootstrap would not do: its
    samples hold a picture twice, which the estimator would take for two that are alike.
    """
    within_real, within_made, between = _kernel(real, real), _kernel(made, made), _kernel(real, made)
    np.fill_diagonal(within_real, 0)
    np.fill_diagonal(within_made, 0)
    n, m = len(real), len(made)
    if paired:
        np.fill_diagonal(between, 0)
        terms = within_real + within_made - between - between.T
        value = terms.sum() / (n * (n - 1))
        variance = _jackknife(terms.sum() - 2 * terms.sum(axis=1), (n - 1) * (n - 2))
    else:
        value = (
            within_real.sum() / (n * (n - 1))
            + within_made.sum() / (m * (m - 1))
            - 2 * between.sum() / (n * m)
        )
        variance = _left_out(within_real, between, m) + _left_out(within_made, between.T, n)
    error = NORMAL_95 * math.sqrt(variance)
    return Kid(float(value), float(value - error), float(value + error))


def _left_out(within: Floats, between: Floats, others: int) -> float:
    """Variance of the unpaired estimate that one set contributes; the other set's own term is constant."""
    n = len(within)
    if n < 3:
        return math.inf
    own = (within.sum() - 2 * within.sum(axis=1)) / ((n - 1) * (n - 2))
    return _jackknife(own - 2 * (between.sum() - between.sum(axis=1)) / ((n - 1) * others), 1)


def _jackknife(without: Floats, divisor: int) -> float:
    """Variance from the n estimates ``without / divisor`` that leave out one each; infinite for n = 2."""
    if not divisor:
        return math.inf
    count = len(without)
    return float((count - 1) * np.var(without / divisor))


def random_features(pictures: Pictures) -> Floats:
    """``(n, 960)`` of uint8 ``(n, height, width, 3)``, sides even down to 16 pixels at least."""
    layers = _network()
    return np.array([_features(picture, layers) for picture in pictures], np.float64)


def _features(picture: Pictures, layers: list[_Layer]) -> Singles:
    plane = picture.astype(np.float32) / np.float32(127.5) - 1
    found = []
    for layer in layers:
        plane = _activate(_convolve(plane, layer.weights), layer)
        flat = plane.reshape(-1, plane.shape[-1])
        mean = flat.mean(axis=0)
        found += [mean, np.sqrt(np.maximum(np.square(flat).mean(axis=0) - mean * mean, 0))]
    return np.concatenate(found)


def _kernel(first: Floats, second: Floats) -> Floats:
    kernel: Floats = (first @ second.T / first.shape[1] + 1) ** 3
    return kernel


@lru_cache(maxsize=1)
def _network() -> list[_Layer]:
    """The layers, each set to mean 0 and deviation 1 on the noise that the ones before it let through."""
    random = np.random.RandomState(SEED)
    planes = [_noise(random) for _ in range(NOISE_PICTURES)]
    layers = []
    channels = 3
    for width in WIDTHS:
        weights = random.standard_normal((16 * channels, width)) / math.sqrt(16 * channels)
        planes = [_convolve(plane, weights.astype(np.float32)) for plane in planes]
        every = np.concatenate([plane.reshape(-1, width) for plane in planes]).astype(np.float64)
        layer = _Layer(
            weights.astype(np.float32),
            every.mean(axis=0).astype(np.float32),
            (1 / every.std(axis=0)).astype(np.float32),
        )
        planes = [_activate(plane, layer) for plane in planes]
        layers.append(layer)
        channels = width
    return layers


def _noise(random: np.random.RandomState) -> Singles:
    """A picture of three mixed 1/f planes, deviation 0.5: the spectrum of natural pictures."""
    frequency = np.fft.fftfreq(NOISE_SIDE)
    radius = np.hypot(frequency[:, None], frequency[None, :])
    radius[0, 0] = np.inf  # no mean
    white = random.standard_normal((3, NOISE_SIDE, NOISE_SIDE))
    pink = np.fft.ifft2(np.fft.fft2(white) / radius).real
    pink /= pink.std(axis=(1, 2), keepdims=True)
    # Colours of pictures go together: half of each channel is common to all.
    mixed = 0.5 * (pink.mean(axis=0) * math.sqrt(3) + pink) / math.sqrt(2)
    return np.ascontiguousarray(mixed.transpose(1, 2, 0), np.float32)


def _activate(plane: Singles, layer: _Layer) -> Singles:
    active: Singles = np.maximum((plane - layer.mean) * layer.scale, 0)
    return active


def _convolve(plane: Singles, weights: Singles) -> Singles:
    """4x4, stride 2, edges repeated: ``(h, w, c)`` to ``(h / 2, w / 2, out)``; odd sides lose a line."""
    patches = _unfold(plane)
    height, width, size = patches.shape
    return (patches.reshape(-1, size) @ weights).reshape(height, width, -1)


def _unfold(plane: Singles) -> Singles:
    """``(h / 2, w / 2, 16 c)``: blocks of 2x2 pixels become channels, and four neighbours a window."""
    height, width, channels = (*(side // 2 * 2 for side in plane.shape[:2]), plane.shape[2])
    padded = np.pad(plane[:height, :width], ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows, columns = height // 2, width // 2
    blocks = padded.reshape(rows + 1, 2, columns + 1, 2, channels).transpose(0, 2, 1, 3, 4)
    blocks = blocks.reshape(rows + 1, columns + 1, 4 * channels)
    return np.concatenate(
        [blocks[top : top + rows, left : left + columns] for top in (0, 1) for left in (0, 1)], axis=2
    )
