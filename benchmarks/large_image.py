"""How memory and time of `mapgan translate` grow with the image: each size in a process of its own.

    .venv/bin/python -m benchmarks.large_image [--sides 2048 4096 8192 16384] [--format png|jpeg|tiff]

The images are a sample map, repeated. Peak memory is what the system saw the process hold at most (resident
set, Python and ONNX Runtime included); time is the whole command's, decoding and encoding included. Windows
overlap, so the smallest image has a few more of them a pixel than the largest.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.machine import describe, load
from mapgan.pngrows import PngWriter

ROOT = Path(__file__).parents[1]
SIDES = (2048, 4096, 8192, 16_384)
MEMORY_LIMIT = 2e9  # bytes


def main() -> int:
    """Measures, prints the table and says whether memory and time hold."""
    parser = argparse.ArgumentParser(description="Memory and time of large translations.")
    parser.add_argument("--generator", type=Path, default=ROOT / "generators" / "pix2pix-map2sat.onnx")
    parser.add_argument("--sides", type=int, nargs="+", default=list(SIDES))
    parser.add_argument("--format", choices=["png", "jpeg", "tiff"], default="png")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    options = parser.parse_args()
    if options.quick:
        options.sides = [1024, 2048]
    print(describe(), load(), sep="\n")
    print(f"\n{options.generator.name}, {options.format} in, PNG out, {options.threads} threads")
    print(f"{'side':>7} {'windows':>8} {'seconds':>9} {'s / MP':>7} {'peak MB':>8} {'seam score':>11}")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for side in options.sides:
            row = measure(side, options, Path(folder))
            rows.append(row)
            print(
                f"{side:7} {row['windows']:8} {row['seconds']:9.1f} {row['seconds'] / side**2 * 1e6:7.3f} "
                f"{row['peak_bytes'] / 1e6:8.0f} {row['seam_score']:11.3f}",
                flush=True,
            )
    rates = [row["seconds"] / row["side"] ** 2 for row in rows]
    peak = max(row["peak_bytes"] for row in rows)
    print(f"\nseconds a pixel: largest / smallest image {rates[-1] / rates[0]:.2f} (1: linear)")
    print(f"peak memory {peak / 1e9:.2f} GB (at most {MEMORY_LIMIT / 1e9:g})")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return int(peak > MEMORY_LIMIT)


def measure(side: int, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Translates one image of side x side pixels in a process of its own."""
    source, target = folder / f"{side}.{options.format}", folder / f"{side}-out.png"
    # Made in another process: a child's peak begins with that of the process it was started from.
    draw = [sys.executable, "-c", f"from benchmarks.large_image import draw; draw({str(source)!r}, {side})"]
    subprocess.run(draw, check=True, cwd=ROOT)
    command = [sys.executable, "-m", "mapgan.cli", "translate", str(source), "--out", str(target)]
    command += ["--generator", str(options.generator), "--threads", str(options.threads), "--json"]
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    source.unlink()
    target.unlink()
    unit = 1 if sys.platform == "darwin" else 1024
    figures = {"side": side, "seconds": seconds, "peak_bytes": usage.ru_maxrss * unit}
    reported: dict[str, Any] = json.loads(printed)
    return reported | figures


def draw(path: str, side: int) -> None:
    """Writes a sample map, repeated to `side` x `side` pixels; PNG row by row, the others by Pillow."""
    with Image.open(ROOT / "samples" / "metropolis.png") as picture:
        tile = np.asarray(picture.convert("RGB"))
    across = np.tile(tile, (1, -(-side // tile.shape[1]), 1))[:, :side]
    if not path.endswith(".png"):
        Image.MAX_IMAGE_PIXELS = None
        Image.fromarray(np.tile(across, (-(-side // len(tile)), 1, 1))[:side]).save(path)
        return
    with Path(path).open("wb") as stream, PngWriter(stream, width=side, height=side) as png:
        for top in range(0, side, len(across)):
            png.write(across[: side - top])


if __name__ == "__main__":
    sys.exit(main())
