"""What Celery runs for the translator: an id comes in, the worker or a service is called."""

from __future__ import annotations

import os
import threading
from typing import Any

from celery import current_app, shared_task
from celery.signals import worker_process_init, worker_ready
from django.db import connections

from jobs.runner import run_job
from translator import worker
from translator.models import Generator, Translation
from translator.services import leftovers_remove, orphans_sweep


@shared_task(name=Translation.TASK_NAME, ignore_result=True)
def translate(job_id: str) -> None:
    """Run one attempt of a translation, if it is to be had."""
    run_job(model=Translation, job_id=job_id, work=worker.translate)


@shared_task(name="translator.draw_sample", ignore_result=True)
def draw_sample(generator_id: str) -> None:
    """Draw the sample output of a generator that was just imported."""
    generator = Generator.objects.filter(pk=generator_id).first()
    if generator is not None:
        worker.draw_sample(generator)


@shared_task(name="translator.sweep_orphans", ignore_result=True)
def sweep_orphans() -> None:
    """Remove stored objects that no row refers to; beat sends it every hour."""
    orphans_sweep()


@shared_task(name="translator.remove_leftovers", ignore_result=True)
def remove_leftovers() -> None:
    """Delete the objects of rows that are gone; beat sends it every minute."""
    leftovers_remove()


_preloaded_in: set[int] = set()  # process ids: a forked child must load its own


def _preload() -> None:
    try:
        worker.preload()
    finally:
        connections.close_all()  # this thread's own


@worker_process_init.connect  # prefork's children, and the solo pool
@worker_ready.connect  # the threads pool
def _start_preloading(sender: Any = None, **_: Any) -> None:
    """Load the default generators beside the start, where translations will run: not in prefork's parent."""
    parent = "prefork" in type(getattr(sender, "pool", None)).__module__
    consumes = Translation.QUEUE in current_app.amqp.queues.consume_from
    if parent or not consumes or os.getpid() in _preloaded_in:
        return
    _preloaded_in.add(os.getpid())
    threading.Thread(target=_preload, name="preload", daemon=True).start()
