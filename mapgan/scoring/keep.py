"""A run's own measures, where its training wrote none: ``metrics.json`` of the checkpoints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from mapgan import checkpoints, holdout
from mapgan.checkpoints import CheckpointError
from mapgan.config import TrainConfig
from mapgan.scoring import Result
from mapgan.whole import written

FILE: Final = "metrics.json"
BASELINES: Final = "baselines.json"
SAME: Final = 1e-5
"""Difference, as a part, within which two figures are of the same tiles: a run's files have six digits."""


def keep_measures(result: Result) -> list[Path]:
    """Write the measures of checkpoints that have none, as their training would have.

    Left alone are unpaired sets, checkpoints with a direction that was not measured, and runs that are
    judged on other tiles than these: the figures would not compare.

    Args:
        result: of averaged weights.

    Returns:
        The files that were written.

    Raises:
        OSError: one cannot be written.
    """
    found: dict[Path, dict[str, dict[str, float]]] = {}
    for direction, rows in result.rows.items() if result.paired else ():
        for row in rows:
            if row.kind == "checkpoint" and row.path and not (row.path / FILE).exists():
                found.setdefault(row.path, {})[direction] = _rounded(row.measured.values)
    kept = []
    for path, directions in found.items():
        with suppress(CheckpointError):  # removed meanwhile
            checkpoint = checkpoints.read_manifest(path)
            whole = set(checkpoint.config.directions) == set(directions)
            if whole and _on_own_tiles(path.resolve().parent.parent, checkpoint.config, result):
                entry = {"step": checkpoint.step, "tiles": result.tiles, "directions": directions}
                with written(path / FILE) as file:
                    file.write(json.dumps(entry, indent=1).encode())
                kept.append(path / FILE)
    return kept


def _on_own_tiles(run: Path, config: TrainConfig, result: Result) -> bool:
    """Whether the run is judged on these tiles: its training measured the same of their inputs, copied."""
    try:
        told = json.loads((run / BASELINES).read_bytes())
        known = {direction: told["directions"][direction]["input_copied"] for direction in config.directions}
        count = int(told["tiles"])
    except (OSError, ValueError, KeyError, TypeError):  # it measures nothing, or has not begun to
        own = result.label == holdout.FILE and (run / holdout.FILE).is_file()
        return own and (not config.evaluate_tiles or result.tiles <= config.evaluate_tiles)
    copied = {
        direction: _rounded(row.measured.values)
        for direction, rows in result.rows.items()
        for row in rows
        if row.series == "input_copied" and row.size == config.image_size
    }
    return count == result.tiles and all(
        math.isclose(copied[direction].get(name, math.nan), value, rel_tol=SAME, abs_tol=SAME)
        for direction, values in known.items()
        for name, value in values.items()
    )


def _rounded(values: Mapping[str, Any]) -> dict[str, float]:
    """The plain finite numbers, with six digits."""
    return {
        name: float(f"{value:.6g}")
        for name, value in values.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
