"""Draw samples/*.png: imaginary street maps in the style that the bundled generators were trained on.

The generators know maps of about 2016 at one scale: pale land, white streets with a thin casing, orange
motorways, flat parks and water, the outlines of houses. These towns are invented, so the pictures are
ours to ship. Pillow only; the same seed draws the same pixels. Run it again after changing it::

    .venv/bin/python -m scripts.draw_sample_maps [FOLDER]
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from scripts.townmap import (
    AVENUE,
    CAMPUS,
    LAND,
    MAIN,
    PATH,
    PITCH,
    RAMP,
    STREET,
    WATER,
    Grid,
    Line,
    Town,
    beside,
    blob,
    smooth,
)

FOLDER = Path(__file__).resolve().parent.parent / "samples"


def nearest(line: Line, other: Line) -> tuple[int, int]:
    """Where two lines come closest: an index into each."""
    pairs = ((math.dist(a, b), i, j) for i, a in enumerate(line) for j, b in enumerate(other))
    _, first, second = min(pairs)
    return first, second


def bridge(grid: Grid, column: float, river: Line, bank: float) -> Line:
    """The part of a cross street of `grid` that leads over a river, from bank to bank."""
    street = grid.line((column, -900), (column, 900))
    return street[slice(*sorted(nearest(street, beside(river, side))[0] for side in (-bank, bank)))]


def ramps(down: Line, right: Line) -> list[Line]:
    """The four ramps between a motorway that leads down and one that leads to the right."""
    first, second = nearest(down, right)
    found: list[Line] = []
    for left in (1, -1):  # sides as `beside` counts them
        for below in (1, -1):
            x, y = beside(down, 40 * left)[first + 3 * below]
            corner = (x, y + 18 * below)
            found.append(
                smooth(
                    [
                        beside(down, 5.5 * left)[first + 13 * below],
                        beside(down, 15 * left)[first + 9 * below],
                        corner,
                        beside(right, 15 * below)[second - 9 * left],
                        beside(right, 5.5 * below)[second - 13 * left],
                    ]
                )
            )
    return found


def old_town() -> Town:
    """Narrow blocks of row houses, an avenue that cuts across, two small parks."""
    town = Town(600, 11)
    grid = Grid((300, 300), 28, 72, 40, bend=4)
    town.grid(grid)
    town.area(grid.line((-144, -80), (0, -80)) + grid.line((0, 80), (-144, 80)))
    town.area(grid.line((144, 80), (216, 80)) + grid.line((216, 160), (144, 160)))
    for start, end in (((-144, -80), (0, 80)), ((0, -80), (-144, 80))):
        town.way(grid.line(start, end), PATH)
    for v in (-80, 80):
        town.way(grid.line((-144, v), (0, v)), STREET)
    for u in (-144, 0):
        town.way(grid.line((u, -80), (u, 80)), AVENUE if u == 0 else STREET)
    town.way([(-20, 520), (250, 430), (620, 180)], AVENUE)
    return town


def canal_quarter() -> Town:
    """A river with four bridges, streets along both banks, a park behind one of them."""
    town = Town(600, 23)
    grid = Grid((300, 300), -14, 60, 44)
    town.grid(grid)
    course = smooth([(-40, 210), (140, 250), (300, 330), (470, 350), (650, 430)])
    town.area([*beside(course, -53)[10:34], *beside(course, -150)[33:10:-1]])
    town.river(course, 84)
    for side in (-51, 51):
        town.way(beside(course, side), STREET)
    for column, kind in ((-240, AVENUE), (0, AVENUE), (120, STREET), (240, AVENUE)):
        town.way(bridge(grid, column, course, 51), kind)
    return town


def garden_suburb() -> Town:
    """Bent streets with detached houses around a green with a pond."""
    town = Town(600, 37)
    town.grid(Grid((280, 320), 9, 92, 46, bend=24, wave=420, kind="detached"))
    green = blob(town.random, (330, 270), 130, 92)
    town.area(green)
    town.area(blob(town.random, (350, 285), 46, 30), WATER)
    town.area([(255, 215), (310, 200), (322, 240), (267, 255)], PITCH)
    town.way(smooth([(205, 290), (270, 300), (330, 235), (400, 230), (428, 262)]), PATH)
    town.way(green, STREET)
    town.way(smooth([(-20, 90), (180, 60), (400, 95), (620, 40)]), MAIN)
    return town


def motorway_crossing() -> Town:
    """Two motorways, ramps between them, halls on one side and a park on the other."""
    town = Town(600, 41)
    town.grid(Grid((300, 300), 3, 96, 70, kind="halls"))
    town.area([(330, -10), (620, -10), (620, 250), (520, 262), (400, 200)])
    first = smooth([(190, -40), (240, 150), (330, 330), (380, 640)])
    second = smooth([(-40, 420), (200, 350), (430, 290), (640, 300)])
    town.motorway(first)
    town.motorway(second)
    for ramp in ramps(first, second):
        town.way(ramp, RAMP)
    return town


def harbour() -> Town:
    """A shore with piers, quays with halls, a railway, dense blocks inland."""
    town = Town(600, 53)
    town.grid(Grid((300, 160), 17, 64, 42))
    shore = smooth([(-20, 330), (150, 350), (330, 420), (480, 470), (620, 560)])
    quay = beside(shore, -60)
    town.area([*quay, *reversed(shore)], LAND)
    town.area([*shore, (620, 620), (-20, 620)], WATER)
    for index in (10, 20, 31, 42):
        (x, y), (ax, ay) = shore[index], beside(shore, 95)[index]
        pier = [*beside([(x, y), (ax, ay)], 17), *reversed(beside([(x, y), (ax, ay)], -17))]
        town.area(pier, LAND)
        town.house([*beside([(x, y), (ax, ay)], 10), *reversed(beside([(x, y), (ax, ay)], -10))])
    for index in range(4, 50, 9):
        town.house([beside(shore, -50)[index], beside(shore, -50)[index + 6], beside(shore, -16)[index + 6],
                    beside(shore, -16)[index]])  # fmt: skip
    town.way(beside(shore, -62), AVENUE)
    town.rail(smooth([(-20, 40), (160, 120), (380, 150), (620, 250)]), tracks=3)
    return town


def park_and_lake() -> Town:
    """A large park with a lake, paths and a few houses, and the town around it."""
    town = Town(600, 67)
    grid = Grid((300, 300), -28, 66, 42)
    town.grid(grid)
    park = [*grid.line((-396, -168), (132, -168)), *grid.line((132, 252), (-396, 252))]
    town.area(park)
    town.area(blob(town.random, (235, 330), 92, 60), WATER)
    town.area([(330, 190), (400, 215), (378, 275), (308, 250)], PITCH)
    town.way(smooth([(40, 430), (120, 280), (250, 230), (350, 300), (330, 440)]), PATH)
    town.way(smooth([(60, 250), (200, 210), (300, 130), (378, 143)]), PATH)
    for x, y, width, deep in ((150, 180, 34, 16), (200, 165, 14, 26), (390, 330, 20, 20), (120, 470, 26, 14)):
        town.house([(x, y), (x + width, y + 6), (x + width - 4, y + deep + 6), (x - 4, y + deep)])
    town.way([*park, park[0]], AVENUE)
    return town


def metropolis() -> Town:
    """1,024 pixels of everything, for translation in windows."""
    town = Town(1024, 79)
    grid = Grid((512, 512), 21, 84, 56, bend=6, wave=900)
    town.grid(grid)
    course = smooth([(-60, 700), (200, 640), (420, 700), (640, 830), (1090, 850)])
    town.river(course, 110)
    park = [(520, 70), (860, 40), (920, 330), (590, 370)]
    town.area(park)
    town.area(blob(town.random, (700, 200), 80, 52), WATER)
    town.area([(800, 110), (850, 105), (862, 170), (812, 176)], PITCH)
    town.area([(70, 820), (300, 800), (330, 930), (90, 960)], CAMPUS)
    for side in (-64, 64):
        town.way(beside(course, side), STREET)
    for column, kind in ((-336, AVENUE), (0, AVENUE), (336, AVENUE)):
        town.way(bridge(grid, column, course, 64), kind)
    town.way([*park, park[0]], AVENUE)
    town.way(smooth([(555, 220), (640, 120), (780, 110), (820, 230), (700, 300), (580, 330)]), PATH)
    town.motorway(smooth([(300, -60), (340, 240), (290, 520), (330, 1090)]))
    town.way(smooth([(-20, 420), (300, 380), (640, 430), (1050, 380)]), MAIN)
    for x, y in ((100, 840), (170, 835), (240, 850), (120, 900), (200, 905)):
        town.house([(x, y), (x + 40, y - 4), (x + 44, y + 26), (x + 4, y + 30)])
    return town


TOWNS: tuple[Callable[[], Town], ...] = (
    old_town,
    canal_quarter,
    garden_suburb,
    motorway_crossing,
    harbour,
    park_and_lake,
    metropolis,
)


def main() -> None:
    """Draws every town into the folder given, or samples/."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for town in TOWNS:
        path = folder / f"{town.__name__.replace('_', '-')}.png"
        # Few colours make small files. Covering the range of colours first, then moving each to the
        # middle of its pixels, keeps even those of small areas.
        image = town().render().quantize(96, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
        image.save(path, optimize=True)
        print(f"{path}: {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
