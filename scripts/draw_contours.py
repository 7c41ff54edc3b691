"""Draw static/img/contours.svg: the contour lines behind the pages.

A sum of smooth hills, cut at equal heights by marching squares, thinned and joined by quadratic curves.
The picture is used as a mask, so it has one colour and no size of its own. Run it again after changing it::

    .venv/bin/python scripts/draw_contours.py
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skimage.measure import approximate_polygon, find_contours

WIDTH, HEIGHT, SCALE = 150, 75, 8  # cells of the field, and units of the picture in a cell
LEVELS = 11
TARGET = Path(__file__).resolve().parent.parent / "static" / "img" / "contours.svg"


def hills(seed: int = 1872) -> NDArray[np.float64]:
    """A field of HEIGHT x WIDTH heights in 0..1, drawn from ``seed``."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    field = np.zeros((HEIGHT, WIDTH))
    for _ in range(34):
        cx, cy = rng.uniform(-10, WIDTH + 10), rng.uniform(-10, HEIGHT + 10)
        rx, ry = rng.uniform(7, 26, size=2)
        turn = rng.uniform(0, np.pi)
        u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        v = (y - cy) * np.cos(turn) - (x - cx) * np.sin(turn)
        field += rng.uniform(-0.6, 1.0) * np.exp(-((u / rx) ** 2) - (v / ry) ** 2)
    field -= field.min()
    scaled: NDArray[np.float64] = field / field.max()
    return scaled


def curve(line: NDArray[np.float64]) -> str:
    """SVG path data through the middles of a polygon's edges, with its corners as control points."""
    points = [(round(float(p[1]) * SCALE), round(float(p[0]) * SCALE)) for p in line]
    data = f"M{points[0][0]} {points[0][1]}"
    for (ax, ay), (bx, by) in pairwise(points[1:]):
        data += f"Q{ax} {ay} {(ax + bx) // 2} {(ay + by) // 2}"
    return data + f"L{points[-1][0]} {points[-1][1]}"


def draw() -> str:
    """The whole SVG document. Every fourth line is heavier, as on a survey's map."""
    field = hills()
    light: list[str] = []
    heavy: list[str] = []
    for index, level in enumerate(np.linspace(0.12, 0.92, LEVELS)):
        for line in find_contours(field, float(level)):  # type: ignore[no-untyped-call]
            if len(line) > 14:
                thinned = approximate_polygon(line, 0.35)  # type: ignore[no-untyped-call]
                (heavy if index % 4 == 0 else light).append(curve(thinned))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * SCALE} {HEIGHT * SCALE}" '
        'fill="none" stroke="#000" preserveAspectRatio="xMidYMid slice">'
        f'<path stroke-width="1.1" d="{"".join(light)}"/>'
        f'<path stroke-width="2.2" d="{"".join(heavy)}"/></svg>\n'
    )


if __name__ == "__main__":
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(draw(), encoding="utf-8")
    print(f"{TARGET.name}: {TARGET.stat().st_size:,} bytes")
