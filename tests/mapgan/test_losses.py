"""The losses against numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mapgan.losses import bce, l1, lsgan


def test_bce_of_zero_logits_is_log_two() -> None:
    """A judge that knows nothing."""
    zeros = np.zeros((1, 30, 30, 1), np.float32)
    assert float(bce(zeros, real=True)) == pytest.approx(math.log(2))
    assert float(bce(zeros, real=False)) == pytest.approx(math.log(2))


def test_bce_by_hand() -> None:
    """sigmoid(ln 3) is 3/4: real costs ln(4/3), fake ln 4."""
    logits = np.full((2, 2), math.log(3), np.float32)
    assert float(bce(logits, real=True)) == pytest.approx(math.log(4 / 3), rel=1e-6)
    assert float(bce(logits, real=False)) == pytest.approx(math.log(4), rel=1e-6)


def test_bce_does_not_overflow() -> None:
    """Logits of a thousand cost a thousand or nothing."""
    logits = np.array([1000.0], np.float32)
    assert float(bce(logits, real=True)) == 0
    assert float(bce(logits, real=False)) == pytest.approx(1000)


def test_lsgan_by_hand() -> None:
    """Distances to 1 and to 0, squared."""
    logits = np.array([0.0, 2.0, 0.5], np.float32)
    assert float(lsgan(logits, real=True)) == pytest.approx((1 + 1 + 0.25) / 3)
    assert float(lsgan(logits, real=False)) == pytest.approx((0 + 4 + 0.25) / 3)


def test_l1_by_hand() -> None:
    """The mean over everything."""
    first = np.array([[1.0, -1.0], [0.0, 0.5]], np.float32)
    assert float(l1(first, np.zeros((2, 2), np.float32))) == pytest.approx(2.5 / 4)
