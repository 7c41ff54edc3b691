"""Whether A and B lie upon each other: for the whole set to the pixel, and for single pairs.

**The set.** The edges of one aerial picture and its map rarely agree enough to trust the peak of their
phase correlation, but the mistakes fall everywhere and the true shift always at one place: the mean
surface over the set has its peak there.

**A pair.** Edges alone do not hold. From the set itself it is learned which features of A go with
which of B at which spatial frequency (streets with brightness, parks with green): with feature spectra
a and b, whitened, and their covariances over pairs and rings of frequencies, the surface of a pair is
the inverse transform of ``a^T Caa^-1 Cab Cbb^-1 conj(b)``, a matched filter for many channels (it is
the first-order term of the log likelihood ratio of "belong together" for Gaussian features). A pair is
suspicious when the surface is higher at some shift than anywhere near none, in units of its deviation.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mapgan.doctor.files import Sample, reduce_centre
from mapgan.doctor.report import Finding
from mapgan.metrics import LUMA, PALETTE, Pictures

Real: TypeAlias = npt.NDArray[np.float32]
Spectra: TypeAlias = npt.NDArray[np.complex64]

SURFACE: Final = 256
"""Side, in pixels, of the squares whose edges are correlated for the whole set."""
SET_STRENGTH: Final = 8.0
"""Standard deviations that the mean surface's peak must stand above it to be believed."""
MIN_SHIFT: Final = 2.0
"""Pixels; a smaller shift of the whole set is no more than a map's drawing conventions."""
MIN_PAIRS: Final = 40
"""Fewer pairs cannot teach what goes together, and single pairs are not judged."""
ERROR_MARGIN: Final = 5.0
WARNING_MARGIN: Final = 2.5
"""How much higher than near no shift the surface of a pair must be elsewhere, in its deviations."""
_LEARN_FROM: Final = 160  # pairs; more do not help, and take memory
_BATCH: Final = 32
_RINGS: Final = 24
_RIDGE: Final = 0.05
_NEAR: Final = 2  # reduced pixels that still count as no shift
_FAINT: Final = 0.02  # of the usual deviation: a surface without anything in it


class MeanSurface:
    """The sum of the edge correlation surfaces of all pairs; may be added to from several threads."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, int], tuple[int, npt.NDArray[np.float64]]] = {}
        self._lock = threading.Lock()

    def add(self, a: Pictures, b: Pictures) -> None:
        """Correlate the edges of two halves, uint8 ``(height, width, 3)``."""
        reduced, factor = reduce_centre(a, SURFACE)
        edges = [_edges(half.astype(np.float32) @ LUMA.astype(np.float32))
                 for half in (reduced, reduce_centre(b, SURFACE)[0])]  # fmt: skip
        one, two = (_spectrum(edge) for edge in edges)
        cross = one * two.conj()
        cross /= np.abs(cross) + 1e-6 * np.abs(cross).mean() + 1e-12
        surface = np.fft.irfft2(cross, s=reduced.shape[:2])
        with self._lock:
            count, total = self._sums.get((len(reduced), factor), (0, np.zeros(surface.shape)))
            self._sums[len(reduced), factor] = (count + 1, total + surface)

    def shift(self) -> tuple[float, float, float]:
        """How far B lies right of and below A, in pixels of the halves, and the peak's strength.

        The peak is refined by a parabola through its neighbours where a reduced pixel is several.
        """
        if not self._sums:
            return 0.0, 0.0, 0.0
        (side, factor), (_, surface) = max(self._sums.items(), key=lambda item: item[1][0])
        strength = float((surface.max() - surface.mean()) / (surface.std() + 1e-12))
        top, left = np.unravel_index(int(surface.argmax()), surface.shape)
        down = _refined(surface[:, left], int(top)) if factor > 1 else float(top)
        right = _refined(surface[top], int(left)) if factor > 1 else float(left)
        signed = [place - side if place > side / 2 else place for place in (right, down)]
        return -signed[0] * factor, -signed[1] * factor, strength


def set_findings(surface: MeanSurface) -> tuple[list[Finding], tuple[float, float]]:
    """An error when all of B lies beside A; and that shift (right, down), zero when there is none."""
    right, down, strength = surface.shift()
    if strength < SET_STRENGTH or max(abs(right), abs(down)) < MIN_SHIFT:
        return [], (0.0, 0.0)
    right, down = round(right), round(down)
    message = (
        f"the whole set is misaligned: B lies {_direction(right, down)} of where A has it "
        f"(peak of the mean edge correlation {strength:.0f} deviations high)"
    )
    values = {"right": right, "down": down, "strength": round(strength, 1)}
    return [Finding("set_misaligned", "error", (), message, values)], (right, down)


def pair_findings(
    samples: list[Sample], shift: tuple[float, float], progress: Callable[[float], None]
) -> list[Finding]:
    """Single pairs whose halves do not lie upon each other, apart from the set's own ``shift``."""
    if len(samples) < MIN_PAIRS:
        return []
    chosen = np.random.default_rng(0).permutation(len(samples))[:_LEARN_FROM]
    learned = _Filter.learn([samples[at] for at in chosen], shift)
    surfaces = []
    for start in range(0, len(samples), _BATCH):
        surfaces += list(learned.surfaces(samples[start : start + _BATCH], shift))
        progress(min(1.0, (start + _BATCH) / len(samples)))
    usual = float(np.median([deviation for _, _, _, deviation in surfaces]))
    findings = []
    for sample, (margin, right, down, deviation) in zip(samples, surfaces, strict=True):
        if margin < WARNING_MARGIN or deviation < _FAINT * usual:
            continue
        name = sample.entry.name
        place = round(right * sample.factor), round(down * sample.factor)
        message = f"{name}: B seems to lie {_direction(*place)} of A (margin {margin:.1f})"
        values = {"right": place[0], "down": place[1], "margin": round(margin, 2)}
        severity = "error" if margin >= ERROR_MARGIN else "warning"
        findings.append(Finding("misaligned", severity, (name,), message, values))  # type: ignore[arg-type]
    return findings


@dataclass(frozen=True, eq=False)
class _Filter:
    """What goes together in a set: scales of the features, ``(n, n // 2 + 1, Ka)`` and Kb, and the
    filter between them, ``(n, n // 2 + 1, Ka, Kb)``."""

    a_power: Real
    b_power: Real
    weights: Real

    @classmethod
    def learn(cls, samples: list[Sample], shift: tuple[float, float]) -> _Filter:
        """From the covariances over pairs and rings of frequencies."""
        a = np.concatenate([_features(batch, 0, (0.0, 0.0)) for batch in _batches(samples)])
        b = np.concatenate([_features(batch, 1, shift) for batch in _batches(samples)])
        a_power, b_power = (np.sqrt(np.square(np.abs(x)).mean(0)) + 1e-6 for x in (a, b))
        a, b = _evened(a, a_power), _evened(b, b_power)
        side = a.shape[1]
        rows, columns = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]
        rings = np.minimum((np.hypot(rows, columns) * 1.6 * _RINGS).astype(np.int64), _RINGS - 1)
        aa, bb, ab = (_covariance(x, y, rings) for x, y in ((a, a), (b, b), (a, b)))
        ridge = [_RIDGE * np.eye(x.shape[1]) for x in (aa, bb)]
        weights = np.linalg.inv(aa + ridge[0]) @ ab @ np.linalg.inv(bb + ridge[1])
        return cls(a_power, b_power, weights[rings].astype(np.float32))

    def surfaces(
        self, samples: list[Sample], shift: tuple[float, float]
    ) -> Iterator[tuple[float, float, float, float]]:
        """Of each pair: the margin, where B lies (right, down, in reduced pixels), the deviation."""
        a = _evened(_features(samples, 0, (0.0, 0.0)), self.a_power)
        b = _evened(_features(samples, 1, shift), self.b_power)
        side = a.shape[1]
        for one, two in zip(a, b, strict=True):
            cross = ((self.weights @ two.conj()[..., None])[..., 0] * one).sum(-1)
            yield _judged(np.fft.irfft2(cross, s=(side, side)).astype(np.float32))


def _judged(surface: Real) -> tuple[float, float, float, float]:
    """Margin of the best shift over none, that shift as B's place, and the surface's deviation."""
    side = len(surface)
    reach = min(24, side * 3 // 8)
    window = np.roll(surface, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    deviation = float(window.std()) + 1e-12
    near = slice(reach - _NEAR, reach + _NEAR + 1)
    here = float(window[near, near].max())
    elsewhere = window.copy()
    around = slice(reach - _NEAR - 1, reach + _NEAR + 2)
    elsewhere[around, around] = -np.inf
    top, left = np.unravel_index(int(elsewhere.argmax()), elsewhere.shape)
    margin = (float(elsewhere.max()) - here) / deviation
    return margin, float(reach - left), float(reach - top), deviation


def _batches(samples: list[Sample]) -> Iterator[list[Sample]]:
    for start in range(0, len(samples), _BATCH):
        yield samples[start : start + _BATCH]


def _features(samples: list[Sample], half: int, shift: tuple[float, float]) -> Spectra:
    """Spectra of the features of a half, ``(pairs, n, n // 2 + 1, features)``, moved back by ``shift``.

    Both halves have brightness, its dark and bright ends, edges, strong edges left out, warm against
    cold, and green; B also one mask a colour of the map's palette.
    """
    picture = np.stack([sample.centre[half] for sample in samples])
    if any(shift):
        right, down = (-round(pixels / samples[0].factor) for pixels in shift)
        picture = np.roll(picture, (down, right), (1, 2))
    values = picture.astype(np.float32)
    bright = values @ LUMA.astype(np.float32)
    edges = _edges(bright)
    red, green, blue = np.moveaxis(values, -1, 0)
    channels = [bright, np.minimum(bright, 90), np.maximum(bright, 150), edges, np.minimum(edges, 3)]
    channels += [red - blue, 2 * green - red - blue]
    if half == 1:
        palette = np.array(list(PALETTE.values()), np.float32)
        distance = np.square(palette).sum(1) - 2 * values @ palette.T
        nearest = distance.argmin(-1)
        channels += [(nearest == index).astype(np.float32) for index in range(len(palette))]
    return np.stack([_spectrum(channel) for channel in channels], axis=-1)


def _evened(spectra: Spectra, power: Real) -> Spectra:
    """Features scaled to their usual power, then each frequency by its own over all features, so
    that one strong texture does not drown the rest."""
    even = spectra / power
    length = np.sqrt(np.square(np.abs(even)).sum(-1, keepdims=True))
    result: Spectra = (even / (length + 0.3)).astype(np.complex64)
    return result


def _covariance(x: Spectra, y: Spectra, rings: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Real part of ``E[x y*]`` over pairs and each ring, ``(rings, Kx, Ky)``."""
    ring = rings.ravel()
    count = np.maximum(np.bincount(ring, minlength=_RINGS), 1)
    result = np.empty((_RINGS, x.shape[-1], y.shape[-1]))
    for i in range(x.shape[-1]):
        for j in range(y.shape[-1]):
            mean = (x[..., i] * y[..., j].conj()).real.mean(0)
            result[:, i, j] = np.bincount(ring, mean.ravel(), minlength=_RINGS) / count
    return result


def _edges(bright: Real) -> Real:
    """Logarithm of one and the central-difference gradient's length, ``(..., h, w)``."""
    rows, columns = np.zeros_like(bright), np.zeros_like(bright)
    rows[..., 1:-1, :] = bright[..., 2:, :] - bright[..., :-2, :]
    columns[..., 1:-1] = bright[..., 2:] - bright[..., :-2]
    return np.log1p(np.hypot(rows, columns))


def _spectrum(values: Real) -> Spectra:
    """Half spectrum of square pictures under a Hann window, their weighted means taken away."""
    taper = np.hanning(values.shape[-1]).astype(np.float32)
    window = np.outer(taper, taper)
    mean = (values * window).sum((-2, -1), keepdims=True) / window.sum()
    return np.fft.rfft2((values - mean) * window).astype(np.complex64)


def _refined(line: npt.NDArray[np.float64], at: int) -> float:
    """Place of a peak between samples by the parabola through it and its neighbours (circular)."""
    before, peak, after = line[at - 1], line[at], line[(at + 1) % len(line)]
    return at + 0.5 * float(before - after) / (float(before - 2 * peak + after) - 1e-12)


def _direction(right: float, down: float) -> str:
    """A shift in words, such as ``16 px right``."""
    words = [
        f"{abs(value):.0f} px {positive if value > 0 else negative}"
        for value, positive, negative in ((right, "right", "left"), (down, "below", "above"))
        if value
    ]
    return " and ".join(words) or "beside it"
