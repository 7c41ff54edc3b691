"""Which checkpoints stay: the newest, the best measured, and every so many steps one for history."""

from __future__ import annotations

from mapgan import checkpoints, events
from mapgan.callbacks.base import Callback, Exam
from mapgan.callbacks.evaluation import read_metrics
from mapgan.ranking import kept


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
