"""What an imaginary street map is made of, and how it is drawn: the tools of `draw_sample_maps.py`.

Lengths are pixels of the finished map, x to the right and y downwards. The scale is that of the training
pictures (a 600-pixel tile of the map service reduced to 286): a street is six pixels wide. Pillow only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from PIL import Image, ImageDraw

SCALE = 4  # drawn four times as large and averaged down: smooth edges without an outline library

Point = tuple[float, float]
Line = Sequence[Point]
Colour = tuple[int, int, int]

LAND: Colour = (233, 229, 223)
PARK: Colour = (203, 223, 170)
PITCH: Colour = (189, 213, 152)
CAMPUS: Colour = (233, 221, 190)
WATER: Colour = (177, 208, 254)
SHORE: Colour = (163, 198, 253)
RAIL: Colour = (201, 198, 193)
HOUSES: tuple[Colour, ...] = ((242, 240, 233), (244, 242, 236), (241, 238, 231), (238, 236, 228))
HOUSE_EDGE: Colour = (228, 225, 217)


@dataclass(frozen=True)
class Kind:
    """How a way is drawn; widths in pixels of the finished map."""

    width: float
    fill: Colour
    casing: Colour


PATH = Kind(1.4, (233, 229, 214), (205, 204, 180))
STREET = Kind(6, (255, 254, 252), (221, 217, 210))
AVENUE = Kind(9, (255, 254, 252), (215, 211, 204))
MAIN = Kind(8, (254, 225, 104), (226, 190, 96))
RAMP = Kind(5, (255, 203, 80), (228, 172, 60))
MOTORWAY = Kind(8, (250, 159, 38), (226, 136, 24))


@dataclass(frozen=True)
class Grid:
    """A street pattern: rows of blocks, turned by `angle` degrees and bent by `bend` pixels.

    Blocks are `block` pixels long and `depth` deep. `kind` of building: rows of narrow houses, detached
    houses, or halls.
    """

    centre: Point
    angle: float
    block: float
    depth: float
    bend: float = 0
    wave: float = 500
    kind: str = "rows"

    def point(self, u: float, v: float) -> Point:
        """From pixels along and across the blocks to the map."""
        bent_u = u + self.bend * 0.5 * math.sin(v / self.wave * math.tau + 1)
        bent_v = v + self.bend * math.sin(u / self.wave * math.tau)
        cos, sin = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        return self.centre[0] + bent_u * cos - bent_v * sin, self.centre[1] + bent_u * sin + bent_v * cos

    def line(self, start: Point, end: Point) -> list[Point]:
        """A straight line of the pattern as it lies on the map."""
        steps = max(2, int(math.dist(start, end) // 12))
        parts = [index / steps for index in range(steps + 1)]
        return [
            self.point(start[0] + (end[0] - start[0]) * t, start[1] + (end[1] - start[1]) * t) for t in parts
        ]


def smooth(points: Line, steps: int = 14) -> list[Point]:
    """A Catmull-Rom curve through the points; the ends are kept."""
    padded = [points[0], *points, points[-1]]
    curve: list[Point] = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        for index in range(steps):
            t = index / steps
            weights = (
                -0.5 * t + t * t - 0.5 * t**3,
                1 - 2.5 * t * t + 1.5 * t**3,
                0.5 * t + 2 * t * t - 1.5 * t**3,
                -0.5 * t * t + 0.5 * t**3,
            )
            x, y = (sum(w * p[axis] for w, p in zip(weights, (a, b, c, d), strict=True)) for axis in (0, 1))
            curve.append((x, y))
    return [*curve, points[-1]]


def beside(points: Line, distance: float) -> list[Point]:
    """The line that runs `distance` pixels to the right of another."""
    moved = []
    for index, (x, y) in enumerate(points):
        before, after = points[max(index - 1, 0)], points[min(index + 1, len(points) - 1)]
        dx, dy = after[0] - before[0], after[1] - before[1]
        length = math.hypot(dx, dy) or 1
        moved.append((x - dy / length * distance, y + dx / length * distance))
    return moved


def blob(random: Random, centre: Point, across: float, down: float) -> list[Point]:
    """A closed, uneven outline such as a pond's."""
    corners = 9
    radii = [random.uniform(0.75, 1.15) for _ in range(corners)]
    points = [
        (
            centre[0] + across * radius * math.cos(math.tau * index / corners),
            centre[1] + down * radius * math.sin(math.tau * index / corners),
        )
        for index, radius in enumerate(radii)
    ]
    return smooth([*points, points[0]])


class Town:
    """A map in the making: what was asked for, drawn in the order of a map's layers by `render`."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.random = Random(seed)  # noqa: S311  (a drawing, nothing secret)
        self._streets: list[tuple[Line, Kind]] = []
        self._areas: list[tuple[Line, Colour]] = []
        self._rivers: list[tuple[Line, float]] = []
        self._ways: list[tuple[Line, Kind]] = []
        self._rails: list[Line] = []
        self._houses: list[Line] = []
        self._placed: list[Line] = []

    # --- what a map can have ---

    def grid(self, grid: Grid) -> None:
        """Streets and houses all over; areas, water and ways added later lie above them."""
        reach = self.size * 0.85
        rows, columns = int(reach // grid.depth) + 1, int(reach // grid.block) + 1
        for row in range(-rows, rows + 1):
            v = row * grid.depth
            self._streets.append((grid.line((-reach, v), (reach, v)), STREET))
        for column in range(-columns, columns + 1):
            kind = AVENUE if column % 4 == 0 else STREET
            # Some cross streets stop for a block, so that the pattern is not a chessboard.
            for row in range(-rows, rows):
                if kind is AVENUE or self.random.random() > 0.12:
                    start, end = (
                        (column * grid.block, row * grid.depth),
                        (column * grid.block, (row + 1) * grid.depth),
                    )
                    self._streets.append((grid.line(start, end), kind))
        build = {"rows": self._row_houses, "detached": self._detached_houses, "halls": self._halls}[grid.kind]
        for row in range(-rows, rows):
            for column in range(-columns, columns):
                build(grid, column * grid.block, row * grid.depth)

    def area(self, outline: Line, colour: Colour = PARK) -> None:
        """A park, a pitch, a lake: flat, without houses."""
        self._areas.append((outline, colour))

    def river(self, course: Line, width: float) -> None:
        """Water along a line."""
        self._rivers.append((course, width))

    def way(self, course: Line, kind: Kind) -> None:
        """A road or path above areas and water: what crosses a river is its bridge."""
        self._ways.append((course, kind))

    def motorway(self, course: Line) -> None:
        """Two carriageways."""
        for distance in (-5.5, 5.5):
            self.way(beside(course, distance), MOTORWAY)

    def rail(self, course: Line, tracks: int = 2) -> None:
        """Railway tracks side by side."""
        self._rails += [beside(course, 3.5 * (index - (tracks - 1) / 2)) for index in range(tracks)]

    def house(self, outline: Line) -> None:
        """A building that stands wherever it is put, in a park for instance."""
        self._placed.append(outline)

    # --- houses of a block, whose corner is at (u, v) ---

    def _row_houses(self, grid: Grid, u: float, v: float) -> None:
        margin = 5.5
        for side in (0, 1):
            along = u + margin
            while along < u + grid.block - margin - 4:
                width = self.random.choice((4, 4.5, 5, 5, 7, 11))
                deep = min(grid.depth / 2 - margin - 2, self.random.uniform(10, 15))
                near = v + margin if side == 0 else v + grid.depth - margin - deep
                if self.random.random() > 0.08:
                    self._add(grid, along, near, min(width, u + grid.block - margin - along) - 0.5, deep)
                along += width

    def _detached_houses(self, grid: Grid, u: float, v: float) -> None:
        along = u + 8
        while along < u + grid.block - 11:
            for near in (v + 8, v + grid.depth - 16):
                if self.random.random() > 0.1:
                    self._add(
                        grid, along, near + self.random.uniform(-1, 1), self.random.uniform(5.5, 7.5), 8
                    )
            along += self.random.uniform(10, 14)

    def _halls(self, grid: Grid, u: float, v: float) -> None:
        parts = self.random.choice((1, 2, 2, 3))
        for index in range(parts):
            length = (grid.block - 22) / parts
            if self.random.random() > 0.15:
                deep = (grid.depth - 22) * self.random.uniform(0.6, 1)
                self._add(
                    grid, u + 11 + index * length, v + 11, length * self.random.uniform(0.7, 0.94), deep
                )

    def _add(self, grid: Grid, u: float, v: float, width: float, deep: float) -> None:
        corners = ((u, v), (u + width, v), (u + width, v + deep), (u, v + deep))
        self._houses.append([grid.point(*corner) for corner in corners])

    # --- drawing ---

    def render(self) -> Image.Image:
        """The finished map, RGB."""
        image = Image.new("RGB", (self.size * SCALE, self.size * SCALE), LAND)
        draw = ImageDraw.Draw(image)
        self._draw_ways(draw, self._streets)
        for outline, colour in self._areas:
            draw.polygon(_scaled(outline), fill=colour)
            if colour == WATER:
                _stroke(draw, outline, 2, SHORE)
        for course, width in self._rivers:
            _stroke(draw, course, width, SHORE)
        for course, width in self._rivers:
            _stroke(draw, course, width - 3, WATER)
        for outline in [*self._free_houses(), *self._placed]:
            draw.polygon(_scaled(outline), fill=self.random.choice(HOUSES))
            draw.line(_scaled([*outline, outline[0]]), fill=HOUSE_EDGE, width=SCALE // 2)
        for course in self._rails:
            _stroke(draw, course, 1, RAIL)
        for level in ((PATH,), (STREET, AVENUE), (RAMP,), (MAIN,), (MOTORWAY,)):
            self._draw_ways(draw, [way for way in self._ways if way[1] in level])
        return image.resize((self.size, self.size), Image.Resampling.BOX)

    def _draw_ways(self, draw: ImageDraw.ImageDraw, ways: list[tuple[Line, Kind]]) -> None:
        """All casings before all fills, so that crossings are open."""
        for course, kind in ways:
            _stroke(draw, course, kind.width + 1.2, kind.casing)
        for course, kind in ways:
            _stroke(draw, course, kind.width, kind.fill)

    def _free_houses(self) -> Iterator[Line]:
        """The houses that stand on no street, area, water or way, nor too close to one."""
        taken = Image.new("1", (self.size, self.size))
        draw = ImageDraw.Draw(taken)
        for outline, _ in self._areas:
            draw.polygon(list(outline), fill=1)
        for course, width in (
            *((course, width + 6) for course, width in self._rivers),
            *((course, kind.width + 4) for course, kind in (*self._streets, *self._ways)),
            *((course, 8.0) for course in self._rails),
        ):
            draw.line(list(course), fill=1, width=round(width), joint="curve")
        for outline in self._houses:
            ring = [*outline, outline[0]]
            probes = [((a[0] + b[0]) / 2, (a[1] + b[1]) / 2) for a, b in pairwise(ring)]
            inside = [
                (int(x), int(y)) for x, y in (*outline, *probes) if 0 <= x < self.size and 0 <= y < self.size
            ]
            if inside and not any(taken.getpixel(pixel) for pixel in inside):
                yield outline


def _scaled(points: Line) -> list[Point]:
    return [(x * SCALE, y * SCALE) for x, y in points]


def _stroke(draw: ImageDraw.ImageDraw, points: Line, width: float, colour: Colour) -> None:
    """A line with round joints and ends."""
    scaled, radius = _scaled(points), width * SCALE / 2
    draw.line(scaled, fill=colour, width=round(width * SCALE), joint="curve")
    for x, y in (scaled[0], scaled[-1]):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
