"""Figures in words and tables, for templates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mapgan.measures import MEASURES

# In the order they are shown, in words that need no paper beside them.
WORDS = {
    "l1": "Mean difference (L1)",
    "rmse": "Root mean square error",
    "acc5": "Within 5 grey levels",
    "acc10": "Within 10 grey levels",
    "palette_accuracy": "Right map class",
    "palette_miou": "Overlap of classes (mIoU)",
    "psnr": "Peak signal to noise, dB",
    "ssim": "Structural similarity",
    "ms_ssim": "Structural similarity, five scales",
    "sharpness_ratio": "Sharpness (1: as real)",
    "spectrum_distance": "Distance of spectra",
    "kid_random_cnn": "Distance of textures (KID, random CNN)",
    "swd": "Distance of patches (SWD)",
    "fid_keras_inception": "FID (Keras Inception)",
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
    order = [*WORDS, *(key for key in sets["generator"] if key not in WORDS and key not in HIDDEN)]
    for key in order:
        values = [_number(each.get(key)) for each in sets.values()]
        if values[0] is not None:
            first, *others = _cells(key, values)
            label = WORDS.get(key, key.replace("_", " ").capitalize())
            rows.append((label, [replace(first, between=_interval(key, intervals)), *others]))
    if not rows:
        return None
    return Figures([COLUMNS[name] for name in sets], rows, _measured_on(metrics.get("held_out")))


def _measured_on(held_out: object) -> str:
    if not isinstance(held_out, Mapping) or not isinstance(held_out.get("tiles"), int):
        return ""
    return f"{held_out['tiles']} tiles that no training saw ({held_out.get('list', 'list unknown')})"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _cells(key: str, values: list[float | None]) -> list[Cell]:
    """A row; nobody knows which is the best of a measure that is not ours."""
    present = [value for value in values if value is not None]
    best: float | None = None
    if key in MEASURES and len(present) > 1:
        better = MEASURES[key].better
        best = max(present, key=lambda value: {"higher": value, "lower": -value}.get(better, -abs(value - 1)))
    return [Cell(_text(key, value), value is not None and value == best) for value in values]


def _interval(key: str, intervals: object) -> str:
    """Both ends, without a unit; empty when the card does not say or says something odd."""
    ends = intervals.get(key) if isinstance(intervals, Mapping) else None
    numbers = [_number(end) for end in ends] if isinstance(ends, list | tuple) else []
    if len(numbers) != 2 or None in numbers:
        return ""
    return " to ".join(_text(key, number).removesuffix(" %") for number in numbers)


def _text(key: str, value: float | None) -> str:
    if value is None:
        return "–"  # noqa: RUF001 - a dash stands for nothing, typographically
    if key in MEASURES and MEASURES[key].unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.3g}" if abs(value) < 10 else f"{value:.1f}"
