"""A contact sheet: the example tiles in one picture, for the eye."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from PIL import Image, ImageDraw

from mapgan.report.pictures import columns_of
from mapgan.scoring import Examples, Row

GAP: Final = 6
LABEL: Final = 16
MANY: Final = 4
"""Tiles from which on two stand side by side."""


def contact_sheet(rows: Sequence[Row], examples: Examples) -> Image.Image:
    """Input, target and what the best generators made, a line a tile.

    Args:
        rows: of one direction, the best first.
        examples: the tiles.
    """
    columns = columns_of(rows, examples)
    size = max(picture.shape[1] for _, pictures in columns for picture in pictures)
    beside = 2 if len(examples.stems) > MANY else 1
    width, height = len(columns) * (size + GAP) + GAP, size + LABEL + GAP
    page = Image.new("RGB", (beside * width, -(-len(examples.stems) // beside) * height), "white")
    draw = ImageDraw.Draw(page)
    for index, stem in enumerate(examples.stems):
        left, top = index % beside * width + GAP, index // beside * height
        for place, (title, pictures) in enumerate(columns):
            if index < len(pictures):
                corner = (left + place * (size + GAP), top + LABEL)
                label = f"tile {stem}: {title}" if not place else title
                draw.text((corner[0], top + 2), label, fill="black")
                page.paste(Image.fromarray(pictures[index]), corner)
    return page
