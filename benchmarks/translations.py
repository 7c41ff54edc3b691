"""One 256 x 256 translation: a generator file, Keras's `predict`, eager PyTorch and the machine's floor.

    .venv/bin/python -m benchmarks.translations [--rounds N]

The floor is the network's multiplications at the speed of the best matrix product that this machine shows in
the same run, with the same threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import torch_home
from benchmarks.contest import ROOT, Contestant, MeasurementError, Outcome, contest, say
from benchmarks.machine import cores, describe
from benchmarks.results import Row, table
from benchmarks.training_steps import OURS, TORCH, TORCH_PASSIVE, against, faster_torch
from mapgan import hugepages

KERAS = "Keras predict"
PRODUCTS = {"numpy": "matrix product, NumPy", "torch": "matrix product, PyTorch"}
FLOOR = 1.2
OWN_KERNELS: dict[str, str | None] = {"OPENBLAS_CORETYPE": None, "OPENBLAS_L2_SIZE": None}
"""Where these are set, for another program's sake, NumPy's product has the kernels of an older processor: the
floor would lie twice as high as the machine's."""
AS_OUR_WORKER: dict[str, str | None] = {hugepages.VARIABLE: hugepages.tunables({})}
"""What `scripts/process.py translate` is started with."""


@dataclass(frozen=True)
class Case:
    """A generator, its multiplications for one image and what it must reach."""

    title: str
    architecture: str
    norm: str
    gmac: float
    keras: float
    torch: float


CASES = (
    Case("U-Net 256", "unet_256", "instance_affine", 6.05, 2.3, 1.9),
    Case("ResNet-9", "resnet_9", "instance", 49.55, 1.1, 1.15),
)


def translations(
    *, rounds: int = 15, threads: int | None = None, cases: tuple[Case, ...] = CASES
) -> list[Row]:
    """All rows of each case."""
    rows = []
    for case in cases:
        say(f"translation by {case.title}")
        outcome = race(case, rounds if case.gmac < 20 else max(rounds // 2, 3), threads or cores())
        what = f"{case.title} translation"
        rows += [
            against(outcome, KERAS, f"{what} against Keras `predict`", case.keras),
            against(outcome, faster_torch(outcome), f"{what} against eager PyTorch", case.torch),
            against_floor(outcome, case, what),
        ]
    return rows


def race(case: Case, rounds: int, threads: int) -> Outcome:
    """The contest, with the matrix products as contestants."""
    python = torch_home.python()
    settings: dict[str, Any] = {
        "task": "translate",
        "generator": case.architecture,
        "norm": case.norm,
        "width": 64,
        "side": 256,
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings["path"] = str(export(case, folder / "generator.onnx"))

        def enter(name: str, module: str, more: dict[str, Any], **how: Any) -> Contestant:
            return stack.enter_context(Contestant(name, module, {**settings, **more}, threads=threads, **how))

        passive: dict[str, str | None] = {"OMP_WAIT_POLICY": "PASSIVE"}
        reference = "benchmarks.torch_reference"
        contestants = [
            enter(OURS, "benchmarks.translators", {"way": "mapgan"}, environment=AS_OUR_WORKER),
            enter(KERAS, "benchmarks.translators", {"way": "predict"}),
            enter(TORCH, reference, {}, python=python),
            enter(TORCH_PASSIVE, reference, {}, python=python, environment=passive),
            enter(PRODUCTS["numpy"], "benchmarks.matmul", {"library": "numpy"}, environment=OWN_KERNELS),
            enter(PRODUCTS["torch"], "benchmarks.matmul", {"library": "torch"}, python=python),
        ]
        return contest(contestants, rounds=rounds, warm_up=3)


def export(case: Case, path: Path) -> Path:
    """The case's generator file, made by a process that is gone afterwards."""
    command = [sys.executable, "-m", "benchmarks.translators", "export", case.architecture, "64", case.norm]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    result = subprocess.run(
        [*command, str(path)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise MeasurementError(f"the export failed:\n{result.stderr.strip()[-2000:]}")
    return path


def against_floor(outcome: Outcome, case: Case, what: str) -> Row:
    """How many times the floor ours takes."""
    gflops = max(
        statistics.median(answer["gflops"][size] for answer in outcome.answers[name])
        for name in PRODUCTS.values()
        for size in outcome.answers[name][0]["gflops"]
    )
    floor = 2 * case.gmac / gflops
    return Row(
        what=f"{what} against the floor",
        measured=outcome.seconds(OURS) / floor,
        bound=FLOOR,
        sense="at_most",
        detail=f"{outcome.seconds(OURS) * 1e3:.0f} ms : {floor * 1e3:.0f} ms "
        f"({case.gmac:g} GMAC at {gflops:.0f} GFLOP/s)",
    )


def main() -> int:
    """Prints the table; 1 when something could not be measured."""
    parser = argparse.ArgumentParser(description="Time translations against Keras, PyTorch and the floor.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=cores(), help="[default: all cores]")
    parser.add_argument("--only", choices=[case.architecture for case in CASES])
    options = parser.parse_args()
    print(describe())
    cases = tuple(case for case in CASES if options.only in (None, case.architecture))
    try:
        rows = translations(rounds=options.rounds, threads=options.threads, cases=cases)
    except MeasurementError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
