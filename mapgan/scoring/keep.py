"""A run's own measures, where its training wrote none: ``metrics.json`` of the checkpoints."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

from mapgan.scoring import Result

FILE: Final = "metrics.json"


def keep_measures(result: Result) -> list[Path]:
    """Write the measures of checkpoints that have none, as a training does.

    Args:
        result: on the tiles that the run holds out itself; others would not compare with those of a
            training.

    Returns:
        The files that were written.

    Raises:
        OSError: one cannot be written.
    """
    found: dict[Path, dict[str, Any]] = {}
    for direction, rows in result.rows.items():
        for row in rows:
            if row.kind == "checkpoint" and row.path and not (row.path / FILE).exists():
                values = {
                    name: float(f"{value:.6g}")
                    for name, value in row.measured.values.items()
                    if isinstance(value, int | float) and math.isfinite(value)
                }
                entry = found.setdefault(
                    row.path, {"step": row.step, "tiles": result.tiles, "directions": {}}
                )
                entry["directions"][direction] = values
    for path, entry in found.items():
        part = path / f".{FILE}.part"
        part.write_text(json.dumps(entry, indent=1), encoding="utf-8")
        part.replace(path / FILE)
    return [path / FILE for path in found]
