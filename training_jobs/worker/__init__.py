"""The only door to the work on training: it brings files here, runs the library in a child, and stores results."""

from training_jobs.worker.examining import examine, tidy
from training_jobs.worker.training import TRANSIENT, train

__all__ = ["TRANSIENT", "examine", "tidy", "train"]
