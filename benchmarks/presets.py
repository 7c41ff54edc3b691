"""What each preset costs: parameters, memory, disk and time, measured for docs/presets.md.

.venv/bin/python -m benchmarks.presets --write docs/presets.md

Every preset runs a few real steps for both models, each in a process of its own, at full size on random
pictures, and saves one checkpoint; hours are the median step times the preset's steps. It takes about
ten minutes on two cores, most of it the CycleGANs at full width.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from mapgan.config import MODELS, TrainConfig
from mapgan.presets import PRESETS, preset

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TILES = 1096  # of the maps set's train/: how many pictures the memory estimate counts


def measure(name: str, model: str, steps: int) -> dict[str, Any]:
    """One preset in this process: ``steps`` updates and one checkpoint."""
    from mapgan import checkpoints, engine, memory
    from mapgan.training import MODELS as CLASSES

    config = preset(name, model=model)
    backend = engine.select()
    backend.prepare(deterministic=config.deterministic, threads=None)
    state = engine.build(backend, CLASSES[model], config)
    update = backend.compile_step(state)
    side, batch = config.image_size, config.batch_size
    pictures = np.random.default_rng(0).integers(0, 256, (2, batch, side, side, 3), dtype=np.uint8)

    def step() -> None:
        losses = update(pictures[0], pictures[1], config.rate_at(0))
        assert all(np.isfinite(float(value)) for value in losses.values())

    first = machine.measure(step) if steps else None
    seconds = [machine.measure(step) for _ in range(steps)]
    update.sync()
    with tempfile.TemporaryDirectory() as folder:
        saved = checkpoints.save(
            Path(folder), step=steps, config=config, variables=state.variables(), environment={}
        )
        size = sum(file.stat().st_size for file in saved.iterdir())
    counts = {
        kind: sum(int(np.prod(weight.shape)) for weight in adam.weights.values())
        for kind, adam in state.adams.items()
    }
    return {
        **counts,
        "checkpoint_bytes": size,
        "estimate_bytes": memory.estimate(state, config, TILES),
        "peak_bytes": memory.peak(),
        "first_s": first,
        "step_s": statistics.median(seconds) if steps else None,
    }


def rows(steps: int) -> Iterator[dict[str, Any]]:
    """Every preset for both models; those that differ in length alone are measured once."""
    done: list[tuple[TrainConfig, dict[str, Any]]] = []
    for name in PRESETS:
        for model in MODELS:
            config = preset(name, model=model)
            measured = next((found for other, found in done if not config.differences(other)), None)
            if measured is None:
                command = [sys.executable, "-m", "benchmarks.presets", "--only", name, model]
                command += ["--steps", str(steps)]
                printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                measured = json.loads(printed.splitlines()[-1])
                done.append((config, measured))
            print(name, model, measured["step_s"], file=sys.stderr)
            every = config.checkpoint_every
            yield {
                **measured,
                "preset": name,
                "model": model,
                "steps": config.steps,
                "decay_steps": config.decay_steps,
                "checkpoints": len({*range(every, config.steps, every), config.steps}),
                "keep": config.keep_checkpoints,
            }


def table(measured: list[dict[str, Any]]) -> str:
    """The rows as the tables of the document, with the machine they were measured on."""
    networks = [
        "| preset | model | generators | discriminators | steps (falling) | one checkpoint | kept on disk |",
        "|---|---|---|---|---|---|---|",
    ]
    times = [
        "| preset | model | memory, estimate | measured | first step | a step | steps an hour | whole run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in measured:
        head = f"| `{row['preset']}` | {row['model']} "
        kept = min(row["keep"] or row["checkpoints"], row["checkpoints"])
        size = row["checkpoint_bytes"]
        networks.append(
            f"{head}| {row['generators']:,} | {row['discriminators']:,} "
            f"| {row['steps']:,} ({row['decay_steps']:,}) | {size / 1e6:,.0f} MB "
            f"| {kept} of {row['checkpoints']}: {kept * size / 1e9:.1f} GB |"
        )
        times.append(f"{head}| {row['estimate_bytes'] / 1e9:.1f} GB | {_times(row)} |")
    note = f"Measured by `benchmarks/presets.py` on {machine.describe()} ({machine.load()})."
    return "\n".join([*networks, "", *times, "", note])


def _times(row: dict[str, Any]) -> str:
    """The cells that need steps: memory held, first step, a step, steps an hour, the whole run."""
    if row["step_s"] is None:
        return " | ".join(["not measured yet"] * 5)
    hours = row["step_s"] * row["steps"] / 3600
    whole = f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.0f} days"
    return (
        f"{row['peak_bytes'] / 1e9:.1f} GB | {row['first_s']:.0f} s | {row['step_s']:.2f} s "
        f"| {3600 / row['step_s']:,.0f} | {whole}"
    )


def write(document: Path, text: str) -> None:
    """Put the tables between the marks of a document."""
    whole = document.read_text(encoding="utf-8")
    before, rest = whole.split(BEGIN)
    after = rest.split(END)[1]
    document.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Measure what was asked for; print the tables, and write them where they belong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=5, help="timed steps a preset; 0: sizes alone")
    parser.add_argument("--only", nargs=2, metavar=("PRESET", "MODEL"), help="one row, as JSON")
    parser.add_argument("--write", type=Path, help="the document whose tables are replaced")
    options = parser.parse_args()
    if options.only:
        name, model = options.only
        print(json.dumps(measure(name, model, options.steps)))
        return
    text = table(list(rows(options.steps)))
    print(text)
    if options.write:
        write(options.write, text)


if __name__ == "__main__":
    main()
