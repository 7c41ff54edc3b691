"""How good a generator file is on tiles it never saw, always beside two baselines on the same tiles.

A flat colour looks good on RMSE and a copied input on structure, so a figure alone says little. The
baselines are the per-channel median colour of the training targets, and the input itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mapgan import metrics
from mapgan.datasets import Pair, find_pairs, load_pair, read_stems, select_pairs
from mapgan.inference import Generator

MEDIAN_TILES = 200
"""Training tiles, evenly spread, for the median colour; more do not move it by a level."""


def score(
    generator: Generator,
    data: Path,
    tiles: Path | None,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> dict[str, Any]:
    """Measures a generator on held-out pairs.

    Args:
        generator: the loaded file; its card says the direction and the size.
        data: a paired data set (`mapgan.datasets`).
        tiles: file of held-out stems of the training split; None takes the set's `val` split.
        on_progress: called with the finished share, 0 to 1; what it raises ends the work.

    Returns:
        JSON values: `held_out` says what it was measured on; `generator`, `median_colour` and
        `input_copied` have the measures of `metrics.evaluate`.

    Raises:
        DatasetError: when the data or the list cannot be used.
        InferenceError: when the generator fails.
    """
    held_out, rest = _split(data, tiles)
    size, to_map = generator.card.image_size, generator.card.direction == "sat2map"
    pairs = [load_pair(pair, size) for pair in held_out]
    sources = np.stack([aerial if to_map else drawn for aerial, drawn in pairs])
    targets = np.stack([drawn if to_map else aerial for aerial, drawn in pairs])
    made = np.empty_like(targets)
    for index, source in enumerate(sources):
        made[index] = generator.translate(source)
        if on_progress:
            on_progress((index + 1) / len(sources))
    step = max(1, len(rest) // MEDIAN_TILES)
    known = np.stack([load_pair(pair, size)[1 if to_map else 0] for pair in rest[::step]])
    flat = np.broadcast_to(metrics.median_colour(known), targets.shape)
    rows = {"generator": made, "median_colour": flat, "input_copied": sources}
    return {
        "held_out": {"tiles": len(targets), "list": tiles.name if tiles else "val"},
        **{name: _plain(metrics.evaluate(targets, images, maps=to_map)) for name, images in rows.items()},
    }


def _split(data: Path, tiles: Path | None) -> tuple[list[Pair], list[Pair]]:
    """The held-out pairs and the training pairs."""
    if tiles is None:
        return find_pairs(data, "val"), find_pairs(data)
    stems = read_stems(tiles)
    return select_pairs(find_pairs(data), stems), find_pairs(data, exclude=stems)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Six significant digits, and None for what is not finite: JSON has no infinity."""
    plain: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            plain[name] = _plain(value)
        elif isinstance(value, float):
            plain[name] = float(f"{value:.6g}") if math.isfinite(value) else None
        else:
            plain[name] = value
    return plain
