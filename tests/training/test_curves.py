"""Curves: packed small, read back exactly, thinned out without losing a peak."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training_jobs import curves


@given(st.integers(1, 50), st.integers(1, 6), st.integers(0, 2**31))
def test_what_is_packed_comes_back(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    steps = np.arange(rows, dtype=np.uint32) * 50 + 4_000_000_000
    values = rng.standard_normal((rows, columns)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    found_steps, found = curves.unpack(curves.pack(steps, values), rows)
    np.testing.assert_array_equal(found_steps, steps)
    np.testing.assert_array_equal(found, values)


def test_other_bytes_are_refused() -> None:
    data = curves.pack(np.arange(7, dtype=np.uint32), np.zeros((7, 2), np.float32))
    with pytest.raises(ValueError, match="not 6 rows"):
        curves.unpack(data, 6)


def test_curves_that_came_later_are_empty_before() -> None:
    early = curves.pack(np.array([1, 2], np.uint32), np.array([[1], [2]], np.float32))
    late = curves.pack(np.array([3], np.uint32), np.array([[3, 4]], np.float32))
    steps, values = curves.join([(early, 2), (late, 1)], 2)
    assert steps.tolist() == [1, 2, 3]
    assert values[:, 0].tolist() == [1, 2, 3]
    assert np.isnan(values[:2, 1]).all()
    assert values[2, 1] == 4


def test_figures_go_to_their_columns() -> None:
    row = curves.row_of(["a", "b", "c"], {"c": 3.0, "a": 1.0, "b": None})
    assert row[0] == 1.0
    assert np.isnan(row[1])
    assert row[2] == 3.0


def test_thinning_keeps_ends_and_peaks_and_order() -> None:
    rng = np.random.default_rng(0)
    steps = np.arange(109_700, dtype=np.uint32)
    values = rng.random((109_700, 4)).astype(np.float32)
    values[77_777, 2], values[31_337, 0] = 50.0, -50.0
    kept_steps, kept = curves.thin(steps, values, 2000)
    assert len(kept_steps) <= 2000
    assert (np.diff(kept_steps.astype(int)) > 0).all()
    assert {0, 109_699, 77_777, 31_337} <= set(kept_steps.tolist())
    assert kept[kept_steps.tolist().index(77_777), 2] == 50.0


def test_a_short_run_is_not_thinned() -> None:
    steps, values = np.arange(10, dtype=np.uint32), np.zeros((10, 2), np.float32)
    assert curves.thin(steps, values, 2000)[0] is steps


def test_a_curve_without_any_value_does_no_harm() -> None:
    values = np.full((5000, 2), np.nan, np.float32)
    values[:, 0] = 1.0
    assert len(curves.thin(np.arange(5000, dtype=np.uint32), values, 100)[0]) <= 100


def test_the_longest_run_of_the_first_mapgan_is_small() -> None:
    """109,700 logged steps of nine curves that are noise: far below twenty megabytes."""
    rng = np.random.default_rng(1)
    size = 0
    for start in range(0, 109_700, curves.ROWS):
        rows = min(curves.ROWS, 109_700 - start)
        steps = np.arange(start, start + rows, dtype=np.uint32)
        size += len(curves.pack(steps, rng.standard_normal((rows, 9)).astype(np.float32)))
    assert size < 5_000_000
