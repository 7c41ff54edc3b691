"""Waiting for a storage that went away while somebody holds what it must not lose."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings

from storage.errors import StorageUnavailable

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST, CAP = 0.5, 15.0  # seconds between two tries
BACK = 120.0  # after so long without an error it had been back: another outage begins
LOOK = 0.5  # how long a wish to stop may go unnoticed


class Patience:
    """Waits between two tries, longer each time, until the storage has been away for too long.

    Args:
        check: asked twice a second; what it raises ends the waiting.
        seconds: of one outage; by default MAPGAN_STORAGE_PATIENCE_SECONDS.
    """

    def __init__(self, check: Callable[[], None], *, seconds: float | None = None) -> None:
        self._check = check
        self._seconds: float = settings.STORAGE_PATIENCE_SECONDS if seconds is None else seconds
        self._since: float | None = None
        self._pause = FIRST
        self._last = float("-inf")

    def wait(self, error: StorageUnavailable) -> None:
        """Wait before the next try.

        Raises:
            StorageUnavailable: ``error``, when it has lasted too long.
        """
        now = time.monotonic()
        if self._since is None or now - self._last > BACK:
            self._since, self._pause = now, FIRST
            why = " ".join(getattr(error, "__notes__", ()))
            logger.warning("The storage is away; waiting for it. %s", why)
        if now - self._since >= self._seconds:
            raise error
        until = now + random.uniform(self._pause / 2, self._pause)  # noqa: S311 - spreads load
        self._pause = min(self._pause * 2, CAP)
        while (left := until - time.monotonic()) > 0:
            self._check()
            time.sleep(min(LOOK, left))
        self._check()
        self._last = time.monotonic()


def patiently(work: Callable[[], T], check: Callable[[], None]) -> T:
    """Do ``work`` again and again while the storage is away; it must be safe to do twice.

    Raises:
        StorageUnavailable: it has been away for too long.
    """
    patience = Patience(check)
    while True:
        try:
            return work()
        except StorageUnavailable as error:
            patience.wait(error)
