"""The same picture twice: byte for byte, in another encoding, brighter, cut a little, turned or mirrored.

Candidates agree in 8x8 means of both halves, in one of the eight ways a square can be laid upon itself.
They are verified at 64x64: the second picture, laid so and enlarged or reduced by up to an eighth, is
moved to where it correlates best, and there :func:`mapgan.doctor.ground.agreement` decides, with slow
changes taken away, so brightness does not matter. Where there is nothing to recognise (calm water) two
tiles count as copies when all their pixels are nearly equal; that is a notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from mapgan.doctor.files import Sample
from mapgan.doctor.ground import Overlap, agreement, detail
from mapgan.doctor.reducing import COARSE, FINE
from mapgan.doctor.report import Finding

Real: TypeAlias = npt.NDArray[np.float32]
_Any = TypeVar("_Any", bound=np.generic)

WAYS: Final = (
    "", "turned by 90 degrees", "turned by 180 degrees", "turned by 270 degrees",
    "mirrored", "mirrored and turned by 90 degrees", "mirrored and turned by 180 degrees",
    "mirrored and turned by 270 degrees",
)  # fmt: skip
"""The eight ways, by number: counter-clockwise quarter turns of the picture, or of its mirror image."""
SAME_SHARE: Final = 0.97
"""Share of the ground from which an overlap is the same picture."""
_MOVED: Final = 0.95  # share of the ground below which an overlap is no picture cut a little
_MEANS: Final = 8  # side of the means that make a candidate
_LIKELY: Final = (0.75, 0.6)  # correlation of these means of A and of B
_SCALES: Final = (1.0, 0.97, 1.03, 0.94, 1.06, 0.91, 1.1, 0.88, 1.13)
_RECOGNISED: Final = 0.6
"""Agreement that makes a copy; two tiles of one town reach 0.3."""
_CONTRAST: Final = 3.0  # grey levels of standard deviation below which there is nothing to recognise
_NEARLY_EQUAL: Final = 2.0  # grey levels between featureless copies, on average
_BLOCK: Final = 256


@dataclass(frozen=True)
class Copy:
    """Two samples, by their places in the list, that are one picture.

    Attributes:
        exact: all pixels are equal.
        way: how the second must be laid upon the first: an index of :data:`WAYS`.
        correlation: of what was compared, 0 to 1.
        featureless: nothing but their colours tells that they are copies.
    """

    first: int
    second: int
    exact: bool
    way: int
    correlation: float
    featureless: bool


def find_copies(samples: list[Sample], overlaps: list[Overlap]) -> list[Copy]:
    """Every two samples that show the same picture, in the order of the list."""
    found: dict[tuple[int, int], Copy] = {}
    originals: dict[str, int] = {}
    for at, sample in enumerate(samples):
        first = originals.setdefault(sample.digest, at)
        if first != at:
            found[first, at] = Copy(first, at, True, 0, 1.0, False)
    for overlap in overlaps:
        if overlap.share >= SAME_SHARE:
            pair = overlap.first, overlap.second
            found.setdefault(pair, Copy(*pair, False, 0, overlap.agreement, False))
    moved = {(overlap.first, overlap.second) for overlap in overlaps if overlap.share < _MOVED}
    for first, second, way in _candidates(samples):
        if (first, second) in moved:
            continue  # neighbours, and told of as such
        if (first, second) not in found and samples[first].digest != samples[second].digest:
            copy = _verified(samples, first, second, way)
            if copy:
                found[first, second] = copy
    return [found[pair] for pair in sorted(found)]


def copy_findings(samples: list[Sample], copies: list[Copy]) -> list[Finding]:
    """A warning for each copy; a notice where there was nothing to recognise."""
    findings = []
    for copy in copies:
        one, two = samples[copy.first], samples[copy.second]
        how = f" when one is {WAYS[copy.way]}" if copy.way else "" if copy.exact else ", but not to the byte"
        what = "have the same flat colours" if copy.featureless else f"are the same picture{how}"
        message = f"{one.entry.name} and {two.entry.name} {what}{across(one, two)}"
        values = {"exact": copy.exact, "correlation": round(copy.correlation, 4), "way": WAYS[copy.way]}
        severity = "notice" if copy.featureless and one.entry.split == two.entry.split else "warning"
        findings.append(Finding("duplicate", severity, (one.entry.name, two.entry.name), message, values))  # type: ignore[arg-type]
    return findings


def overlap_findings(samples: list[Sample], overlaps: list[Overlap], copies: list[Copy]) -> list[Finding]:
    """A notice for each overlap that is no copy; a warning across splits."""
    known = {(copy.first, copy.second) for copy in copies}
    findings = []
    for overlap in overlaps:
        if (overlap.first, overlap.second) in known:
            continue
        one, two = samples[overlap.first], samples[overlap.second]
        beyond = across(one, two)
        message = f"{one.entry.name} and {two.entry.name} share {overlap.share:.0%} of their ground{beyond}"
        values = {
            "share": round(overlap.share, 3),
            "agreement": round(overlap.agreement, 3),
            "shift": [round(overlap.right, 3), round(overlap.down, 3)],
        }
        names = one.entry.name, two.entry.name
        findings.append(Finding("overlap", "warning" if beyond else "notice", names, message, values))
    return findings


def across(one: Sample, two: Sample) -> str:
    """Words for two samples of different splits, nothing otherwise."""
    if one.entry.split == two.entry.split:
        return ""
    return f", in {one.entry.split} and {two.entry.split}: what is learned there is not new here"


def _candidates(samples: list[Sample]) -> Iterator[tuple[int, int, int]]:
    """Pairs and ways whose means agree, a block of rows at a time."""
    if len(samples) < 2:
        return
    side = FINE // _MEANS
    fine = np.stack([sample.fine for sample in samples])
    means = fine.reshape(*fine.shape[:2], _MEANS, side, _MEANS, side).mean((3, 5), dtype=np.float32)
    flat = np.array([sample.std((1, 2)) for sample in fine]) < _CONTRAST
    for way in range(len(WAYS)):
        laid = _unit(_turned(means, way))
        upright = _unit(means)
        for start in range(0, len(samples), _BLOCK):
            rows = slice(start, start + _BLOCK)
            alike = [upright[rows, half] @ laid[start:, half].T for half in range(fine.shape[1])]
            likely = alike[0] >= _LIKELY[0]
            if len(alike) == 2:
                likely &= (alike[1] >= _LIKELY[1]) | (flat[rows, None, 1] & flat[None, start:, 1])
            if way == 0:
                both = flat[rows, None, 0] & flat[None, start:, 0]
                colours = np.abs(means[rows, None].mean((3, 4)) - means[None, start:].mean((3, 4))).max(2)
                likely |= both & (colours < 2 * _NEARLY_EQUAL)
            for one, two in np.argwhere(np.triu(likely, 1)):
                yield start + int(one), start + int(two), way


def _verified(samples: list[Sample], first: int, second: int, way: int) -> Copy | None:
    """The pair as a copy, or None."""
    one, two = samples[first].fine, samples[second].fine
    if one[0].std() < _CONTRAST and two[0].std() < _CONTRAST:
        apart = np.abs(one.astype(np.float32) - two.astype(np.float32)).mean((1, 2)).max()
        return Copy(first, second, False, 0, 1.0, True) if way == 0 and apart < _NEARLY_EQUAL else None
    still, turned = one[0], _turned(two[0], way)
    best = max(_matched(still, turned, scale) for scale in _SCALES)
    return Copy(first, second, False, way, best, False) if best >= _RECOGNISED else None


def _matched(one: npt.NDArray[np.uint8], two: npt.NDArray[np.uint8], scale: float) -> float:
    """Agreement of one picture with another that is enlarged by ``scale``, where it is highest."""
    inset = FINE * (1 - min(1.0, 1 / scale)) / 2  # of the one that shows more
    boxes = [(0.0, 0.0, float(FINE), float(FINE)), (inset, inset, FINE - inset, FINE - inset)]
    if scale < 1:
        inset = FINE * (1 - scale) / 2
        boxes = [(inset, inset, FINE - inset, FINE - inset), boxes[0]]
    small = np.stack([
        np.asarray(Image.fromarray(picture).resize((COARSE, COARSE), Image.Resampling.BOX, box))
        for picture, box in zip((one, two), boxes, strict=True)
    ])  # fmt: skip
    values = detail(small, 4).astype(np.float32)
    spectra = np.fft.rfft2(values)
    surface = np.fft.irfft2(spectra[0] * spectra[1].conj(), s=(COARSE, COARSE))
    down, right = divmod(int(surface.argmax()), COARSE)
    down, right = ((place + COARSE // 2) % COARSE - COARSE // 2 for place in (down, right))
    if max(abs(down), abs(right)) > COARSE // 8:
        return 0.0
    rows, columns = (slice(max(0, move), COARSE + min(0, move)) for move in (down, right))
    back = tuple(slice(max(0, -move), COARSE + min(0, -move)) for move in (down, right))
    return agreement(values[0][rows, columns], values[1][back])


def _turned(pictures: npt.NDArray[_Any], way: int) -> npt.NDArray[_Any]:
    """``(..., s, s)`` laid in one of the :data:`WAYS`."""
    mirrored = pictures[..., ::-1] if way >= 4 else pictures
    return np.rot90(mirrored, way % 4, axes=(-2, -1))


def _unit(means: Real) -> Real:
    """``(n, k, m * m)``: every half's means without their mean, at length 1."""
    values = np.ascontiguousarray(means, np.float32).reshape(*means.shape[:2], -1)
    values = values - values.mean(2, keepdims=True)
    result: Real = values / (np.linalg.norm(values, axis=2, keepdims=True) + 1e-3)
    return result
