"""The reading thread: the same batches in the same order, seeks, errors, and nothing left behind."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from mapgan.prefetch import Prefetched
from tests.mapgan.test_datasets import dataset, numbered

Batch = tuple[np.ndarray, np.ndarray]


class Numbers:
    """Batches that are their number; a data set that counts what it was asked, and may fail."""

    def __init__(self, broken: int | None = None) -> None:
        self.asked: list[int] = []
        self.threads: set[str] = set()
        self._broken = broken

    def batch(self, step: int) -> tuple[int, int]:
        """The number and its negative."""
        self.asked.append(step)
        self.threads.add(threading.current_thread().name)
        if step == self._broken:
            raise OSError("the disk is gone")
        return step, -step


def readers() -> list[threading.Thread]:
    """Reading threads that are alive."""
    return [thread for thread in threading.enumerate() if thread.name == "batches"]


def test_same_batches() -> None:
    """As the data set itself gives them, from any start."""
    plain, read = dataset(numbered(7)), dataset(numbered(7))
    with Prefetched(read, 5, 40) as batches:
        for step in range(5, 40):
            for found, expected in zip(batches.batch(step), plain.batch(step), strict=True):
                np.testing.assert_array_equal(found, expected)
    assert not readers()


def test_seek() -> None:
    """A step out of order, forwards or back, is found; reading goes on from there."""
    with Prefetched(Numbers(), 0, 100) as batches:
        for step in (0, 1, 50, 51, 3, 4, 99):
            assert batches.batch(step) == (step, -step)
        with pytest.raises(IndexError, match="beyond the last, 99"):
            batches.batch(100)
    assert not readers()


def test_reads_ahead_and_no_further() -> None:
    """A full queue stops the thread, which ends in the middle when it is told to."""
    data = Numbers()
    with Prefetched(data, 0, 10**9, ahead=3) as batches:
        assert batches.batch(0) == (0, 0)
        assert readers()
    assert not readers()
    assert data.asked == list(range(len(data.asked)))
    assert len(data.asked) <= 6  # one taken, three wait, one in hand, one while stopping
    assert data.threads == {"batches"}


def test_errors_come_up_where_the_batch_is_asked_for() -> None:
    """After the good ones before it, as they were raised; nothing hangs when it is asked again."""
    with Prefetched(Numbers(broken=2), 0, 10) as batches:
        assert [batches.batch(step)[0] for step in (0, 1)] == [0, 1]
        for _ in range(2):
            with pytest.raises(OSError, match="the disk is gone"):
                batches.batch(2)
    assert not readers()


def test_an_error_of_the_caller_stops_the_thread() -> None:
    """The context ends however it ends."""
    with pytest.raises(KeyError), Prefetched(Numbers(), 0, 10):
        raise KeyError
    assert not readers()


def test_conversion_is_the_threads_work() -> None:
    """Each half is converted before it is handed over."""
    where: set[str] = set()

    def convert(half: int) -> str:
        where.add(threading.current_thread().name)
        return str(half)

    with Prefetched(Numbers(), 0, 3, convert=convert) as batches:
        assert batches.batch(1) == ("1", "-1")
    assert where == {"batches"}
