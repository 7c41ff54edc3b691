"""What a training uses of its machine, arranged for a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 120  # of the line, in its own units
HEIGHT: Final = 24


@dataclass(frozen=True)
class Usage:
    """The last reading of `training_jobs.worker.gauge`."""

    reading: dict[str, Any]

    def __bool__(self) -> bool:
        return bool(self.reading)

    @property
    def device(self) -> str:
        """What computes: the card where there is one in use, else the processor."""
        cards = [gpu["name"] for gpu in self.gpus if gpu["use"]]
        return ", ".join(cards) or str(self.reading.get("device", ""))

    @property
    def host(self) -> str:
        """The worker's machine."""
        return str(self.reading.get("host", ""))

    @property
    def cores_used(self) -> float:
        """Processor cores that were busy with it."""
        return float(self.reading.get("cpu", 0.0)) / 100

    @property
    def cores(self) -> int:
        """Processor cores of the machine."""
        return int(self.reading.get("cores", 1))

    @property
    def memory(self) -> int:
        """Bytes that its processes hold."""
        return int(self.reading.get("memory", 0))

    @property
    def gpus(self) -> list[dict[str, Any]]:
        """Each with ``name``, ``use`` in per cent, ``memory`` and ``total`` in bytes."""
        return list(self.reading.get("gpus", []))

    @property
    def line(self) -> str:
        """The last readings as points of an SVG polyline; empty for fewer than two."""
        history = [float(each) for each in self.reading.get("history", [])]
        if len(history) < 2:
            return ""
        across = WIDTH / (len(history) - 1)
        return " ".join(
            f"{place * across:.1f},{HEIGHT - 1 - (HEIGHT - 2) * share / 100:.1f}"
            for place, share in enumerate(history)
        )
