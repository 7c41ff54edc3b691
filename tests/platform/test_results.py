"""docs/results.md says what benchmarks/experiments measured, and nothing else."""

from __future__ import annotations

from pathlib import Path

from benchmarks.experiments import bundled, runs, tables
from benchmarks.experiments import plan as plans

ROOT = Path(__file__).resolve().parents[2]


def test_the_tables_are_those_of_the_measurements() -> None:
    """Whoever edits a figure by hand is told; `python -m benchmarks.experiments` writes them again."""
    written = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    between = written.partition(tables.BEGIN)[2].partition(tables.END)[0].strip()
    assert between == tables.document(plans.read(), runs.read()).strip()


def test_the_bundled_generators_are_those_of_their_cards() -> None:
    """A file that is replaced changes the document."""
    written = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    between = written.partition(bundled.BEGIN)[2].partition(bundled.END)[0].strip()
    assert between == bundled.document(ROOT / "generators").strip()


def test_every_record_is_of_the_plan() -> None:
    """A changed plan leaves no figures of the old one behind."""
    trainings = {each.name: each for each in plans.read().trainings}
    for name, record in runs.read().items():
        assert name in trainings
        threads = record["train"][record["train"].index("--threads") :]
        assert record["train"] == trainings[name].train("DATA", "OUT", *threads)
        assert record["tiles"] == 100
