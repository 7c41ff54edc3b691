"""Holding on to freed memory: what the C library is told, and that nothing breaks by it."""

from __future__ import annotations

import ctypes

import pytest

from mapgan.engine import heap


def test_the_c_library_takes_the_settings() -> None:
    if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("not the GNU C library")
    assert heap.keep_freed_memory()


def test_another_c_library_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())  # one without mallopt
    assert not heap.keep_freed_memory()
