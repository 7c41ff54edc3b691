"""Batches made ready by a thread of their own while the device computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Protocol

AHEAD: Final = 8
"""Batches that wait at most: enough to bridge a pause of the reading thread, 3 MB at 256 pixels."""


class Batches(Protocol):
    """Where batches come from; see :mod:`mapgan.datasets` and :mod:`mapgan.unpaired`."""

    def batch(self, step: int) -> tuple[Any, Any]:
        """The two batches of step ``step``, a function of the number alone."""


class Prefetched:
    """The batches of ``dataset`` from ``start`` to ``steps``, in order, read ahead.

    The same batches as the data set gives, only sooner. A step out of order is a seek: the thread
    begins anew there. Use it as a context manager; after it no thread is left.

    Args:
        dataset: asked by the reading thread alone.
        start: the first step.
        steps: the step to stop before.
        ahead: batches that wait at most.
        convert: applied to each half of a batch by the reading thread, for example to move it to a
            device.
    """

    def __init__(
        self,
        dataset: Batches,
        start: int,
        steps: int,
        *,
        ahead: int = AHEAD,
        convert: Callable[[Any], Any] | None = None,
    ) -> None:
        self._dataset = dataset
        self._steps = steps
        self._ahead = ahead
        self._convert = convert
        self._next = start
        self._reader: _Reader | None = None

    def __enter__(self) -> Prefetched:
        """Begin to read."""
        self._start(self._next)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the thread and wait for it."""
        self.close()

    def batch(self, step: int) -> tuple[Any, Any]:
        """The two batches of step ``step``.

        Raises:
            IndexError: a step beyond the last.
            Exception: whatever the data set or the conversion raised for this step.
        """
        if step >= self._steps:
            raise IndexError(f"step {step} is beyond the last, {self._steps - 1}")
        reader = self._reader if self._reader is not None and step == self._next else self._start(step)
        self._next = step + 1
        batch, error = reader.ready.get()
        if error is not None:
            self.close()
            raise error
        pair: tuple[Any, Any] = batch
        return pair

    def close(self) -> None:
        """Stop the thread and wait for it; to be called any number of times."""
        if self._reader is not None:
            self._reader.stop()
            self._reader = None

    def _start(self, step: int) -> _Reader:
        """A thread that reads from ``step`` on, instead of the one before."""
        self.close()
        self._reader = _Reader(self._read, range(step, self._steps), self._ahead)
        return self._reader

    def _read(self, step: int) -> tuple[Any, Any]:
        """One batch, converted."""
        first, second = self._dataset.batch(step)
        return (first, second) if self._convert is None else (self._convert(first), self._convert(second))


class _Reader:
    """A thread that fills a bounded queue, an error being the last thing in it."""

    def __init__(self, read: Callable[[int], Any], steps: range, ahead: int) -> None:
        self.ready: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(ahead)
        self._stopping = False
        # a daemon: a program that ends without closing is not kept alive by it
        self._thread = threading.Thread(target=self._run, args=(read, steps), name="batches", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread: once the flag is up it puts at most one thing more, for which there is room."""
        self._stopping = True
        while self._thread.is_alive():
            try:
                self.ready.get_nowait()
            except queue.Empty:
                self._thread.join(0.01)

    def _run(self, read: Callable[[int], Any], steps: range) -> None:
        """Read step after step."""
        try:
            for step in steps:
                if self._stopping:
                    return
                self.ready.put((read(step), None))
        except BaseException as error:  # noqa: BLE001 - it is raised again where the batch is asked for
            self.ready.put((None, error))
