"""The machine a benchmark ran on, in words and in GFLOP/s, so that its figures can be compared."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def describe() -> str:
    """Processor, cores that this process may use, system and Python."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{model}, {cores()} cores, {system}"


def load() -> str:
    """How busy the machine already was: a benchmark beside other work measures the other work."""
    return f"load average before the start: {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""


def busy_share(seconds: float = 2.0) -> float:
    """Share of all cores that other programs use just now, 0 to 1; 0 where the system does not tell."""
    before = _processor_ticks()
    time.sleep(seconds)
    after = _processor_ticks()
    if before is None or after is None or after[1] == before[1]:
        return 0.0
    return 1.0 - (after[0] - before[0]) / (after[1] - before[1])


def _processor_ticks() -> tuple[int, int] | None:
    """Idle ticks and all ticks of all cores since the start of the system."""
    file = Path("/proc/stat")
    if not file.is_file():
        return None
    ticks = [int(number) for number in file.read_text().splitlines()[0].split()[1:]]
    return ticks[3] + ticks[4], sum(ticks[:8])  # idle and waiting for a disk; guests are in user already


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def sgemm_gflops(size: int = 1536, repeats: int = 7) -> float:
    """Best GFLOP/s of a square single-precision product in NumPy: 2 n^3 operations."""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size)).astype(np.float32) for _ in range(2))
    seconds = min(measure(lambda: a @ b) for _ in range(repeats))
    return float(2 * size**3 / seconds / 1e9)


def measure(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(rivals: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, every round calling each rival once in turn: drift of the machine (heat,
    neighbours) meets all alike. One round before is not counted."""
    for work in rivals.values():
        work()
    seconds: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, work in rivals.items():
            seconds[name].append(measure(work))
    return seconds


def table(seconds: dict[str, list[float]], baseline: str) -> str:
    """Median, fastest, and the ratio of medians to `baseline`, one row a rival."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    width = max(map(len, seconds))
    rows = [f"{'':{width}}  median ms  fastest ms  x {baseline}"]
    for name, values in seconds.items():
        ratio = medians[name] / medians[baseline]
        rows.append(f"{name:{width}}  {medians[name] * 1e3:9.1f}  {min(values) * 1e3:10.1f}  {ratio:5.2f}")
    return "\n".join(rows)
