"""How long a translation's model takes, beside Keras's own ways and the machine's floor.

    .venv/bin/python -m benchmarks.translation_latency [--architecture unet_256] [--width 64]
    .venv/bin/python -m benchmarks.translation_latency --generator generators/map2sat.onnx
    .venv/bin/python -m benchmarks.translation_latency --bundled

With --generator the file, with --bundled every file in generators/, is timed at several image sizes. Without,
a network with random weights is built and exported, and one 256 x 256 image (or the network's size) goes in
turn through the exported file and through Keras. The floor is the network's multiplications at the speed of
this machine's matrix product.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import describe, interleaved, load, sgemm_gflops, table
from benchmarks.results import Row
from mapgan.imageio import decode, encode_png
from mapgan.inference import Generator

SIZES = ((256, 256), (600, 600), (1024, 1024))
BUNDLED = Path(__file__).resolve().parent.parent / "generators"


def main() -> None:
    """Parses the arguments and runs one of the two measurements."""
    parser = argparse.ArgumentParser(description="Time translations.")
    parser.add_argument("--generator", type=Path, help="a generator file")
    parser.add_argument("--architecture", default="unet_256")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--norm", default="instance_affine")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--bundled", action="store_true", help="every file in generators/")
    parser.add_argument("--quick", action="store_true", help="three rounds, to see that it runs")
    parser.add_argument("--json", type=Path, help="also write the files' figures there")
    options = parser.parse_args()
    rounds = 3 if options.quick else options.rounds
    print(describe(), load(), sep="\n")
    files = sorted(BUNDLED.glob("*.onnx")) if options.bundled else [options.generator]
    if options.bundled and not files:
        sys.exit(f"There are no generators in {BUNDLED}.")
    if files == [None]:
        compare(options)
        return
    rows = [row for path in files for row in time_file(path, options.threads, rounds)]
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in rows]), encoding="utf-8")


def time_file(path: Path, threads: int, rounds: int) -> list[Row]:
    """The parts of a translation without the queue: decoding, the model, encoding. Gives the model's."""
    rows = []
    generator = Generator(path, threads=threads)
    for height, width in SIZES:
        image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
        data = encode_png(image)
        passes = generator.windows(height, width)
        model = f"translate, {passes} passes"
        parts: dict[str, Callable[[], object]] = {
            "decode": partial(decode, data),
            model: partial(generator.translate, image),
            "encode": partial(encode_png, image),
        }
        print(f"\n{path.name}, {width} x {height}")
        seconds = interleaved(parts, rounds)
        print(table(seconds, model))
        what = f"{path.name}, {width} x {height}"
        milliseconds = statistics.median(seconds[model]) * 1e3
        rows.append(Row(what, milliseconds, "ms", detail=f"{passes} passes, {rounds} rounds"))
    return rows


def compare(options: argparse.Namespace) -> None:
    """The exported file against `predict` and a compiled call of the same network."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    from mapgan.config import TrainConfig
    from mapgan.export import draft_card, export_generator
    from mapgan.networks import build_generator

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    config = TrainConfig(
        generator=options.architecture, generator_width=options.width, generator_norm=options.norm
    )
    network = build_generator(config.generator, width=config.generator_width, norm=config.generator_norm)
    draft = draft_card(
        config,
        step=0,
        name="benchmark",
        title="Benchmark",
        training_data="none",
        attribution="none",
        licence="none",
        command="none",
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.onnx"
        export_generator(network, draft, path)
        generator = Generator(path, threads=options.threads)
        side = config.image_size
        image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
        unit = image[None].astype(np.float32) / 127.5 - 1
        compiled = tf.function(lambda x: network(x, training=False))
        seconds = interleaved(
            {
                "mapgan": lambda: generator.translate(image),
                "tf.function": lambda: compiled(unit).numpy(),
                "Keras predict": lambda: network.predict(unit, verbose=0),
            },
            options.rounds,
        )
    macs, gflops = multiplications(network), sgemm_gflops()
    seconds[f"floor: {macs / 1e9:.2f} GMAC at {gflops:.0f} GFLOP/s"] = [2 * macs / gflops / 1e9]
    print(f"\n{config.generator}, width {config.generator_width}, {side} x {side}, {options.threads} threads")
    print(table(seconds, "mapgan"))


def multiplications(network: Any) -> int:
    """Multiply-accumulates of the convolutions for one image: kernel elements x pixels, those of the
    output for a convolution and of the input for a transposed one."""
    import keras

    total = 0
    for layer in network.layers:
        if isinstance(layer, keras.layers.Conv2DTranspose):
            _, height, width, _ = layer.input.shape
        elif isinstance(layer, keras.layers.Conv2D):
            _, height, width, _ = layer.output.shape
        else:
            continue
        total += height * width * int(np.prod(layer.kernel.shape))
    return total


if __name__ == "__main__":
    main()
