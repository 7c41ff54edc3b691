"""How good every checkpoint is on tiles that it never learnt from, beside what costs nothing.

The measures go into ``metrics.json`` of the checkpoint and an ``evaluation`` event; two trivial
translations (the training targets' median colour, the input copied) are measured once, before the
first step, into ``baselines.json``: without them no figure says anything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np

from mapgan import events, judging, metrics
from mapgan.callbacks.base import Callback, Exam, Session, View
from mapgan.translating import Translate
from mapgan.whole import written

METRICS: Final = "metrics.json"
BASELINES: Final = "baselines.json"
SHOWN: Final = "tiles_sha256"
"""Key of the fingerprint of the tiles in both files; figures without one are taken for comparable."""
OTHER_TILES: Final = (
    "the run was measured on other validation tiles so far: the baselines are measured again, but figures of "
    "earlier checkpoints cannot be compared with later ones; mapgan evaluate measures all of them alike"
)
MEDIAN_PICTURES: Final = 100
"""Training targets that the median colour is taken of; more do not move it by a level."""


class Evaluation(Callback):
    """Measures every checkpoint on ``config.evaluate_tiles`` validation tiles."""

    repeatable = True

    def start(self, session: Session, step: int) -> None:
        """Measure the baselines, unless the run has them, of these tiles."""
        path = session.run / BASELINES
        views = session.views(session.config.evaluate_tiles)
        if not views:
            return
        tiles, shown, before = len(views[0].sources), _fingerprint(views), _read(path)
        if before.get(SHOWN, shown) != shown:
            session.say(events.Warned(step=step, message=OTHER_TILES))
        elif before.get("tiles") == tiles:
            return
        directions = {view.direction: _baselines(session, view) for view in views}
        _write(path, {"tiles": tiles, SHOWN: shown, "directions": directions})
        session.say(events.Baselines(tiles=tiles, directions=directions))

    def examine(self, exam: Exam) -> None:
        """Measure; a checkpoint that has its figures, of these tiles, keeps them."""
        views = exam.session.views(exam.session.config.evaluate_tiles)
        path = exam.path / METRICS
        shown = _fingerprint(views)
        if not views or (path.is_file() and _read(path).get(SHOWN, shown) == shown):
            return
        directions = _finite({view.direction: _measure(exam.translate(view), view) for view in views})
        tiles = len(views[0].sources)
        _write(path, {"step": exam.step, "tiles": tiles, SHOWN: shown, "directions": directions})
        exam.session.say(events.Evaluation(step=exam.step, tiles=tiles, directions=directions))


def read_metrics(checkpoint: Path) -> dict[str, dict[str, float]]:
    """The measures of a checkpoint by direction; empty when it was never measured or they cannot be read."""
    try:
        found = json.loads((checkpoint / METRICS).read_bytes())["directions"]
        return {str(name): {k: float(v) for k, v in row.items()} for name, row in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _read(path: Path) -> dict[str, Any]:
    """What :func:`_write` wrote; empty where there is nothing of the kind."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _fingerprint(views: Sequence[View]) -> str:
    """SHA-256 over the pixels that are measured."""
    digest = sha256()
    for view in views:
        digest.update(np.ascontiguousarray(view.sources).data)
        digest.update(np.ascontiguousarray(view.targets).data)
    return digest.hexdigest()


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
