"""The first lines of every long-lived process: which servers cannot be used, and the settings to look at.

They are looked at beside the start, which waits for nobody: a server that is away comes back.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery.signals import beat_init, celeryd_init
from django.db import connections

from mapgan_site.doctor import FAIL, services_findings

logger = logging.getLogger(__name__)


def announce() -> None:
    """Look once, in a thread."""
    threading.Thread(target=_look, name="startup", daemon=True).start()


def _look() -> None:
    try:
        for each in services_findings():
            if each.status == FAIL:
                logger.error("%s: %s %s", each.part.capitalize(), each.message, each.advice)
    finally:
        connections.close_all()


@celeryd_init.connect(weak=False)
@beat_init.connect(weak=False)
def _process_begins(**_: Any) -> None:
    announce()
