"""Which checkpoints stay: the newest, the best measured, and every so many steps one for history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mapgan import checkpoints, events, ranking
from mapgan.callbacks.base import Callback, Exam
from mapgan.callbacks.evaluation import read_metrics
from mapgan.config import TrainConfig

Measures = Mapping[int, Mapping[str, Mapping[str, float]]]
"""Measures by step, then direction; steps that were never measured are left out."""


class Retention(Callback):
    """Drops what ``keep_checkpoints``, ``keep_best`` and ``keep_every`` do not keep."""

    def examine(self, exam: Exam) -> None:
        """After a new checkpoint was measured; the newest is never dropped."""
        run, config = exam.session.run, exam.session.config
        if not config.keep_checkpoints:
            return
        paths = checkpoints.steps(run)
        measures = {step: found for step, path in paths.items() if (found := read_metrics(path))}
        for step in sorted(set(paths) - kept(paths, measures, config)):
            checkpoints.remove(paths[step])
            exam.session.say(events.Removed(step=step, path=str(paths[step])))


def kept(steps: Iterable[int], measures: Measures, config: TrainConfig) -> set[int]:
    """The steps whose checkpoints stay.

    Args:
        steps: of all checkpoints of the run.
        measures: of those that were measured.
        config: ``keep_checkpoints`` newest stay (0: all of them), and ``keep_best`` of each direction by
            :func:`mapgan.ranking.ranking_key`, and multiples of ``keep_every``.
    """
    ordered = sorted(steps)
    if not config.keep_checkpoints:
        return set(ordered)
    keep = set(ordered[-config.keep_checkpoints :])
    if config.keep_every:
        keep |= {step for step in ordered if step % config.keep_every == 0}
    for direction in config.directions if config.keep_best else ():
        keys = {
            step: (ranking.ranking_key(row[direction], maps=direction == "sat2map"), step)
            for step, row in measures.items()
            if direction in row
        }
        keep |= set(sorted(keys, key=keys.__getitem__)[-config.keep_best :])
    return keep & set(ordered)
