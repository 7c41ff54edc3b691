"""The machine's single-precision matrix product as a contestant: the floor under every convolution.

Runs with NumPy or, where the settings say so, PyTorch; the better of the two is the machine's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.worker import Settings, Work, serve

SIZES = (1024, 1536, 2048, 3072)


def build(settings: Settings) -> tuple[Work, dict[str, Any]]:
    """See :func:`benchmarks.worker.serve`; an answer has ``gflops`` by size, 2 n^3 operations a product."""
    rng = np.random.default_rng(0)
    pairs = {n: [rng.standard_normal((n, n)).astype(np.float32) for _ in range(2)] for n in SIZES}
    products: dict[int, Callable[[], Any]] = {}
    if settings["library"] == "torch":
        import torch

        torch.set_num_threads(settings["threads"])
        for n, pair in pairs.items():
            a, b = (torch.from_numpy(each) for each in pair)
            products[n] = lambda a=a, b=b: torch.mm(a, b)  # type: ignore[misc]
    else:
        for n, (left, right) in pairs.items():
            products[n] = lambda a=left, b=right: a @ b  # type: ignore[misc]

    def work() -> dict[str, Any]:
        return {"gflops": {str(n): 2 * n**3 / _seconds(product) / 1e9 for n, product in products.items()}}

    return work, {}


def _seconds(product: Callable[[], Any]) -> float:
    start = time.perf_counter()
    product()
    return time.perf_counter() - start


if __name__ == "__main__":
    serve(build)
