"""Which tiles show the same ground: neighbours that overlap, and the groups a split must not divide.

Phase correlation (Kuglin and Hines 1975): the inverse transform of the phases of ``F_i conj(F_j)``
has a peak at the shift between two pictures; its height, 0 to 1, tells how much they share. Every
tile is compared with every other one, on whole aerial halves of 64x64 pixels, twice:

* as they are. Borders count, so small overlaps are seen, and many that are none. Each candidate is
  laid upon the other as its peak says, and the normalised cross-correlation of what then coincides,
  slow changes taken away, decides; it is below 0.3 for chance and above 0.6 for one ground.
* under a Hann window, where one of the two has little texture. What reaches :data:`ALIKE` is no
  overlap for certain, but water and woods that cannot be told apart; a split keeps them together to
  be safe.

The time grows with the square of the number of tiles (two transforms, about 20 microseconds of a
core, a comparison), the memory with their number (60 kB a tile).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from mapgan.doctor.reducing import COARSE, FINE, Pictures, coarse_grey, fine_grey

Spectra: TypeAlias = npt.NDArray[np.complex64]
Grey: TypeAlias = npt.NDArray[np.uint8]
Detail: TypeAlias = npt.NDArray[np.int8]

ALGORITHM: Final = 1
"""Number of what is done here. With any change that may group tiles otherwise it is raised: training
remembers groups by it (:mod:`mapgan.groundcache`)."""
ALIKE: Final = 0.165
"""Correlation under a Hann window from which a split keeps two tiles together."""
CANDIDATE: Final = 0.09
"""Correlation without a window from which two tiles are laid upon each other."""
AGREEMENT: Final = 0.5
"""Normalised cross-correlation of the shared ground from which it is believed."""
SHARED: Final = 0.15
"""Least share of a tile that counts as an overlap."""
_TEXTURED: Final = 20.0
"""Grey levels that neighbours at 64x64 differ by, down and right together, in a tile with texture."""
_BLOCK: Final = 64  # comparisons transformed at once: they stay in the processor's cache
_SLOW: Final = 8  # fine pixels: wider changes are light and season, not ground


@dataclass(frozen=True)
class Overlap:
    """Two tiles, by their places in the list, that show the same ground.

    Attributes:
        share: of a tile that both show, 0 to 1.
        agreement: normalised cross-correlation there.
        right, down: where the second tile lies from the first, in sides of a tile.
    """

    first: int
    second: int
    share: float
    agreement: float
    right: float
    down: float


@dataclass(frozen=True)
class Ground:
    """What comparing all tiles gave: overlaps for certain, and pairs too much alike to divide."""

    overlaps: list[Overlap]
    alike: list[tuple[int, int]]

    def links(self) -> Iterator[tuple[int, int]]:
        """Every two tiles that a split keeps together."""
        yield from ((overlap.first, overlap.second) for overlap in self.overlaps)
        yield from self.alike


def unheard(_share: float) -> None:
    """No progress."""


def overlapping(
    pictures: Pictures | Sequence[Pictures], *, progress: Callable[[float], None] = unheard
) -> list[list[int]]:
    """Groups of pictures that show the same ground, directly or through others.

    Args:
        pictures: uint8 ``(n, height, width, 3)``, or a list of pictures of any sizes: the aerial
            halves of pairs, or the pictures of one domain.
        progress: is told the share of the work that is done, from any thread.

    Returns:
        places in ``pictures``, two or more a group; a picture that overlaps no other is in none.
    """
    if len(pictures) < 2:
        return []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        coarse = np.stack(list(pool.map(coarse_grey, pictures)))
        fine = np.stack(list(pool.map(fine_grey, pictures)))
    equal: dict[bytes, int] = {}
    copies = [(equal.setdefault(picture.tobytes(), at), at) for at, picture in enumerate(fine)]
    return join(len(pictures), [*compare(coarse, fine, progress).links(), *copies])


def compare(coarse: Grey, fine: Grey, progress: Callable[[float], None] = unheard) -> Ground:
    """Compare every two tiles.

    Args:
        coarse: ``(n, 64, 64)``, the aerial halves in grey.
        fine: ``(n, 128, 128)``, the same.
        progress: is told the share of the work that is done, from any thread.
    """
    count = len(coarse)
    if count < 2:
        return Ground([], [])
    bare, tapered = (_phases(coarse, window=window) for window in (False, True))
    faint = _texture(coarse) < _TEXTURED
    details = detail(coarse, _SLOW // 2), detail(fine, _SLOW)
    total = count * (count - 1) / 2
    done = 0

    def row(first: int) -> tuple[list[Overlap], list[tuple[int, int]]]:
        nonlocal done
        overlaps: list[Overlap] = []
        alike: list[tuple[int, int]] = []
        later = np.arange(first + 1, count)
        for second, peak in _peaks(bare, first, later, CANDIDATE):
            found = _laid(first, second, peak, details)
            overlaps += [found] if found else []
        doubtful = later if faint[first] else later[faint[first + 1 :]]
        alike += [(first, second) for second, _ in _peaks(tapered, first, doubtful, ALIKE)]
        done += count - 1 - first  # only the progress reads it
        progress(done / total)
        return overlaps, alike

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(row, range(count - 1)))
    return Ground([found for one, _ in rows for found in one], [pair for _, two in rows for pair in two])


def join(count: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Connected groups of two or more of ``count`` samples, each in order."""
    parent = list(range(count))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for first, second in links:
        parent[root(second)] = root(first)
    groups: dict[int, list[int]] = {}
    for at in range(count):
        groups.setdefault(root(at), []).append(at)
    return [group for group in groups.values() if len(group) > 1]


def agreement(one: npt.NDArray[np.float32], two: npt.NDArray[np.float32]) -> float:
    """Normalised cross-correlation of two pictures of one shape; 0 where one is flat."""
    one, two = one - one.mean(), two - two.mean()
    power = float(np.vdot(one, one)) * float(np.vdot(two, two))
    return float(np.vdot(one, two)) / power**0.5 if power > one.size**2 * 1e-4 else 0.0


def _phases(grey: Grey, *, window: bool) -> Spectra:
    """Spectra of ``(n, s, s)`` pictures without their means, every coefficient of length 1."""
    taper = np.hanning(grey.shape[1]).astype(np.float32)
    spectra = np.empty((*grey.shape[:2], grey.shape[2] // 2 + 1), np.complex64)
    for start in range(0, len(grey), _BLOCK):
        values = grey[start : start + _BLOCK].astype(np.float32)
        values -= values.mean((1, 2), keepdims=True)
        part = np.fft.rfft2(values * np.outer(taper, taper) if window else values)
        part[:, 0, 0] = 0
        length = np.abs(part)
        spectra[start : start + _BLOCK] = part / (length + 1e-6 * length.mean() + 1e-12)
    return spectra


def detail(grey: Grey, radius: int) -> Detail:
    """``(n, s, s)`` pictures less their means over squares of ``2 radius + 1`` pixels."""
    result = np.empty(grey.shape, np.int8)
    side, width = grey.shape[1], 2 * radius + 1
    for start in range(0, len(grey), _BLOCK):
        values = grey[start : start + _BLOCK].astype(np.float32)
        border = ((0, 0), (radius + 1, radius), (radius + 1, radius))
        sums = np.pad(values, border, mode="edge").cumsum(1, np.float64).cumsum(2)
        boxes = sums[:, width:, width:] - sums[:, :-width, width:]
        boxes += sums[:, :-width, :-width] - sums[:, width:, :-width]
        values -= boxes[:, :side, :side] / width**2
        result[start : start + _BLOCK] = np.clip(np.rint(values), -127, 127)
    return result


def _texture(grey: Grey) -> npt.NDArray[np.float64]:
    """Mean difference of neighbours of ``(n, s, s)`` pictures, down and right together, in grey levels."""
    steps = [
        np.array([np.abs(np.diff(one.astype(np.int16), axis=axis)).mean() for one in grey]) for axis in (0, 1)
    ]
    result: npt.NDArray[np.float64] = steps[0] + steps[1]
    return result


def _peaks(
    spectra: Spectra, first: int, others: npt.NDArray[np.int64], least: float
) -> Iterator[tuple[int, tuple[int, int]]]:
    """Of each of the other samples whose correlation with the first reaches ``least``: its place in
    the list and where the peak lies (down, right)."""
    side = spectra.shape[1]
    conjugate = spectra[first].conj()
    for start in range(0, len(others), _BLOCK):
        block = others[start : start + _BLOCK]
        surface = np.fft.irfft2(spectra[block] * conjugate, s=(side, side)).reshape(len(block), -1)
        for at in np.flatnonzero(surface.max(1) >= least):
            yield int(block[at]), divmod(int(surface[at].argmax()), side)


def _laid(first: int, second: int, peak: tuple[int, int], details: tuple[Detail, Detail]) -> Overlap | None:
    """Lay two tiles upon each other where the peak says; None where they do not agree.

    A peak stands for up to four shifts, as the transform is circular. The best of them is refined
    by one pixel either way, at both sizes in turn.
    """
    coarse = details[0][second], details[0][first]
    ways = [(down, right) for down in _unwrapped(peak[0]) for right in _unwrapped(peak[1])]
    place = _best(*coarse, ways)[2:]
    _, _, down, right = _best(*coarse, _around(*place))
    fine = details[1][second], details[1][first]
    _, match, down, right = _best(*fine, _around(2 * down, 2 * right))
    share = (1 - abs(down) / FINE) * (1 - abs(right) / FINE)
    if match < AGREEMENT or share < SHARED:
        return None
    return Overlap(first, second, share, match, -right / FINE, -down / FINE)


def _unwrapped(place: int) -> set[int]:
    return {place, place - COARSE}


def _around(down: int, right: int) -> list[tuple[int, int]]:
    return [(down + y, right + x) for y in (-1, 0, 1) for x in (-1, 0, 1)]


def _best(one: Detail, two: Detail, shifts: list[tuple[int, int]]) -> tuple[float, float, int, int]:
    """The shift (down, right) of ``two``'s content in ``one`` with the strongest agreement.

    Returns:
        the agreement times the root of the number of pixels (chance lies at one), the agreement
        itself, down, right.
    """
    side = len(one)
    best = (-1.0, 0.0, 0, 0)
    for down, right in shifts:
        rows, columns = side - abs(down), side - abs(right)
        if min(rows, columns) < side // 10:  # a strip agrees by chance
            continue
        top, left = max(0, down), max(0, right)
        window = one[top : top + rows, left : left + columns].astype(np.float32)
        top, left = max(0, -down), max(0, -right)
        match = agreement(window, two[top : top + rows, left : left + columns].astype(np.float32))
        best = max(best, (match * float(rows * columns) ** 0.5, match, down, right))
    return best
