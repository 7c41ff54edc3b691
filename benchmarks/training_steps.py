"""A training step of ours, of the composite way and of eager PyTorch, in turns.

    .venv/bin/python -m benchmarks.training_steps [--model pix2pix|cyclegan] [--rounds N]
    python -m benchmarks.training_steps --gpu [--torch-python PATH] [--json FILE]

With --gpu the engine is JAX's and both sides run on the card: steps a second of the preset `seed`, float32
and bfloat16. That needs `mapgan/`, `benchmarks/`, Keras, JAX and PyTorch, and no TensorFlow.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks import torch_home
from benchmarks.contest import Contestant, MeasurementError, Outcome, contest, say
from benchmarks.machine import cores, describe
from benchmarks.results import Row, table

OURS, COMPOSITE, TORCH, TORCH_PASSIVE = "mapgan", "composite", "PyTorch", "PyTorch, passive waiting"
PIX2PIX: dict[str, Any] = {"task": "pix2pix", "generator": "unet_256", "width": 64, "side": 256}
CYCLEGAN: dict[str, Any] = {
    "task": "cyclegan",
    "generator": "resnet_9",
    "norm": "instance",
    "width": 64,
    "side": 256,
}
NORM_NAMES = {"batch": "BatchNorm, as `seed`", "instance_affine": "affine instance norm"}
SEED_STEPS = 109_700
GPU_CHUNK = 50
"""Steps in one turn on a card, which is asked for the losses at the end only."""


def pix2pix(*, rounds: int = 12, threads: int | None = None, size: dict[str, Any] | None = None) -> list[Row]:
    """Ours against the composite way and PyTorch, with both norms; ``size`` overrides width and sides."""
    rows = []
    for norm, name in NORM_NAMES.items():
        say(f"Pix2Pix step, U-Net 256, {name}")
        outcome = race({**PIX2PIX, "norm": norm, **(size or {})}, rounds, threads or cores())
        what = f"Pix2Pix step ({name})"
        rows += [
            against(outcome, COMPOSITE, f"{what} against the composite way", 2.0),
            against(outcome, faster_torch(outcome), f"{what} against eager PyTorch", 1.0),
        ]
    return rows


def cyclegan(*, rounds: int = 4, threads: int | None = None, size: dict[str, Any] | None = None) -> list[Row]:
    """Ours against the composite way; PyTorch beside it for comparison."""
    say("CycleGAN step, ResNet-9")
    outcome = race({**CYCLEGAN, **(size or {})}, rounds, threads or cores(), warm_up=1)
    return [
        against(outcome, COMPOSITE, "CycleGAN step (ResNet-9) against the composite way", 1.3),
        against(outcome, faster_torch(outcome), "CycleGAN step (ResNet-9) against eager PyTorch", None),
    ]


def race(settings: dict[str, Any], rounds: int, threads: int, warm_up: int = 2) -> Outcome:
    """The contest on the CPU. PyTorch takes part twice: how its threads wait for each other changes its
    time by tens of percent, in either direction; the faster one is what we compare with."""
    python = torch_home.python()
    with ExitStack() as stack:
        contestants = [
            Contestant(OURS, "benchmarks.ours", settings, threads=threads),
            Contestant(COMPOSITE, "benchmarks.composite", settings, threads=threads),
            Contestant(TORCH, "benchmarks.torch_reference", settings, threads=threads, python=python),
            Contestant(
                TORCH_PASSIVE,
                "benchmarks.torch_reference",
                settings,
                threads=threads,
                python=python,
                environment={"OMP_WAIT_POLICY": "PASSIVE"},
            ),
        ]
        for each in contestants:
            stack.enter_context(each)
        outcome = contest(contestants, rounds=rounds, warm_up=warm_up)
    counts = {facts["parameters"] for facts in outcome.facts.values()}
    if len(counts) != 1:
        raise MeasurementError(f"the networks differ: {counts} parameters")
    return outcome


def faster_torch(outcome: Outcome) -> str:
    """The name of the faster PyTorch."""
    return min((TORCH, TORCH_PASSIVE), key=outcome.seconds)


def against(outcome: Outcome, rival: str, what: str, bound: float | None) -> Row:
    """The ratio of medians, with them and the spread over the rounds."""
    low, high = outcome.spread(rival, OURS)
    ours, theirs = (f"{outcome.seconds(name) * 1e3:,.0f} ms" for name in (OURS, rival))
    rounds = len(outcome.answers[OURS])
    return Row(
        what=what,
        measured=outcome.ratio(rival, OURS),
        bound=bound,
        detail=f"{ours} : {theirs}; {rounds} rounds, {low:.2f}-{high:.2f}x",
    )


def gpu(rounds: int, python: Path, *, device: str, size: dict[str, Any], chunk: int) -> list[Row]:
    """Steps a second of JAX and PyTorch on one card, same precision."""
    rows = []
    for base in ({**PIX2PIX, "norm": "batch"}, CYCLEGAN):
        for precision in ("float32", "bfloat16"):
            settings = {**base, **size, "precision": precision, "deterministic": False, "chunk": chunk}
            say(f"{base['task']} on {device}, {precision}")
            outcome = gpu_race(settings, rounds, python, device)
            rows += gpu_rows(base["task"], precision, outcome, chunk)
    return rows


def gpu_race(settings: dict[str, Any], rounds: int, python: Path, device: str) -> Outcome:
    """The contest; both processes hold their memory on the card, so neither may take all of it."""
    ours: dict[str, str | None] = {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if device == "cpu":
        ours["JAX_PLATFORMS"] = "cpu"
    theirs = {**settings, "device": device}
    with (
        Contestant(OURS, "benchmarks.ours", settings, threads=cores(), environment=ours) as a,
        Contestant(TORCH, "benchmarks.torch_reference", theirs, threads=cores(), python=python) as b,
    ):
        return contest([a, b], rounds=rounds, warm_up=2)


def gpu_rows(task: str, precision: str, outcome: Outcome, chunk: int) -> list[Row]:
    """The ratio, and for Pix2Pix how long the whole `seed` run would take."""
    card = outcome.facts[TORCH].get("card", "no card")
    a_second = {name: chunk / outcome.seconds(name) for name in (OURS, TORCH)}
    detail = f"{card}: {a_second[OURS]:.1f} : {a_second[TORCH]:.1f} steps/s"
    name = {"pix2pix": "Pix2Pix", "cyclegan": "CycleGAN"}[task]
    what = f"{name} `seed` step on a GPU, {precision}, against eager PyTorch"
    rows = [Row(what, outcome.ratio(TORCH, OURS), bound=3.0, detail=detail)]
    if task == "pix2pix":
        minutes = SEED_STEPS / a_second[OURS] / 60
        whole = f"the {SEED_STEPS:,} steps of `seed` on a GPU, {precision}"
        rows.append(Row(whole, minutes, "min", 10.0, "at_most", f"{card}, from the steps a second"))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; 1 when something could not be measured."""
    parser = argparse.ArgumentParser(description="Time training steps.")
    parser.add_argument("--model", choices=("pix2pix", "cyclegan"), default="pix2pix")
    parser.add_argument("--rounds", type=int, help="counted rounds [default: 12, 4 for cyclegan]")
    parser.add_argument("--threads", type=int, default=cores(), help="[default: all cores]")
    parser.add_argument("--gpu", action="store_true", help="JAX against PyTorch on the card")
    parser.add_argument("--device", default="cuda", help="PyTorch's name of the card; cpu to try it out")
    parser.add_argument("--torch-python", type=Path, help="an interpreter that has PyTorch [default: ours]")
    parser.add_argument("--chunk", type=int, default=GPU_CHUNK, help="steps in one turn on the card")
    parser.add_argument("--size", default="{}", help='JSON, such as {"width": 8, "side": 64}, to try it out')
    parser.add_argument("--json", type=Path, help="also write the rows there")
    options = parser.parse_args(arguments)
    print(describe())
    size = json.loads(options.size)
    try:
        if options.gpu:
            python = options.torch_python or Path(sys.executable)
            rows = gpu(options.rounds or 5, python, device=options.device, size=size, chunk=options.chunk)
        else:
            run, usual = {"pix2pix": (pix2pix, 12), "cyclegan": (cyclegan, 4)}[options.model]
            rows = run(rounds=options.rounds or usual, threads=options.threads, size=size)
    except MeasurementError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in rows], indent=2), encoding="utf-8")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.exit(main())
