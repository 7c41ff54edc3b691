"""What Celery runs for training: an id comes in, the worker or a service is called."""

from __future__ import annotations

from celery import shared_task

from jobs.runner import run_job
from training_jobs import worker
from training_jobs.models import DatasetVersion, Evaluation, Publication, TimeLapse, TrainingRun
from training_jobs.services import uploads_sweep
from training_jobs.services.sweeping import sweeps_advance
from training_jobs.services.sweeps import ADVANCE_TASK, sweep_hear


@shared_task(name=DatasetVersion.TASK_NAME, ignore_result=True)
def examine(job_id: str) -> None:
    """Run one attempt at examining a dataset's version, if it is to be had."""
    run_job(model=DatasetVersion, job_id=job_id, work=worker.examine)
    worker.tidy(job_id)


@shared_task(name=TrainingRun.TASK_NAME, ignore_result=True)
def train(job_id: str) -> None:
    """Run one attempt at a training run, if it is to be had."""
    run_job(model=TrainingRun, job_id=job_id, work=worker.train)
    sweep_hear(run_id=job_id)


@shared_task(name=Publication.TASK_NAME, ignore_result=True)
def publish(job_id: str) -> None:
    """Run one attempt at publishing a checkpoint, if it is to be had."""
    run_job(model=Publication, job_id=job_id, work=worker.publish)


@shared_task(name=ADVANCE_TASK, ignore_result=True)
def advance_sweeps() -> None:
    """Launch the next runs of every sweep; beat sends it every few seconds, and so does a run that ends."""
    sweeps_advance()


@shared_task(name=Evaluation.TASK_NAME, ignore_result=True)
def evaluate(job_id: str) -> None:
    """Run one attempt at measuring a checkpoint, if it is to be had."""
    run_job(model=Evaluation, job_id=job_id, work=worker.evaluate)


@shared_task(name=TimeLapse.TASK_NAME, ignore_result=True)
def draw_timelapse(job_id: str) -> None:
    """Run one attempt at drawing a time-lapse, if it is to be had."""
    run_job(model=TimeLapse, job_id=job_id, work=worker.lapse)


@shared_task(name="training_jobs.sweep_uploads", ignore_result=True)
def sweep_uploads() -> None:
    """Discard uploads that nobody finished or used; beat sends it every hour."""
    uploads_sweep()
