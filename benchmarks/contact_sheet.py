"""Look at a generator: held-out tiles in three columns, the input, its translation, the truth.

    .venv/bin/python -m benchmarks.contact_sheet generators/map2sat.onnx --out /tmp/sheet.png

The tiles are real ones of a map service, for looking at and not for shipping: the sheet is written outside
the repository only. The figures printed are on all held-out tiles, beside the two baselines.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from mapgan.datasets import find_pairs, load_pair, read_stems, select_pairs
from mapgan.imageio import RGB
from mapgan.inference import Generator
from mapgan.scoring import score

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT.parent / "shared" / "data" / "maps"
GAP, LABEL = 6, 16
SHOWN = (
    "l1",
    "rmse",
    "psnr",
    "ssim",
    "acc5",
    "acc10",
    "palette_miou",
    "sharpness_ratio",
    "spectrum_distance",
)


def main() -> int:
    """Writes the sheet and prints the figures; 1 when there are no tiles."""
    parser = argparse.ArgumentParser(description="A contact sheet of held-out tiles.")
    parser.add_argument("generator", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--tiles", type=Path, help="held-out stems [default: DATA/holdout.tsv]")
    parser.add_argument(
        "--count", type=int, default=10, help="tiles on the sheet, evenly spread over the list"
    )
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    out, tiles = options.out.resolve(), options.tiles or options.data / "holdout.tsv"
    if out.is_relative_to(ROOT):
        parser.error("--out must lie outside the repository: real tiles are never committed")
    if not tiles.is_file():
        print(f"There are no held-out tiles at {tiles}; give --data and --tiles.", file=sys.stderr)
        return 1
    generator = Generator(options.generator)
    print(f"{options.generator}: {generator.card.title}, step {generator.card.step}")
    sheet(triples(generator, options.data, tiles, options.count)).save(out)
    print(f"{out}: input | translation | truth, {options.count} tiles")
    for name, row in score(generator, options.data, tiles).items():
        if name != "held_out":
            print(f"{name:14}", *(f"{key} {row[key]:.4g}" for key in SHOWN if row.get(key) is not None))
    return 0


def triples(generator: Generator, data: Path, tiles: Path, count: int) -> dict[str, tuple[RGB, RGB, RGB]]:
    """Input, translation and truth of `count` tiles by stem, each (size, size, 3)."""
    stems = read_stems(tiles)
    chosen = stems[:: max(1, len(stems) // count)][:count]
    found = {}
    for pair in select_pairs(find_pairs(data), chosen):
        aerial, drawn = load_pair(pair, generator.card.image_size)
        source, truth = (aerial, drawn) if generator.card.direction == "sat2map" else (drawn, aerial)
        found[pair.stem] = (source, generator.translate(np.ascontiguousarray(source)), truth)
    return found


def sheet(rows: dict[str, tuple[RGB, RGB, RGB]]) -> Image.Image:
    """One row a tile, two tiles side by side when there are many."""
    size = next(iter(rows.values()))[0].shape[0]
    columns = 2 if len(rows) > 4 else 1
    width, height = 3 * size + 4 * GAP, size + LABEL + GAP
    page = Image.new("RGB", (columns * width, -(-len(rows) // columns) * height), "white")
    draw = ImageDraw.Draw(page)
    for index, (stem, images) in enumerate(rows.items()):
        left, top = index % columns * width + GAP, index // columns * height
        draw.text((left, top + 2), f"tile {stem}", fill="black")
        for place, image in enumerate(images):
            page.paste(Image.fromarray(image), (left + place * (size + GAP), top + LABEL))
    return page


if __name__ == "__main__":
    sys.exit(main())
