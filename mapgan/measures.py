"""What each measure is called, what it is counted in, and which way is better: one table for all.

The command line, the report, the site and docs/metrics.md read it. Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Container
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure.

    Attributes:
        name: its key in JSON.
        title: what people read.
        better: which way is better; ``one`` is nearest to 1.
        low, high: the range that values can have.
        unit: what it is counted in; ``%`` for shares, which JSON has as 0 to 1.
        digits: after the point, as shown.
        only: ``map`` or ``aerial``, the targets it makes sense for.
        sees: what it answers, in one sentence.
        misses: what it is blind to.
    """

    name: str
    title: str
    better: Literal["higher", "lower", "one"]
    low: float
    high: float
    unit: str = ""
    digits: int = 3
    only: Literal["map", "aerial", ""] = ""
    sees: str
    misses: str

    def text(self, value: float | None) -> str:
        """A value as people read it, without its unit; a dash for none."""
        if value is None or not math.isfinite(value):
            return "-"
        return f"{value * 100 if self.unit == '%' else value:.{self.digits}f}"

    @property
    def label(self) -> str:
        """Title and unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title


_ALL: Final = (
    Measure(
        name="palette_miou", title="Palette mIoU", better="higher", low=0, high=1, only="map",
        sees="Whether streets, parks, water and the rest lie where they should, each class counted alike.",
        misses="How a colour within a class differs; lines one pixel off count as wrong.",
    ),
    Measure(
        name="palette_accuracy", title="Palette accuracy", better="higher", low=0, high=1, unit="%",
        digits=1, only="map",
        sees="Share of pixels of the right class.",
        misses="Rare classes: most of a map is land.",
    ),
    Measure(
        name="acc5", title="acc<5", better="higher", low=0, high=1, unit="%", digits=1,
        sees="Share of pixels that are right to within 4 levels in every channel.",
        misses="How wrong the others are; a flat colour gets all pixels of that colour.",
    ),
    Measure(
        name="acc10", title="acc<10", better="higher", low=0, high=1, unit="%", digits=1,
        sees="The same to within 9 levels.",
        misses="The same; land and buildings are 11 levels apart.",
    ),
    Measure(
        name="rmse", title="RMSE", better="lower", low=0, high=255, unit="levels", digits=2,
        sees="Distance of the values, large errors most.",
        misses="Structure: it rewards blur.",
    ),
    Measure(
        name="l1", title="L1", better="lower", low=0, high=255, unit="levels", digits=2,
        sees="Mean distance of the values.",
        misses="Structure: it rewards the median colour.",
    ),
    Measure(
        name="psnr", title="PSNR", better="higher", low=0, high=math.inf, unit="dB", digits=2,
        sees="RMSE on a logarithmic scale.",
        misses="What RMSE misses.",
    ),
    Measure(
        name="ssim", title="SSIM", better="higher", low=-1, high=1,
        sees="Likeness of local brightness, contrast and structure.",
        misses="Colour; plain areas agree with plain areas, so flat pictures score high on maps.",
    ),
    Measure(
        name="ms_ssim", title="MS-SSIM", better="higher", low=0, high=1,
        sees="The same at five scales: large structure counts most.",
        misses="Fine detail and colour.",
    ),
    Measure(
        name="kid_random_cnn", title="KID (random CNN)", better="lower", low=-math.inf, high=math.inf,
        digits=4,
        sees="Whether the set's textures and colours are those of the real set.",
        misses="Whether they lie in the right place; not comparable with a KID over Inception.",
    ),
    Measure(
        name="swd", title="SWD", better="lower", low=0, high=math.inf, unit="1/1000", digits=1,
        sees="Whether small patches at every scale are like the real ones.",
        misses="Place, tint and contrast as such.",
    ),
    Measure(
        name="spectrum_distance", title="Spectrum distance", better="lower", low=0, high=math.inf,
        unit="log10", digits=3,
        sees="Too much or too little detail at any scale; a checkerboard.",
        misses="Place, direction and colour.",
    ),
    Measure(
        name="sharpness_ratio", title="Sharpness ratio", better="one", low=0, high=math.inf, digits=2,
        sees="Blur (below 1) and noise (above 1).",
        misses="Everything else.",
    ),
    Measure(
        name="fid_keras_inception", title="FID (Keras Inception)", better="lower", low=0, high=math.inf,
        digits=1,
        sees="Whether the sets look alike to a network trained on photographs.",
        misses="Place; with few tiles it is too high, so compare it at equal numbers of tiles only.",
    ),
)  # fmt: skip

MEASURES: Final[dict[str, Measure]] = {measure.name: measure for measure in _ALL}
"""By name, the most telling first."""

SHOWN: Final = {
    "sat2map": ("palette_miou", "acc5", "acc10", "rmse", "psnr", "ms_ssim", "sharpness_ratio"),
    "map2sat": ("kid_random_cnn", "swd", "spectrum_distance", "psnr", "rmse", "ms_ssim", "sharpness_ratio"),
}
"""The columns of a table for each direction; JSON has them all."""


def columns(direction: str, measured: Container[str]) -> list[str]:
    """Those of :data:`SHOWN` that were measured; without pairs they are the same for both directions."""
    names = SHOWN[direction if "rmse" in measured else "map2sat"]
    return [name for name in names if name in measured]
