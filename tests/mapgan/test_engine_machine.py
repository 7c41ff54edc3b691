"""The processor of a run, on whatever system."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from mapgan import engine
from mapgan.engine import machine


def test_cores_where_a_system_binds_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, for the count itself and for an engine that was told nothing."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert machine.cores() == os.cpu_count()
    assert engine.select().threads() == os.cpu_count()


def test_the_name_of_the_processor(tmp_path: Path) -> None:
    """With what tells apart generations of one name; elsewhere what Python knows."""
    listing = tmp_path / "cpuinfo"
    one = "processor\t: {}\ncpu family\t: 6\nmodel\t\t: {}\nmodel name\t: Abacus\n\n"
    listing.write_text(one.format(0, 85) + one.format(1, 86))
    assert machine.processor(listing) == "Abacus (family 6, model 85)"
    plain = platform.processor() or platform.machine()
    listing.write_text("processor\t: 0\nCPU architecture: 8\n")
    assert machine.processor(listing) == plain
    assert machine.processor(tmp_path / "nothing") == plain
