"""Two devices share a batch and make the update that one device makes of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mapgan import checkpoints
from mapgan.engine import EngineError
from mapgan.engine.devices import sharing
from tests.mapgan import engine_runs

STEPS = 3


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("backend", "devices", "cases"),
    [
        ("tensorflow", {"TF_DEVICES": "2"}, ["two", "two_cycle"]),
        # JAX compiles the whole batch's program, and XLA divides it; its pools draw other numbers.
        ("jax", {"xla": "--xla_force_host_platform_device_count=2"}, ["two"]),
    ],
)
def test_two_devices_equal_one(
    backend: str, devices: dict[str, str], cases: list[str], tmp_path: Path
) -> None:
    """Weights, averages, statistics, pools and counts after three updates of a batch of two.

    One device is TensorFlow's, here. On the way, a batch of three is refused in words.
    """
    pytest.importorskip(backend)
    expected = {}
    for case in (*cases, "three"):
        one, config, state = engine_runs.begin(case)
        if "cycle" in case:
            engine_runs.be_on_its_way(one, config, state)
        engine_runs.leave(tmp_path / case / "start", 0, config, state)
        if case != "three":
            engine_runs.make_steps(one, config, state, STEPS)
            expected[case] = {path: np.array(value.numpy()) for path, value in state.variables().items()}
    engine_runs.run(tmp_path, *cases, "three", backend=backend, steps=STEPS, end="two", **devices)
    assert "3 cannot be shared evenly by 2 devices" in (tmp_path / "three.error").read_text()
    for case in cases:
        found = checkpoints.read_arrays(checkpoints.find(tmp_path / case / "two"))
        for path, wanted in expected[case].items():
            if wanted.dtype.kind in "iu":
                np.testing.assert_array_equal(found[path], wanted, err_msg=path)
            elif not path.startswith("optimizers/") and not engine_runs.is_noise(case, path):
                # A bias that has hardly left zero is measured against one update.
                scale = max(float(np.abs(wanted).max()), 2e-5)
                assert np.abs(found[path] - wanted).max() / scale < 1e-4, path


def test_sharing() -> None:
    """All devices or one; never an uneven batch."""
    assert [sharing(*each) for each in ((1, 1), (3, 1), (1, 4), (8, 4))] == [1, 1, 1, 4]
    with pytest.raises(EngineError, match="a multiple of 4"):
        sharing(6, 4)
