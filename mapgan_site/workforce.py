"""Every Celery process keeps its row in the database (`jobs.models.Worker`), from a thread of its own.

The rows are what the page of workers shows; the list in the broker (`mapgan_site.presence`) is for /healthz,
which must know within a second. Beat signs only when it has ticked: one that lives without ticking is missed.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.signals import after_task_publish, beat_init, worker_ready, worker_shutting_down
from django.db import DatabaseError, InterfaceError, connections

from jobs.workers import worker_sign, worker_sign_off

logger = logging.getLogger(__name__)

EVERY_SECONDS = 10.0
BEAT = "beat"

_stop = threading.Event()
_ticked = threading.Event()


def _keep_row(role: str, queues: list[str]) -> None:
    """Sign until the process stops. A database that is away is no news here: the work itself says so."""
    first = True
    while not _stop.is_set():
        if role != BEAT or _ticked.is_set():
            _ticked.clear()
            first = not _tried(partial(worker_sign, role=role, queues=queues, first=first)) and first
        _stop.wait(EVERY_SECONDS)
    _tried(worker_sign_off)
    connections.close_all()


def _tried(write: Callable[[], None]) -> bool:
    try:
        write()
    except (DatabaseError, InterfaceError) as error:
        logger.debug("could not sign the row: %s", error)
        connections.close_all()
        return False
    return True


def _start(role: str, queues: list[str]) -> None:
    threading.Thread(target=_keep_row, args=(role, queues), name="workforce", daemon=True).start()


@worker_ready.connect(weak=False)
def worker_signs(sender: Any, **_: Any) -> None:
    """A worker names its queues."""
    queues = sorted(sender.app.amqp.queues.consume_from)
    _start(", ".join(queues)[:40], queues)


@worker_shutting_down.connect(weak=False)
def worker_signs_off(**_: Any) -> None:
    """The thread takes the row along on its way."""
    _stop.set()


@beat_init.connect(weak=False)
def beat_signs(**_: Any) -> None:
    """The scheduler takes nothing from a queue."""
    after_task_publish.connect(lambda **_: _ticked.set(), weak=False)
    _start(BEAT, [])
    atexit.register(_beat_signs_off)  # it has no signal of its own for that


def _beat_signs_off() -> None:
    _stop.set()
    _tried(worker_sign_off)
