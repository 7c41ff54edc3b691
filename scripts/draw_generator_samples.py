"""Draw generators/samples/NAME.webp: what each bundled generator makes of our own samples.

A column a sample, above what goes in, below what comes out. They show no real place: the maps are drawn by
`scripts/draw_sample_maps.py`, the photographs are translations of them. Run it again with other generators::

    .venv/bin/python -m scripts.draw_generator_samples
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from mapgan.inference import Generator

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = {"map2sat": ROOT / "samples", "sat2map": ROOT / "samples" / "satellite"}
SIDE = 384  # pixels of a square, cut from the middle and not resized: generators know one scale
GAP = 8
COLUMNS = 4


def main() -> None:
    """A sheet for every file in generators/."""
    folder = ROOT / "generators" / "samples"
    folder.mkdir(exist_ok=True)
    for path in sorted((ROOT / "generators").glob("*.onnx")):
        _keep(sheet(path), folder / f"{path.stem}.webp")
    _keep(large(ROOT / "generators" / "pix2pix-map2sat.onnx"), folder / "metropolis.webp")


def _keep(drawn: Image.Image, out: Path) -> None:
    drawn.save(out, quality=85, method=6)
    print(f"{out.relative_to(ROOT)}: {out.stat().st_size / 1000:.0f} kB")


def sheet(path: Path) -> Image.Image:
    """The samples of a generator's direction, and their translations below them."""
    generator = Generator(path)
    sources = sorted(SAMPLES[generator.card.direction].glob("*.png"))[:COLUMNS]
    width, height = (count * (SIDE + GAP) - GAP for count in (len(sources), 2))
    drawn = Image.new("RGB", (width, height), "white")
    for column, source in enumerate(sources):
        picture = _middle(source)
        made = Image.fromarray(generator.translate(np.asarray(picture)))
        drawn.paste(picture, (column * (SIDE + GAP), 0))
        drawn.paste(made, (column * (SIDE + GAP), SIDE + GAP))
    return drawn


def large(path: Path) -> Image.Image:
    """A map of 1,024 x 1,024, which goes through in windows: a third of it, and the rest translated."""
    with Image.open(ROOT / "samples" / "metropolis.png") as picture:
        source = picture.convert("RGB")
    made = Image.fromarray(Generator(path).translate(np.asarray(source)))
    drawn = Image.new("RGB", source.size)
    drawn.paste(source, (0, 0))
    drawn.paste(made.crop((source.width // 3, 0, source.width, source.height)), (source.width // 3, 0))
    return drawn


def _middle(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        left, top = ((side - SIDE) // 2 for side in picture.size)
        return picture.convert("RGB").crop((left, top, left + SIDE, top + SIDE))


if __name__ == "__main__":
    main()
