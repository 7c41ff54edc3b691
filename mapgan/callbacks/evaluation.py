"""How good every checkpoint is on tiles that it never learnt from, beside what costs nothing.

The measures go into ``metrics.json`` of the checkpoint and an ``evaluation`` event; two trivial
translations (the training targets' median colour, the input copied) are measured once, before the
first step, into ``baselines.json``: without them no figure says anything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from mapgan import events, judging, metrics
from mapgan.callbacks.base import Callback, Exam, Session, View
from mapgan.translating import Translate
from mapgan.whole import written

METRICS: Final = "metrics.json"
BASELINES: Final = "baselines.json"
MEDIAN_PICTURES: Final = 100
"""Training targets that the median colour is taken of; more do not move it by a level."""


class Evaluation(Callback):
    """Measures every checkpoint on ``config.evaluate_tiles`` validation tiles."""

    repeatable = True

    def start(self, session: Session, step: int) -> None:
        """Measure the baselines, unless the run has them."""
        path = session.run / BASELINES
        views = session.views(session.config.evaluate_tiles)
        tiles = len(views[0].sources) if views else 0
        if not views or _tiles(path) == tiles:
            return
        directions = {view.direction: _baselines(session, view) for view in views}
        _write(path, {"tiles": tiles, "directions": directions})
        session.say(events.Baselines(tiles=tiles, directions=directions))

    def examine(self, exam: Exam) -> None:
        """Measure; a checkpoint that has its figures keeps them."""
        views = exam.session.views(exam.session.config.evaluate_tiles)
        path = exam.path / METRICS
        if not views or path.is_file():
            return
        directions = _finite({view.direction: _measure(exam.translate(view), view) for view in views})
        tiles = len(views[0].sources)
        _write(path, {"step": exam.step, "tiles": tiles, "directions": directions})
        exam.session.say(events.Evaluation(step=exam.step, tiles=tiles, directions=directions))


def read_metrics(checkpoint: Path) -> dict[str, dict[str, float]]:
    """The measures of a checkpoint by direction; empty when it was never measured or they cannot be read."""
    try:
        found = json.loads((checkpoint / METRICS).read_bytes())["directions"]
        return {str(name): {k: float(v) for k, v in row.items()} for name, row in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _tiles(path: Path) -> int:
    """On how many tiles the baselines of a run were measured; 0 when they were not."""
    try:
        return int(json.loads(path.read_bytes())["tiles"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _measure(translate: Translate, view: View) -> dict[str, float]:
    """All measures where the targets are known; without pairs those of whole sets."""
    maps = view.direction == "sat2map"
    if view.paired:
        return judging.judge(translate, view.sources, view.targets, maps=maps)
    made = translate(view.sources)
    found = metrics.measure(view.targets, made, maps=maps, paired=False, intervals=False).values
    return {name: float(value) for name, value in found.items() if isinstance(value, int | float)}


def _baselines(session: Session, view: View) -> dict[str, dict[str, float]]:
    """The measures of a flat picture in the median colour, and of the input as it is."""
    flat = _median(session, view.direction)
    return _finite(
        {
            "median_colour": _measure(lambda batch: np.broadcast_to(flat, batch.shape), view),
            "input_copied": _measure(lambda batch: batch, view),
        }
    )


def _median(session: Session, direction: str) -> Any:
    """Median colour of the first training targets in ``direction``."""
    config = session.config
    # Of a CycleGAN's batch the second one is always of B, the maps.
    side = 0 if config.model == "cyclegan" and direction == "map2sat" else 1
    batches = min(MEDIAN_PICTURES, len(session.dataset)) // config.batch_size
    found = [np.asarray(session.dataset.batch(step)[side]) for step in range(max(1, batches))]
    return metrics.median_colour(np.concatenate(found))


def _finite(rows: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Six significant digits of every number that JSON has."""
    return {
        name: {key: float(f"{value:.6g}") for key, value in row.items() if math.isfinite(value)}
        for name, row in rows.items()
    }


def _write(path: Path, values: dict[str, Any]) -> None:
    """Whole or not at all."""
    with written(path) as file:
        file.write(json.dumps(values, indent=1).encode())
