"""How a run is asked to stop, at any moment of its life, and lose nothing.

Between two updates the loop looks; then it saves and ends. Where nothing is unsaved (pictures are being
read, the first step is being compiled, a saved checkpoint is being judged) a signal ends the work
at once instead, so that nobody waits for what will be thrown away.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Final

PATIENCE: Final = 10.0
"""Seconds that a compiler or another long call gets to end by itself; 20 is what a run may take."""
ONE_REQUEST: Final = 1.0
"""Seconds in which further signals are the same request: GNU ``timeout`` and others send it to the process
and then to its group."""


class Stopped(BaseException):
    """A signal came while nothing was unsaved. No ``except Exception`` of a callback swallows it."""


class Stop:
    """The wish to stop.

    Args:
        wish: asked after every step and checkpoint; the loop saves and ends when it is true.
    """

    def __init__(self, wish: Callable[[], bool] = lambda: False) -> None:
        self._wish = wish
        self.wanted = False
        """Set by whoever has another reason."""
        self.unsaved = False
        """Kept by the loop: whether updates were made since the last checkpoint."""

    def __call__(self) -> bool:
        return self.wanted or self._wish()


@contextlib.contextmanager
def stop_on_signals(at_once: Callable[[], None] = lambda: None) -> Iterator[Stop]:
    """Turn the first SIGTERM or SIGINT into a polite request; ``ONE_REQUEST`` later they act as usual.

    Args:
        at_once: called before the process is ended from outside the main thread, which happens when a
            signal came with nothing unsaved and the main thread has not come back from a foreign call
            (a compiler) for ``PATIENCE`` seconds.

    Yields:
        What is true once a signal has come; give it to :func:`mapgan.training.train` as ``stop``.

    Raises:
        Stopped: inside the block, when a signal comes while nothing is unsaved.
    """
    received: list[float] = []
    previous: dict[int, Any] = {}
    stop = Stop(lambda: bool(received))
    over = threading.Event()

    def remember(number: int, _frame: FrameType | None) -> None:
        received.append(time.monotonic())
        if len(received) > 1:
            if received[-1] - received[0] >= ONE_REQUEST:
                signal.signal(number, previous[number])
                os.kill(os.getpid(), number)
        elif not stop.unsaved:
            raise Stopped

    def end_if_stuck() -> None:
        """The main thread has not come back to Python, and nothing is lost with it."""
        if not over.wait(PATIENCE) and not received and not stop.unsaved:
            at_once()
            os._exit(0)

    with _woken(end_if_stuck):
        for number in (signal.SIGTERM, signal.SIGINT):
            previous[number] = signal.signal(number, remember)
        try:
            yield stop
        finally:
            over.set()
            for restored, handler in previous.items():
                signal.signal(restored, handler)


@contextlib.contextmanager
def _woken(act: Callable[[], None]) -> Iterator[None]:
    """Call ``act`` in a thread after the first signal, even while the main thread is in a foreign call.

    Python runs a handler only between two of its own instructions; the byte in the pipe comes at once.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def wait() -> None:
        while byte := os.read(reading, 1):
            if byte[0] in (signal.SIGTERM, signal.SIGINT):  # others may have handlers, too
                act()
                return

    thread = threading.Thread(target=wait, name="signals", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)  # the thread reads the end, if it still waits
        thread.join(timeout=PATIENCE + 1)
        os.close(reading)
