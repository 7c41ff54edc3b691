"""Rows of training: uploads, datasets and their versions, runs and their checkpoints."""

from training_jobs.models.datasets import Dataset, DatasetSource, DatasetVersion, Side, SplitKind
from training_jobs.models.evaluations import Evaluation
from training_jobs.models.publications import Publication
from training_jobs.models.runs import Checkpoint, CurveChunk, RunNote, TrainingRun, Wish
from training_jobs.models.sweeps import Method, Pruner, Sweep, SweepNote, SweepState, Trial
from training_jobs.models.timelapses import TimeLapse
from training_jobs.models.uploads import Upload, UploadChunk

__all__ = [
    "Checkpoint",
    "CurveChunk",
    "Dataset",
    "DatasetSource",
    "DatasetVersion",
    "Evaluation",
    "Method",
    "Pruner",
    "Publication",
    "RunNote",
    "Side",
    "SplitKind",
    "Sweep",
    "SweepNote",
    "SweepState",
    "TimeLapse",
    "TrainingRun",
    "Trial",
    "Upload",
    "UploadChunk",
    "Wish",
]
