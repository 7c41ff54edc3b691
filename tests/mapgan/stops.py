"""Ends of a training that a test has planned."""

from __future__ import annotations

from mapgan.stopping import Stop


class StopAfter(Stop):
    """The wish to stop once so many updates were made; asked again after a checkpoint, it counts none."""

    def __init__(self, updates: int) -> None:
        super().__init__()
        self._left = updates

    def __call__(self) -> bool:
        self._left -= self.unsaved
        return self._left <= 0
