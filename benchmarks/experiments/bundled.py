"""docs/results.md's tables of the bundled generators: what their cards say, and the commands behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.experiments.tables import BASELINES, bracketed, markdown
from mapgan.card import GeneratorCard, read_card
from mapgan.measures import MEASURES, SHOWN

BEGIN, END = "<!-- bundled: written by `python -m benchmarks.experiments` -->", "<!-- end of bundled -->"
DIRECTIONS = {"map2sat": "Map to satellite", "sat2map": "Satellite to map"}


def document(folder: Path) -> str:
    """A table for each direction, then how each file was trained."""
    cards = [read_card(path) for path in sorted(folder.glob("*.onnx"))]
    parts = [table(way, [card for card in cards if card.direction == way]) for way in DIRECTIONS]
    return "\n\n".join([*filter(None, parts), trainings(cards)])


def table(direction: str, cards: list[GeneratorCard]) -> str:
    """The generators of a direction beside the two baselines; empty where there is none."""
    if not cards:
        return ""
    shown = SHOWN[direction]
    rows = [[f"`{card.name}`", *_cells(card.metrics["generator"], shown)] for card in cards]
    baselines = cards[0].metrics
    rows += [[title, *_cells(baselines[name], shown)] for name, title in BASELINES.items()]
    titles = ["", *(MEASURES[name].label for name in shown)]
    return f"### {DIRECTIONS[direction]}\n\n{markdown(titles, rows)}"


def _cells(figures: dict[str, Any], shown: tuple[str, ...]) -> list[str]:
    intervals = figures.get("intervals", {})
    return [bracketed(MEASURES[name], figures.get(name), intervals.get(name)) for name in shown]


def trainings(cards: list[GeneratorCard]) -> str:
    """How each was trained and what that took, as its card says."""
    lines = [f"# {card.name}: {card.compute}\n{card.command}" for card in cards]
    lines = [line.replace("--data maps ", "--data DATA ") for line in lines]
    return "### How they were trained\n\n```\n" + "\n\n".join(lines) + "\n```"
