"""Which stored checkpoints of a run its retention lets go: the library's rule over our rows."""

from __future__ import annotations

from mapgan.config import ConfigError, TrainConfig
from mapgan.ranking import kept
from training_jobs.models import Checkpoint, TrainingRun


def spare(run: TrainingRun, config: TrainConfig | None = None) -> list[Checkpoint]:
    """The checkpoints that are neither kept by the configuration nor pinned, by step.

    The site decides by its own rows and not by what a training process removes from its local folder: a
    process that resumed has only its newest checkpoints at hand, and people change the retention meanwhile.

    Args:
        config: instead of the run's own.
    """
    if config is None:
        try:
            config = run.settings
        except ConfigError:  # of another version: better too many than too few
            return []
    checkpoints = list(run.checkpoints.order_by("step"))
    measures = {each.step: each.measures["directions"] for each in checkpoints if each.measures}
    keep = kept([each.step for each in checkpoints], measures, config)
    return [each for each in checkpoints if each.step not in keep and not each.pinned]
