"""The only door to the work on training: files come, the library runs in a child, results are stored."""

from training_jobs.worker.evaluating import evaluate
from training_jobs.worker.examining import examine, tidy
from training_jobs.worker.lapsing import lapse
from training_jobs.worker.publishing import publish
from training_jobs.worker.training import train

__all__ = ["evaluate", "examine", "lapse", "publish", "tidy", "train"]
