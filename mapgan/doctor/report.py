"""What the doctor found, as objects, as text and as JSON with a stable schema."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

SCHEMA: Final = 1
"""Raised when a key of the JSON changes its meaning or goes; new keys may come without."""
SHOWN_OF_A_KIND: Final = 20
"""Findings of one kind in the text; the JSON has them all."""

Severity: TypeAlias = Literal["error", "warning", "notice"]
SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "notice")


@dataclass(frozen=True)
class Finding:
    """One thing found.

    Attributes:
        kind: a stable word, listed in docs/doctor.md.
        severity: ``error``: training would fail or learn wrong things; ``warning``: worth a look;
            ``notice``: good to know.
        tiles: the pairs concerned, each as ``split/stem`` (``stem`` alone in a flat folder); empty
            when the whole set is meant.
        message: a sentence for a person.
        values: the numbers behind it, JSON types only.
    """

    kind: str
    severity: Severity
    tiles: tuple[str, ...]
    message: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """All findings about a folder, the worst first.

    Attributes:
        pairs: pairs that could be read, by split ('' for a flat folder).
        colours: per half and channel, mean and standard deviation over all pixels, in grey levels.
        findings: in the order of severity.
        groups: tiles (named as in findings) that a split must keep together, two or more each.
        tiles: every readable pair, named as in findings.
        layout: ``halves`` (A and B in one picture), ``folders`` (one each) or ``unpaired``.
        size: (height, width) of most halves, in pixels.
        histograms: per half and channel, shares of all pixels in 16 bins of 16 levels.
        alignment: what :meth:`mapgan.doctor.alignment.MeanSurface.plot` gives; empty for unpaired data.
    """

    pairs: dict[str, int]
    colours: dict[str, dict[str, list[float]]]
    findings: list[Finding]
    groups: list[list[str]]
    tiles: list[str]
    layout: str = "halves"
    size: tuple[int, int] = (0, 0)
    histograms: dict[str, list[list[float]]] = field(default_factory=dict)
    alignment: dict[str, Any] = field(default_factory=dict)

    @property
    def broken(self) -> set[str]:
        """Tiles that an error is about."""
        return {tile for finding in self.findings if finding.severity == "error" for tile in finding.tiles}

    def training(self) -> list[str]:
        """Stems of the tiles a split may use: of ``train`` or a flat folder, without errors.

        Unpaired data have none: two domains are not split by one list.
        """
        broken = self.broken
        usable = [tile for tile in self.tiles if tile not in broken]
        if self.layout == "unpaired":
            return []
        if "train" in self.pairs:
            return [tile.removeprefix("train/") for tile in usable if tile.startswith("train/")]
        return [tile for tile in usable if "" in self.pairs]

    def training_groups(self) -> list[list[str]]:
        """The groups, named by stems as in :meth:`training`; other splits' tiles are left out."""
        prefix = "train/" if "train" in self.pairs else ""
        groups = (
            [tile.removeprefix(prefix) for tile in group if tile.startswith(prefix)] for group in self.groups
        )
        return [group for group in groups if len(group) > 1]

    def named_from(self, root: Path) -> Report:
        """The same with files and folders in the messages named from here on."""
        above = f"{root}/"
        findings = [replace(finding, message=finding.message.replace(above, "")) for finding in self.findings]
        return replace(self, findings=findings)

    def domains(self) -> dict[str, tuple[list[str], list[list[str]]]]:
        """What a split divides: usable training tiles and their groups, by stem.

        Under ``pairs``, or under ``A`` and ``B`` for unpaired data, whose domains are divided apart.
        """
        if self.layout != "unpaired":
            return {"pairs": (self.training(), self.training_groups())}
        split = "train" if "train" in self.pairs else ""
        broken = self.broken
        usable = [tile for tile in self.tiles if tile not in broken]
        found = {}
        for half in "AB":
            prefix = f"{split}{half}/"
            stems = [tile.removeprefix(prefix) for tile in usable if tile.startswith(prefix)]
            groups = [
                [tile.removeprefix(prefix) for tile in group]
                for group in self.groups
                if group[0].startswith(prefix)
            ]
            found[half] = (stems, groups)
        return found

    def count(self, severity: Severity) -> int:
        """How many findings have this severity."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json(self) -> str:
        """The whole report; the schema is in docs/doctor.md."""
        document = {
            "schema": SCHEMA,
            "paired": self.layout != "unpaired",
            "layout": self.layout,
            "size": {"width": self.size[1], "height": self.size[0]},
            "pairs": self.pairs,
            "summary": {severity: self.count(severity) for severity in SEVERITIES},
            "kinds": Counter(finding.kind for finding in self.findings),
            "colours": self.colours,
            "histograms": self.histograms,
            "alignment": self.alignment,
            "findings": [asdict(finding) for finding in self.findings],
            "groups": self.groups,
        }
        return json.dumps(document, indent=2) + "\n"

    def to_text(self) -> str:
        """The report for a person: a heading a kind, up to twenty findings below each."""
        total = sum(self.pairs.values())
        parts = ", ".join(f"{count} in {split}" for split, count in self.pairs.items() if split)
        what = "pictures of two domains" if self.layout == "unpaired" else "pairs"
        lines = [f"{total} readable {what}" + (f" ({parts})" if parts else "")]
        for half, figures in self.colours.items():
            means, stdevs = ("/".join(f"{value:.0f}" for value in figures[key]) for key in ("mean", "stdev"))
            lines.append(f"{half}: mean colour {means}, standard deviation {stdevs}")
        kinds = Counter((finding.severity, finding.kind) for finding in self.findings)
        for severity, kind in sorted(kinds, key=lambda key: SEVERITIES.index(key[0])):
            lines.append(f"\n{severity}: {kind} ({kinds[severity, kind]})")
            found = [item for item in self.findings if (item.severity, item.kind) == (severity, kind)]
            lines += [f"  {item.message}" for item in found[:SHOWN_OF_A_KIND]]
            if len(found) > SHOWN_OF_A_KIND:
                lines.append(f"  ... and {len(found) - SHOWN_OF_A_KIND} more (see --json)")
        counts = ", ".join(f"{self.count(severity)} {severity}s" for severity in SEVERITIES)
        return "\n".join([*lines, "", counts]) + "\n"
