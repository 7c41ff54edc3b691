"""What the documents for people who train say is what the commands take."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from mapgan.callbacks.watchdog import MESSAGES
from mapgan.card import GeneratorCard, read_card
from mapgan.cli import main
from mapgan.config import MODELS, settings
from mapgan.presets import PRESETS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def commands(document: Path) -> Iterator[list[str]]:
    """Every ``mapgan ...`` line of the code blocks, split as a shell would; continued lines are joined."""
    for block in re.findall(r"^```\n(.*?)^```", document.read_text(encoding="utf-8"), re.S | re.M):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip().startswith("mapgan "):
                yield shlex.split(line)[1:]


@pytest.mark.parametrize(
    "name", ["training.md", "presets.md", "model-card-template.md", "doctor.md", "metrics.md"]
)
def test_commands_exist(name: str) -> None:
    """Every command, option, choice and setting in a code block is one that there is."""
    for words in commands(DOCS / name):
        command = main.commands[words[0]]
        given = words[1 : words.index("...") if "..." in words else None]
        # The parser alone: it knows the options, and does not ask for files or for what is left out.
        values, _, _ = command.make_parser(click.Context(command)).parse_args(list(given))
        for parameter in command.params:
            value = values.get(parameter.name)
            if isinstance(parameter.type, click.Choice) and value is not None:
                assert value in parameter.type.choices, words
        for chosen in values.get("settings", ()):
            assert chosen.partition("=")[0] in settings(), words


def test_settings_that_are_named_exist() -> None:
    """``--set NAME=`` and ``name=value`` in running text, too."""
    for name in ("training.md", "presets.md"):
        text = (DOCS / name).read_text(encoding="utf-8")
        for setting in re.findall(r"(?:--set |`)([a-z_0-9]+)=", text):
            assert setting in settings(), setting


def test_every_alarm_has_advice() -> None:
    """A row in the watchdog's table for each alarm there is."""
    text = (DOCS / "training.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z_]+)` \|", text, re.M)) == set(MESSAGES)


def test_every_preset_has_its_costs() -> None:
    """Two rows, one of sizes and one of times, for each preset and model."""
    text = (DOCS / "presets.md").read_text(encoding="utf-8")
    for name in PRESETS:
        for model in MODELS:
            assert text.count(f"| `{name}` | {model} ") == 2


def test_the_card_in_the_template_is_the_bundled_one() -> None:
    """Word for word; and the table names every field."""
    text = (DOCS / "model-card-template.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```json\n(.*?)^```", text, re.S | re.M)
    card = GeneratorCard.from_json(json.dumps(json.loads(example)))
    assert card == read_card(ROOT / "generators" / "pix2pix-map2sat.onnx")
    table = re.findall(r"^\| (`.*?) \|", text, re.M)
    named = {field for cell in table for field in re.findall(r"`([a-z_0-9]+)`", cell)}
    assert named == {field.name for field in dataclasses.fields(GeneratorCard)}
