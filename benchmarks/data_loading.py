"""What the training thread waits for its batches at 300 steps a second, the pace of a fast card.

    .venv/bin/python -m benchmarks.data_loading [--seconds N]

The data set is the one of a `seed` run: pairs of 286 pixels in memory, cut to 256 and mirrored anew, read
ahead by a thread. The consumer stands for a card: between two batches it sleeps a three-hundredth of a
second, as a program does that waits for its device, without holding Python's lock.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np

from benchmarks.contest import say
from benchmarks.machine import cores, describe
from benchmarks.results import Row, table
from mapgan.datasets import LoadedPairs, PairedDataset
from mapgan.prefetch import Prefetched
from mapgan.presets import preset

PACE = 300.0
"""Steps a second."""
PAIRS = 256
WARM_UP = 30
LIMIT = 5.0  # percent of a step


def data_loading(*, seconds: float = 10.0) -> list[Row]:
    """The share of a step that passes in asking for the batch, ahead and not."""
    config = preset("seed")
    rng = np.random.default_rng(0)
    shape = (PAIRS, config.load_size, config.load_size, 3)
    a, b = (rng.integers(0, 256, shape, np.uint8) for _ in range(2))
    pairs = LoadedPairs([str(number) for number in range(PAIRS)], a, b, [])
    dataset = PairedDataset(
        pairs, image_size=config.image_size, a_to_b=False, flip=True, batch_size=1, seed=config.seed
    )
    steps = WARM_UP + int(seconds * PACE)
    say(f"data loading, {steps} steps at {PACE:.0f} a second")
    with Prefetched(dataset, start=0, steps=steps) as batches:
        waits = consume(batches, steps)
    alone = [_seconds(dataset, step) for step in range(200)]
    share = 100 * statistics.mean(waits) * PACE
    usual, slow = (f"{1e6 * value:.0f} µs" for value in (statistics.median(waits), max(waits)))
    return [
        Row(
            what=f"data loading at {PACE:.0f} steps/s, share of a step",
            measured=share,
            unit="%",
            bound=LIMIT,
            sense="at_most",
            detail=f"mean {1e6 * statistics.mean(waits):.0f} µs, median {usual}, longest {slow}; "
            f"without reading ahead {1e6 * statistics.median(alone):.0f} µs",
        )
    ]


def consume(batches: Prefetched, steps: int) -> list[float]:
    """Seconds of each request, the first few left out."""
    waits = []
    for step in range(steps):
        waits.append(_seconds(batches, step))
        time.sleep(1 / PACE)
    return waits[WARM_UP:]


def _seconds(batches: Prefetched | PairedDataset, step: int) -> float:
    start = time.perf_counter()
    batches.batch(step)
    return time.perf_counter() - start


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description="Time the training thread's wait for batches.")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print(f"{describe()}; {cores()} cores")
    print(table(data_loading(seconds=options.seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
