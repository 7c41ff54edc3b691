"""What was measured: rows with their bounds, kept as JSON, shown as a table in a document."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmarks.machine import busy_share, describe, load

ROOT = Path(__file__).resolve().parent.parent
STORE = ROOT / ".cache" / "benchmarks.json"
DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: written by `make bench` -->", "<!-- end of measured -->"
BUSY_SHARE = 0.1
"""Of all cores, before a section starts; more, and the figures are called disturbed."""


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        what: what was measured, against what.
        measured: the figure.
        unit: ``x`` for a ratio, or GB, s, %.
        bound: what it must reach; None for a figure that is only told.
        sense: on which side of the bound it must be.
        detail: the numbers behind it.
    """

    what: str
    measured: float
    unit: str = "x"
    bound: float | None = None
    sense: Literal["at_least", "at_most"] = "at_least"
    detail: str = ""

    @property
    def kept(self) -> bool | None:
        """Whether it reached its bound; None without one."""
        if self.bound is None:
            return None
        return self.measured >= self.bound if self.sense == "at_least" else self.measured <= self.bound

    def cells(self) -> list[str]:
        """The row of a table."""
        sign = {"at_least": "≥", "at_most": "≤"}[self.sense]
        bound = "" if self.bound is None else f"{sign} {_number(self.bound, self.unit)}"
        verdict = {None: "", True: "kept", False: "**missed**"}[self.kept]
        return [self.what, _number(self.measured, self.unit), bound, verdict, self.detail]


def _number(value: float, unit: str) -> str:
    if unit == "x":
        return f"{value:.2f}x"
    return f"{value:,.0f} {unit}" if value >= 1000 else f"{value:.3g} {unit}"


def surroundings() -> dict[str, Any]:
    """The machine, how busy it is just now, the date and the state of the code."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "machine": describe(),
        "load": load(),
        "busy": busy_share(),
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "commit": commit.stdout.strip(),
    }


def disturbed(about: dict[str, Any]) -> bool:
    """Whether something else ran on the machine."""
    return bool(about["busy"] > BUSY_SHARE)


def read(path: Path) -> dict[str, Any]:
    """Sections measured so far: ``{name: {**surroundings, "seconds": ..., "rows": [...]}}``."""
    if not path.is_file():
        return {}
    sections: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return sections


def write(path: Path, name: str, about: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    """Put a section in the place of its last measurement; gives all sections."""
    entries = [{**dataclasses.asdict(row), "kept": row.kept} for row in rows]
    sections = {**read(path), name: {**about, "rows": entries}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(sections, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return sections


def rows_of(section: dict[str, Any]) -> list[Row]:
    """The opposite of :func:`write`; also reads rows that another script wrote."""
    names = {field.name for field in dataclasses.fields(Row)}
    return [Row(**{key: value for key, value in row.items() if key in names}) for row in section["rows"]]


def table(rows: list[Row]) -> str:
    """Markdown."""
    cells = [["what", "measured", "must reach", "", "medians"], *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def publish(document: Path, sections: dict[str, Any], order: list[str]) -> bool:
    """Write the table into the document, if every section of ``order`` was measured on one machine."""
    machines = {sections[name]["machine"] for name in order if name in sections}
    if len(machines) != 1 or any(name not in sections for name in order):
        return False
    parts = [BEGIN, "", f"Machine: {machines.pop()}.", ""]
    parts += [table([row for name in order for row in rows_of(sections[name])]), ""]
    for name in order:
        about = sections[name]
        busy = f", **{about['busy']:.0%} of the cores busy with something else**" if disturbed(about) else ""
        told = f"{about['when']}, at {about['commit']}, {about['seconds']:.0f} s; {about['load']}"
        parts.append(f"- {name}: {told}{busy}")
    parts += ["", END]
    text = document.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    document.write_text(before + "\n".join(parts) + after, encoding="utf-8")
    return True
