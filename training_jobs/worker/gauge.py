"""What a training uses of its machine: cores and memory of its processes, and the graphics cards' share."""

from __future__ import annotations

import contextlib
import platform
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any, Final

import psutil

HISTORY: Final = 60  # readings shown as a line


class Gauge:
    """Reads a process and all it started, again and again.

    Cards are read through NVIDIA's own library where it and a card are there; without either there are none.
    """

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None
        self._history: deque[float] = deque(maxlen=HISTORY)
        self._cores = psutil.cpu_count() or 1
        self._machine = {"host": platform.node(), "device": _processor(), "cores": self._cores}

    def read(self, pid: int) -> dict[str, Any] | None:
        """What it uses now; None when the process is gone.

        Returns:
            ``host``, ``device``, ``cores``; ``cpu``, in per cent of one core since the last reading;
            ``memory``, bytes; ``gpus``, each with ``name``, ``use`` (per cent), ``memory`` and ``total``
            (bytes); ``history``, the last readings of the busiest part in per cent of all it could be.
        """
        with contextlib.suppress(psutil.Error):
            top = psutil.Process(pid)
            seconds, memory = _totals([top, *top.children(recursive=True)])
            now, cpu = monotonic(), 0.0
            if self._before is not None and now > self._before[0]:
                cpu = max(0.0, 100 * (seconds - self._before[1]) / (now - self._before[0]))
            self._before = (now, seconds)
            gpus = list(_cards())
            shares = [cpu / self._cores, *(gpu["use"] for gpu in gpus)]
            self._history.append(round(min(max(shares), 100.0), 1))
            return {
                **self._machine,
                "cpu": round(cpu, 1),
                "memory": memory,
                "gpus": gpus,
                "history": list(self._history),
            }
        return None


def _totals(processes: list[psutil.Process]) -> tuple[float, int]:
    """Seconds of processor time and bytes of memory, of all that still live."""
    seconds, memory = 0.0, 0
    for process in processes:
        with contextlib.suppress(psutil.Error), process.oneshot():
            times = process.cpu_times()
            seconds += times.user + times.system
            memory += process.memory_info().rss
    return seconds, memory


def _cards() -> Iterator[dict[str, Any]]:
    """The cards of this machine. Whatever the driver does not like is no reason to disturb a training."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # noqa: BLE001 - no library, no driver, no card, a driver of another version
        return
    with contextlib.suppress(pynvml.NVMLError):
        for index in range(pynvml.nvmlDeviceGetCount()):
            card = pynvml.nvmlDeviceGetHandleByIndex(index)
            memory = pynvml.nvmlDeviceGetMemoryInfo(card)
            name = pynvml.nvmlDeviceGetName(card)
            yield {
                "name": name.decode() if isinstance(name, bytes) else str(name),
                "use": int(pynvml.nvmlDeviceGetUtilizationRates(card).gpu),
                "memory": int(memory.used),
                "total": int(memory.total),
            }


def _processor() -> str:
    """The processor's name, as the kernel tells it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
