"""Figures in words and tables, for templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Measure:
    """How a metric is shown.

    Attributes:
        label: in words.
        aim: ``1`` more is better, ``-1`` less is better, ``0`` as near to one as can be; None is unknown.
        unit: ``%`` shows a share of one as per cent; anything else is only for numbers.
    """

    label: str
    aim: int | None
    unit: str = ""


# In the order they are shown; what `mapgan.metrics` measures, in words that need no paper beside them.
MEASURES = {
    "l1": Measure("Mean difference (L1)", -1),
    "rmse": Measure("Root mean square error", -1),
    "acc5": Measure("Within 5 grey levels", 1, "%"),
    "acc10": Measure("Within 10 grey levels", 1, "%"),
    "palette_accuracy": Measure("Right map class", 1, "%"),
    "palette_miou": Measure("Overlap of classes (mIoU)", 1, "%"),
    "psnr": Measure("Peak signal to noise, dB", 1),
    "ssim": Measure("Structural similarity", 1),
    "ms_ssim": Measure("Structural similarity, five scales", 1),
    "sharpness_ratio": Measure("Sharpness (1: as real)", 0),
    "spectrum_distance": Measure("Distance of spectra", -1),
    "kid_random_cnn": Measure("Distance of textures (KID, random CNN)", -1),
    "swd": Measure("Distance of patches (SWD)", -1),
    "fid_keras_inception": Measure("FID (Keras Inception)", -1),
}
HIDDEN = {"images", "sharpness", "psnr_other"}  # a count, and figures that say nothing without others
COLUMNS = {
    "generator": "This generator",
    "median_colour": "One flat colour",
    "input_copied": "The input, copied",
}


@dataclass(frozen=True)
class Cell:
    """One figure, ``best`` of its row or not; ``between`` has the ends of its 95 % interval, if known."""

    text: str
    best: bool
    between: str = ""


@dataclass(frozen=True)
class Figures:
    """A table of a generator's metrics beside the baselines."""

    columns: list[str]
    rows: list[tuple[str, list[Cell]]]
    measured_on: str


def figures_of(card: Mapping[str, Any]) -> Figures | None:
    """The card's metrics as a table; None when it has none that can be shown."""
    metrics = card.get("metrics")
    if not isinstance(metrics, Mapping):
        return None
    sets = {name: metrics[name] for name in COLUMNS if isinstance(metrics.get(name), Mapping)}
    if "generator" not in sets:
        return None
    rows = []
    intervals = sets["generator"].get("intervals")
    order = [*MEASURES, *(key for key in sets["generator"] if key not in MEASURES and key not in HIDDEN)]
    for key in order:
        values = [_number(each.get(key)) for each in sets.values()]
        if values[0] is not None:
            cells = _cells(_measure(key), values)
            ends = _interval(_measure(key), intervals, key)
            rows.append((_measure(key).label, [replace(cells[0], between=ends), *cells[1:]]))
    if not rows:
        return None
    return Figures([COLUMNS[name] for name in sets], rows, _measured_on(metrics.get("held_out")))


def _measured_on(held_out: object) -> str:
    if not isinstance(held_out, Mapping) or not isinstance(held_out.get("tiles"), int):
        return ""
    return f"{held_out['tiles']} tiles that no training saw ({held_out.get('list', 'list unknown')})"


def _measure(key: str) -> Measure:
    return MEASURES.get(key, Measure(key.replace("_", " ").capitalize(), None))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _cells(measure: Measure, values: list[float | None]) -> list[Cell]:
    present = [value for value in values if value is not None]
    aim = measure.aim
    if aim is None:
        return [Cell(_text(measure, value), False) for value in values]
    best = max(present, key=lambda value: -abs(value - 1) if aim == 0 else aim * value)
    known = len(present) > 1
    return [Cell(_text(measure, value), known and value == best) for value in values]


def _interval(measure: Measure, intervals: object, key: str) -> str:
    """Both ends, without a unit; empty when the card does not say or says something odd."""
    ends = intervals.get(key) if isinstance(intervals, Mapping) else None
    numbers = [_number(end) for end in ends] if isinstance(ends, list | tuple) else []
    if len(numbers) != 2 or None in numbers:
        return ""
    return " to ".join(_text(measure, number).removesuffix(" %") for number in numbers)


def _text(measure: Measure, value: float | None) -> str:
    if value is None:
        return "–"  # noqa: RUF001 - a dash stands for nothing, typographically
    if measure.unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
