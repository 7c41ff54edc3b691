"""docs/results.md says what benchmarks/experiments measured, and nothing else."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from benchmarks.experiments import bundled, runs, tables
from benchmarks.experiments import plan as plans
from mapgan.measures import SHOWN

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


def test_the_spread_of_seeds_by_hand() -> None:
    """Seeds at 1 and 3 (half their mean away), and at 2 and 2: a variance of (0.5 + 0) / 2, two degrees."""
    plan = plans.Plan(
        tuple(plans.Training(name, seed, (), ("map2sat",)) for name in ("a", "b", "c") for seed in (1, 2)),
        (),
    )
    values = {"a-1": 1.0, "a-2": 3.0, "b-1": 2.0, "b-2": 2.0, "c-1": 9.0}

    def record(value: float) -> dict[str, Any]:
        intervals = {"rmse": [value - 3, value + 3]}
        figures = {"values": dict.fromkeys(SHOWN["map2sat"], value), "intervals": intervals}
        return {"measures": {"map2sat": {"averaged": figures}}}

    records = {name: record(value) for name, value in values.items()}
    spreads = tables.spreads("map2sat", "averaged", plan, records)
    assert spreads["rmse"] == tables.Spread(0.5, 2)
    half = 4.30 * 0.5 * 2 * math.sqrt(1.5)
    assert spreads["rmse"].half_width(2, seeds=2) == pytest.approx(half)
    figures = [records[name]["measures"]["map2sat"]["averaged"] for name in ("a-1", "a-2")]
    row = dict(zip(SHOWN["map2sat"], tables.cells("map2sat", figures, spreads), strict=True))
    assert row["rmse"] == f"2.00 (0.00..{2 + math.hypot(3, half):.2f})"
    assert row["psnr"] == f"2.00 (0.00..{2 + half:.2f})"  # a PSNR has no negative values
    assert tables.Spread(0.0, 0).half_width(2, seeds=1) == 0


def test_a_training_that_was_stopped_is_not_measured(tmp_path: Path) -> None:
    """It saves and ends without an error; what it has is not what the plan says."""
    log = tmp_path / "log.jsonl"
    ends = {
        reason: json.dumps({"event": "finished", "reason": reason}) for reason in ("stopped", "completed")
    }
    for lines, complete in (
        ([], False),
        (['{"event": "started"}', ends["stopped"]], False),
        ([ends["stopped"], '{"event": "resumed"}'], False),
        ([ends["stopped"], '{"event": "resumed"}', ends["completed"]], True),
    ):
        log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        assert runs.completed(tmp_path) == complete


def test_anew_is_anew(tmp_path: Path) -> None:
    """A folder that has the run would only be measured again."""
    training = plans.Training("small", 1, (), ("map2sat",))
    (tmp_path / training.name).mkdir()
    with pytest.raises(runs.ExperimentError, match="small-1 already"):
        runs.run_all([training], data=tmp_path, out=tmp_path, parallel=1, threads=1, tell=print, anew=True)
