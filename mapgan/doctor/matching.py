"""What goes together in a set, learned from it, and where in one pair it does.

Edges alone do not tell whether one aerial picture and its map lie upon each other. From the set itself
it is learned which features of A go with which of B at which spatial frequency (streets with
brightness, parks with green): with feature spectra a and b, whitened, and their covariances over pairs
and rings of frequencies, the surface of a pair is the inverse transform of
``a^T Caa^-1 Cab Cbb^-1 conj(b)``, a matched filter for many channels (it is the first-order term of the
log likelihood ratio of "belong together" for Gaussian features).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mapgan.doctor.files import Sample
from mapgan.doctor.reducing import Pictures
from mapgan.metrics.palette import PALETTE

Real: TypeAlias = npt.NDArray[np.float32]
Spectra: TypeAlias = npt.NDArray[np.complex64]

LUMA: Final = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
REACH: Final = 40
"""Reduced pixels up to which a shift is looked for, within three eighths of the side."""
SURE, NEAR = 2, 1
"""Reduced pixels that still count as no shift, when a pair is accused and when it is doubted."""
_RINGS: Final = 24
_RIDGE: Final = 0.05
_PALETTE: Final = np.array(list(PALETTE.values()), np.float32)


@dataclass(frozen=True)
class Place:
    """Where B seems to lie upon A.

    Attributes:
        margin: how much higher than near no shift the surface is elsewhere, in its deviations.
        doubt: the same with a smaller neighbourhood of no shift.
        here: how high it is near no shift, in its deviations; about 2.3 for strangers.
        right, down: where B lies, in reduced pixels, if not here.
        deviation: of the surface.
    """

    margin: float
    doubt: float
    here: float
    right: int
    down: int
    deviation: float


@dataclass(frozen=True, eq=False)
class Matcher:
    """What goes together in a set.

    Attributes:
        order: frequencies of a half spectrum, sorted by ring; ``bounds`` are where the rings begin.
        a_power, b_power: usual lengths of the features, ``(Ka, frequencies)`` and Kb.
        weights: the filter, ``(rings, Ka, Kb)``.
        shift: of B in the whole set, in reduced pixels (right, down), taken back before judging.
    """

    order: npt.NDArray[np.int64]
    bounds: list[int]
    a_power: Real
    b_power: Real
    weights: Real
    shift: tuple[int, int]

    @classmethod
    def learn(cls, samples: Sequence[Sample], shift: tuple[int, int]) -> Matcher:
        """From the covariances over pairs and rings of frequencies."""
        side = samples[0].centre.shape[1]
        ring = _rings(side)
        order = np.argsort(ring, kind="stable")
        bounds = np.searchsorted(ring[order], np.arange(_RINGS + 1)).tolist()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            a = np.stack(list(pool.map(lambda sample: _features(sample, 0, (0, 0))[:, order], samples)))
            b = np.stack(list(pool.map(lambda sample: _features(sample, 1, shift)[:, order], samples)))
        a_power, b_power = (_usual_length(spectra) for spectra in (a, b))
        for spectra, power in ((a, a_power), (b, b_power)):
            for at in range(len(samples)):
                spectra[at] = _evened(spectra[at], power)
        weights = np.zeros((_RINGS, a.shape[1], b.shape[1]), np.float32)
        for at, part in enumerate(_slices(bounds)):
            if part.stop > part.start:
                one, two = (x[:, :, part].transpose(1, 0, 2).reshape(x.shape[1], -1) for x in (a, b))
                aa, bb, ab = (_covariance(x, y) for x, y in ((one, one), (two, two), (one, two)))
                aa += _RIDGE * np.eye(len(aa))
                bb += _RIDGE * np.eye(len(bb))
                weights[at] = np.linalg.solve(aa, ab) @ np.linalg.inv(bb)
        return cls(order, bounds, a_power, b_power, weights, shift)

    def place(self, sample: Sample) -> Place:
        """Judge one pair."""
        return judged(self.surface(sample))

    def surface(self, sample: Sample) -> Real:
        """The match of a pair at every shift, ``(n, n)``, no shift first."""
        side = sample.centre.shape[1]
        a = _evened(_features(sample, 0, (0, 0))[:, self.order], self.a_power)
        b = _evened(_features(sample, 1, self.shift)[:, self.order], self.b_power)
        cross = np.empty(a.shape[1], np.complex64)
        for at, part in enumerate(_slices(self.bounds)):
            cross[part] = ((self.weights[at] @ b[:, part].conj()) * a[:, part]).sum(0)
        spectrum = np.empty_like(cross)
        spectrum[self.order] = cross
        surface: Real = np.fft.irfft2(spectrum.reshape(side, -1), s=(side, side)).astype(
            np.float32, copy=False
        )
        return surface


def judged(surface: Real) -> Place:
    """The best shift against none."""
    side = len(surface)
    reach = min(REACH, side * 3 // 8)
    window = np.roll(surface, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    deviation = float(window.std()) + 1e-12
    _, doubt, down, right = _best_elsewhere(window, reach, NEAR)
    here, margin, sure_down, sure_right = _best_elsewhere(window, reach, SURE)
    if margin > 0:
        down, right = sure_down, sure_right
    return Place(margin / deviation, doubt / deviation, here / deviation, right, down, deviation)


def _best_elsewhere(window: Real, reach: int, near: int) -> tuple[float, float, int, int]:
    """Around the centre of a window: the highest value near it; how much higher it is elsewhere, and
    where B lies then (down, right)."""
    inner = slice(reach - near, reach + near + 1)
    here = float(window[inner, inner].max())
    elsewhere = window.copy()
    around = slice(reach - near - 1, reach + near + 2)
    elsewhere[around, around] = -np.inf
    top, left = divmod(int(elsewhere.argmax()), elsewhere.shape[1])
    return here, float(elsewhere.max()) - here, reach - top, reach - left


def edges(bright: Real) -> Real:
    """Logarithm of one and the central-difference gradient's length, ``(..., h, w)``."""
    rows, columns = np.zeros_like(bright), np.zeros_like(bright)
    rows[..., 1:-1, :] = bright[..., 2:, :] - bright[..., :-2, :]
    columns[..., 1:-1] = bright[..., 2:] - bright[..., :-2]
    return np.log1p(np.hypot(rows, columns))


def spectra_of(values: Real) -> Spectra:
    """Half spectra of square pictures under a Hann window, their weighted means taken away."""
    taper = np.hanning(values.shape[-1]).astype(np.float32)
    window = np.outer(taper, taper)
    mean = (values * window).sum((-2, -1), keepdims=True) / window.sum()
    return np.fft.rfft2((values - mean) * window).astype(np.complex64, copy=False)


def _features(sample: Sample, half: int, shift: tuple[int, int]) -> Spectra:
    """Spectra of the features of a half, ``(features, n * (n // 2 + 1))``, moved back by ``shift``.

    Both halves have brightness, its dark and bright ends, edges, strong edges left out, warm against
    cold, and green; B also one mask a colour of the map's palette.
    """
    picture: Pictures = sample.centre[half]
    if any(shift):
        picture = np.roll(picture, (-shift[1], -shift[0]), (0, 1))
    values = picture.astype(np.float32)
    bright = values @ LUMA
    sharp = edges(bright)
    red, green, blue = np.moveaxis(values, -1, 0)
    channels = [bright, np.minimum(bright, 90), np.maximum(bright, 150), sharp, np.minimum(sharp, 3)]
    channels += [red - blue, 2 * green - red - blue]
    if half == 1:
        distance = np.square(_PALETTE).sum(1) - 2 * values @ _PALETTE.T
        nearest = distance.argmin(-1)
        channels += [(nearest == index).astype(np.float32) for index in range(len(_PALETTE))]
    return spectra_of(np.stack(channels)).reshape(len(channels), -1)


def _usual_length(spectra: Spectra) -> Real:
    """Root of the mean square over pairs, ``(K, frequencies)``."""
    squares = np.square(spectra.real).mean(0) + np.square(spectra.imag).mean(0)
    result: Real = (np.sqrt(squares) + 1e-6).astype(np.float32)
    return result


def _evened(spectra: Spectra, power: Real) -> Spectra:
    """Features scaled to their usual power, then each frequency by its own over all features, so
    that one strong texture does not drown the rest."""
    even = spectra / power
    length = np.sqrt((np.square(even.real) + np.square(even.imag)).sum(0))
    result: Spectra = even / (length + np.float32(0.3))
    return result


def _covariance(x: Spectra, y: Spectra) -> npt.NDArray[np.float64]:
    """Real part of ``E[x y*]`` over the columns."""
    real = x.real @ y.real.T + x.imag @ y.imag.T
    result: npt.NDArray[np.float64] = (real / x.shape[1]).astype(np.float64)
    return result


def _rings(side: int) -> npt.NDArray[np.int64]:
    """The ring of every frequency of a half spectrum, flat."""
    rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
    rings = (np.hypot(rows, columns) * 1.6 * _RINGS).astype(np.int64)
    result: npt.NDArray[np.int64] = np.minimum(rings, _RINGS - 1).ravel()
    return result


def _slices(bounds: list[int]) -> list[slice]:
    return [slice(start, stop) for start, stop in pairwise(bounds)]
