"""The doctor's report, arranged for a page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

SEVERITIES: Final = ("error", "warning", "notice")
SHOWN_TILES: Final = 12  # of one kind of finding; the whole list is in the report itself

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
}


@dataclass(frozen=True)
class Group:
    """All findings of one kind and severity.

    Attributes:
        title: of the kind, in words.
        count: how many findings.
        messages: the first few, as the doctor worded them.
        more: how many are not shown.
    """

    kind: str
    severity: str
    title: str
    count: int
    messages: list[str]
    more: int


class Report:
    """A report's JSON (docs/doctor.md), read once for a page."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    @property
    def counts(self) -> dict[str, int]:
        """Usable pairs by split; a flat set's are called ``all``."""
        return {split or "all": int(count) for split, count in self._data["pairs"].items()}

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
    def colours(self) -> list[tuple[str, list[tuple[str, float, float]]]]:
        """For A and B: red, green and blue with their mean and standard deviation, 0 to 255."""
        channels = ("red", "green", "blue")
        return [
            (half, list(zip(channels, values["mean"], values["stdev"], strict=True)))
            for half, values in self._data.get("colours", {}).items()
            if values
        ]

    def _grouped(self) -> Iterator[Group]:
        for severity in SEVERITIES:
            kinds: dict[str, list[str]] = {}
            for finding in self._data["findings"]:
                if finding["severity"] == severity:
                    kinds.setdefault(finding["kind"], []).append(finding["message"])
            for kind, messages in kinds.items():
                title = KINDS.get(kind, kind.replace("_", " ").capitalize())
                shown = messages[:SHOWN_TILES]
                yield Group(kind, severity, title, len(messages), shown, len(messages) - len(shown))
