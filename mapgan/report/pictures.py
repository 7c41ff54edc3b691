"""Input, target and what the best generators made of it, as pictures inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from typing import Final

from PIL import Image

from mapgan.metrics import Pictures
from mapgan.report.table import title_of
from mapgan.scoring import Examples, Row

OUTPUTS: Final = 4
"""Generators that are shown: the best of each run and each file."""
LARGEST: Final = 384
"""Side of a picture in the page, in pixels; with 8 tiles and 4 generators some 2 MB at most."""
QUALITY: Final = 88


def gallery(rows: Sequence[Row], examples: Examples) -> str:
    """A row of pictures a tile."""
    columns = columns_of(rows, examples)
    tiles = "".join(_tile(stem, index, columns) for index, stem in enumerate(examples.stems))
    return f'<h3>Samples</h3><ul class="tiles">{tiles}</ul>' if columns else ""


def columns_of(rows: Sequence[Row], examples: Examples) -> list[tuple[str, Pictures]]:
    """Titles and pictures: inputs, targets, the best of each run and each file; what is empty is left out."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.rank is not None:
            best.setdefault(row.series, row)
    columns: list[tuple[str, Pictures]] = [("Input", examples.sources), ("Target", examples.targets)]
    columns += [(title_of(row), row.samples) for row in list(best.values())[:OUTPUTS]]
    return [(title, pictures) for title, pictures in columns if len(pictures)]


def _tile(stem: str, index: int, columns: Sequence[tuple[str, Pictures]]) -> str:
    """One tile in all columns."""
    figures = "".join(
        _figure(title, pictures[index], stem) for title, pictures in columns if index < len(pictures)
    )
    return (
        f'<li><p class="small muted">Tile {escape(stem)}</p>'
        f'<div class="strip" style="--n:{len(columns)}">{figures}</div></li>'
    )


def _figure(title: str, picture: Pictures, stem: str) -> str:
    height, width = picture.shape[:2]
    return (
        f'<figure><img src="{_data(picture)}" width="{width}" height="{height}" '
        f'alt="{escape(title)}, tile {escape(stem)}"><figcaption>{escape(title)}</figcaption></figure>'
    )


def _data(picture: Pictures) -> str:
    """A WebP as a data address."""
    image = Image.fromarray(picture)
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
