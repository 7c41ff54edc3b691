"""Whether losses go on after a resume: made again exactly, made again otherwise, jumped; in words."""

from __future__ import annotations

import math

from training_jobs.continuity import ROWS, Seam


def rows(start: int, count: int, *, level: float = 1.0) -> dict[int, dict[str, float]]:
    """Losses that scatter around a level."""
    return {step: {"g_l1": level + 0.01 * (step % 3)} for step in range(start, start + count)}


def heard(seam: Seam, figures: dict[int, dict[str, float]]) -> str:
    for step, row in figures.items():
        seam.hear(step, row)
    return seam.words()


def test_the_same_losses_again() -> None:
    before, again = rows(81, 20), rows(101, 37)
    seam = Seam(100, list(before.values()), again)
    words = heard(seam, rows(101, 40))
    assert "37 logged steps up to step 137 had been made before" in words
    assert "with exactly the same losses" in words
    assert "g_l1 1.01 before and 1.01 after" in words
    assert "No loss jumped." in words
    assert seam.is_known


def test_it_is_not_known_before_all_that_was_lost_is_made_again() -> None:
    seam = Seam(100, list(rows(81, 20).values()), rows(101, 37))
    heard(seam, rows(101, 36))
    assert not seam.is_known


def test_other_losses_are_told() -> None:
    seam = Seam(100, [], rows(101, 5))
    words = heard(seam, {**rows(101, 2), **rows(103, 3, level=1.5)})
    assert "differ by up to 33 %, from step 103 on" in words
    assert "exactly" not in words


def test_a_jump_is_told() -> None:
    words = heard(Seam(100, list(rows(81, 20).values()), {}), rows(101, ROWS, level=3.0))
    assert "g_l1 jumped: look at the curve." in words


def test_a_missing_figure_is_no_difference() -> None:
    seam = Seam(4, [], {5: {"d_real": math.nan}})
    assert "exactly the same" in heard(seam, {5: {"d_real": math.nan}})


def test_nothing_heard_is_nothing_said() -> None:
    assert Seam(4, [], {}).words() == ""
    assert Seam(4, [{"g_l1": 1.0}], {}).words() == ""
