"""Two devices share a batch and make the update that one device makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mapgan import checkpoints
from mapgan.engine import EngineError
from mapgan.engine.devices import sharing
from tests.mapgan import engine_runs

CASES = ("two", "two_cycle")
DEVICES = {
    "tensorflow": {"TF_DEVICES": "2"},
    "jax": {"xla": "--xla_force_host_platform_device_count=2"},
}


@pytest.mark.slow
@pytest.mark.parametrize("backend", DEVICES)
def test_two_devices_equal_one(backend: str, tmp_path: Path) -> None:
    """Weights, averages and statistics after three updates of a batch of two; the pools even draw alike.

    On the way, a batch of three is refused in words.
    """
    pytest.importorskip(backend)
    for case in (*CASES, "three"):
        one, config, state = engine_runs.begin(case)
        if case == "two_cycle":
            engine_runs.be_on_its_way(one, config, state)
        engine_runs.leave(tmp_path / case / "start", 0, config, state)
    # One device first, in this backend, too: both runs have the same draws then.
    engine_runs.run(tmp_path, *CASES, backend=backend, steps=3, end="one")
    engine_runs.run(tmp_path, *CASES, "three", backend=backend, steps=3, end="both", **DEVICES[backend])
    assert "3 cannot be shared evenly by 2 devices" in (tmp_path / "three.error").read_text()
    for case in CASES:
        single, both = (
            checkpoints.read_arrays(checkpoints.find(tmp_path / case / name)) for name in ("one", "both")
        )
        for path, expected in single.items():
            if path.startswith("random/") or expected.dtype.kind in "iu":
                np.testing.assert_array_equal(both[path], expected, err_msg=path)
            elif not path.startswith("optimizers/") and not engine_runs.is_noise(case, path):
                scale = max(float(np.abs(expected).max()), 1e-12)
                assert np.abs(both[path] - expected).max() / scale < 1e-4, path


def test_sharing() -> None:
    """All devices or one; never an uneven batch."""
    assert [sharing(*each) for each in ((1, 1), (3, 1), (1, 4), (8, 4))] == [1, 1, 1, 4]
    with pytest.raises(EngineError, match="a multiple of 4"):
        sharing(6, 4)
