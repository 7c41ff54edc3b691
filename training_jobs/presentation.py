"""The doctor's report, arranged for a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Model

from training_jobs.drawing import AlignmentPlot, HalfColours, alignment_plot, colours_of
from training_jobs.models import DatasetVersion, Publication
from training_jobs.selectors import Users, versions_users

SEVERITIES: Final = ("error", "warning", "notice")
SHOWN_TILES: Final = 12  # findings of one kind; the whole list is in the report itself
TILES_OF_A_FINDING: Final = 2
SIDES: Final = {"train": "to learn from", "val": "for validation", "test": "for a last test"}

KINDS: Final = {
    "unreadable": "Unreadable files",
    "size": "Pictures of another size",
    "odd_width": "Odd widths",
    "unpaired": "Without a counterpart",
    "name_twice": "Names used twice",
    "swapped": "Halves exchanged",
    "set_swapped": "All halves exchanged",
    "set_misaligned": "The whole set is shifted",
    "misaligned": "Shifted pairs",
    "duplicate": "Copies",
    "overlap": "The same ground",
    "blank": "Blank halves",
    "colour_mode": "Other colour modes",
    "colour_outlier": "Unusual colours",
    "ignored_files": "Ignored files",
    "unpaired_set": "Two sets that are not pairs",
    "paired_set": "Two folders taken for pairs",
    "mixed_layouts": "Some splits have pairs, others not",
}


@dataclass(frozen=True)
class Crop:
    """One cell of a sheet, to be shown alone.

    Attributes:
        name: of the tile.
        view_box: the cell's place, as SVG has it.
        sheet: which sheet: ``a``, ``b`` or ``problems``.
        width, height: of the whole sheet, in pixels.
    """

    name: str
    view_box: str
    sheet: str
    width: int
    height: int


@dataclass(frozen=True)
class Shown:
    """One finding: the doctor's sentence, and those of its tiles that were drawn."""

    message: str
    crops: list[Crop]


@dataclass(frozen=True)
class Group:
    """All findings of one kind and severity.

    Attributes:
        title: of the kind, in words.
        count: how many findings.
        findings: the first few.
        more: how many are not shown.
    """

    kind: str
    severity: str
    title: str
    count: int
    findings: list[Shown]
    more: int


@dataclass(frozen=True)
class Pair:
    """Both halves of one tile; of unpaired pictures two that have nothing to do with each other."""

    a: Crop
    b: Crop


@dataclass(frozen=True)
class Use:
    """Something that needs a dataset's version.

    Attributes:
        what: the kind of thing, in words.
        url: of its page.
    """

    what: str
    name: str
    url: str


@dataclass(frozen=True)
class Uses:
    """What needs some versions, for a page.

    Attributes:
        more: how many are not shown.
    """

    shown: list[Use]
    more: int

    def __bool__(self) -> bool:
        return bool(self.shown)


def uses_of(versions: Iterable[DatasetVersion]) -> Uses:
    """What needs these versions, with links."""
    return as_uses(versions_users(versions))


def as_uses(users: Users) -> Uses:
    """The same of what a selector found."""
    shown = [Use(str(row._meta.verbose_name), str(row), _page(row)) for row in users.rows]
    return Uses(shown, users.count - len(shown))


def _page(row: Model) -> str:
    """Where a person finds it; a publication is on its run's page."""
    owner = row.checkpoint.run if isinstance(row, Publication) and row.checkpoint else row
    address = getattr(owner, "get_absolute_url", None)
    return str(address()) if address else ""


class Report:
    """A report's JSON (docs/doctor.md), read once for a page."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data
        self._sheets: dict[str, Any] = data.get("sheets", {})

    @property
    def is_paired(self) -> bool:
        """Its pictures are pairs, not two domains."""
        return bool(self._data.get("paired", True))

    @property
    def counts(self) -> dict[str, int]:
        """Usable pairs by split; a flat set's are called ``all``."""
        return {split or "all": int(count) for split, count in self._data["pairs"].items()}

    @property
    def size(self) -> str:
        """Of most halves, in pixels; nothing where there are none."""
        size = self._data.get("size", {})
        return f"{size['width']} x {size['height']}" if size.get("width") else ""

    @property
    def has_own_validation(self) -> bool:
        """The pictures bring a ``val/`` or ``test/``."""
        return any(self._data["pairs"].get(split) for split in ("val", "test"))

    @property
    def division(self) -> list[tuple[str, str]]:
        """How many tiles are on each side of the version's own split, in words."""
        found = []
        for side, label in SIDES.items():
            counts: dict[str, int] = self._data.get("split", {}).get(side, {})
            if any(counts.values()) or side != "test":
                words = [
                    f"{name} {count:,}" if len(counts) > 1 else f"{count:,}" for name, count in counts.items()
                ]
                found.append((label, ", ".join(words) or "0"))
        return found

    @property
    def holds_out(self) -> bool:
        """The version's own split has something to validate on."""
        return any(self._data.get("split", {}).get("val", {}).values())

    @property
    def groups(self) -> list[Group]:
        """Findings by severity and kind, the worst first."""
        return list(self._grouped())

    @property
    def is_clean(self) -> bool:
        """Neither errors nor warnings."""
        summary = self._data["summary"]
        return not (summary["error"] or summary["warning"])

    @property
    def ground_groups(self) -> int:
        """How many groups of tiles show the same ground."""
        return len(self._data.get("groups", []))

    @property
    def alignment(self) -> AlignmentPlot | None:
        """Where B lies in all pairs together."""
        return alignment_plot(self._data.get("alignment", {}))

    @property
    def colours(self) -> list[HalfColours]:
        """Of A and B."""
        return colours_of(self._data)

    @property
    def pairs(self) -> list[Pair]:
        """Some of the tiles, spread over all."""
        sides = [self._crops(half, half) for half in ("a", "b")]
        return [Pair(a, b) for a, b in zip(*sides, strict=False)]

    def _crops(self, which: str, sheet: str) -> list[Crop]:
        """Every cell of a sheet, in its order."""
        layout = self._sheets.get(which)
        if not layout:
            return []
        high, gap = int(self._sheets["cell"]), int(self._sheets["gap"])
        wide = 2 * high if which == "tiles" else high
        columns, names = int(layout["columns"]), layout["names"]
        rows = -(-len(names) // columns)
        width, height = columns * (wide + gap) - gap, rows * (high + gap) - gap
        return [
            Crop(
                name,
                f"{at % columns * (wide + gap)} {at // columns * (high + gap)} {wide} {high}",
                sheet,
                width,
                height,
            )
            for at, name in enumerate(names)
        ]

    def _grouped(self) -> Iterator[Group]:
        drawn = {crop.name: crop for crop in self._crops("tiles", "problems")}
        for severity in SEVERITIES:
            kinds: dict[str, list[dict[str, Any]]] = {}
            for finding in self._data["findings"]:
                if finding["severity"] == severity:
                    kinds.setdefault(finding["kind"], []).append(finding)
            for kind, findings in kinds.items():
                title = KINDS.get(kind, kind.replace("_", " ").capitalize())
                shown = [
                    Shown(
                        each["message"],
                        [drawn[tile] for tile in each["tiles"][:TILES_OF_A_FINDING] if tile in drawn],
                    )
                    for each in findings[:SHOWN_TILES]
                ]
                yield Group(kind, severity, title, len(findings), shown, len(findings) - len(shown))
