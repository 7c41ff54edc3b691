"""The two engines make the same updates: equal weights and batches in, equal losses and weights out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapgan import checkpoints
from mapgan.networks import INIT_STDDEV
from tests.mapgan import engine_runs

CASES = ("batch", "affine", "cycle")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Start and end of every case in both engines: TensorFlow here, JAX in a process of its own."""
    pytest.importorskip("jax")
    folder = tmp_path_factory.mktemp("parity")
    found: dict[str, dict[str, Any]] = {}
    for case in CASES:
        backend, config, state = engine_runs.begin(case)
        if case == "cycle":
            engine_runs.be_on_its_way(backend, config, state)
        engine_runs.leave(folder / case / "start", 0, config, state)
        losses = engine_runs.make_steps(backend, config, state)
        arrays = {path: np.array(value.numpy()) for path, value in state.variables().items()}
        found[case] = {"state": state, "losses": losses, "arrays": arrays}
    _, config, state = engine_runs.begin("bfloat16")
    engine_runs.leave(folder / "bfloat16" / "start", 0, config, state)
    found["bfloat16"] = {}
    engine_runs.run(folder, *found, backend="jax", end="jax")
    for case, run in found.items():
        run["jax"] = checkpoints.latest(folder / case / "jax")
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES)
def test_ten_steps_agree(runs: dict[str, dict[str, Any]], case: str) -> None:
    """Losses within 1e-5; every tensor within 1e-4 of its largest weight.

    A bias that began at zero is still next to nothing after ten steps, and which of a CycleGAN's ReLUs flip
    by rounding differs from processor to processor: biases are measured on the scale that kernels begin with.
    """
    run = runs[case]
    for step, (ours, theirs) in enumerate(
        zip(run["losses"], json.loads(run["jax"].environment["losses"]), strict=True)
    ):
        assert theirs == pytest.approx(ours, rel=1e-5, abs=1e-5), step
    arrays = checkpoints.read_arrays(run["jax"])
    assert set(arrays) == set(run["arrays"])
    for path, ours in run["arrays"].items():
        if engine_runs.is_noise(case, path):
            continue
        if path.startswith(("networks/", "ema/", "pools/")):
            scale = max(float(np.abs(ours).max()), INIT_STDDEV if path.endswith("/bias") else 1e-12)
            assert np.abs(arrays[path].astype(float) - ours).max() / scale < 1e-4, path
    count = "optimizers/generators/iterations"
    assert arrays[count] == run["arrays"][count]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_checkpoint_of_jax_goes_on_in_tensorflow(runs: dict[str, dict[str, Any]], case: str) -> None:
    """Everything fits by name, shape and value; the other way is how the run in JAX began."""
    run = runs[case]
    arrays = checkpoints.read_arrays(run["jax"])
    variables = run["state"].variables()
    checkpoints.assign(arrays, variables, Path("jax"))
    for path, array in arrays.items():
        np.testing.assert_array_equal(np.array(variables[path].numpy()), array, err_msg=path)


@pytest.mark.slow
def test_half_the_bits_in_jax(runs: dict[str, dict[str, Any]]) -> None:
    """From the weights of the case "affine": losses near its own, the state all in float32."""
    half = runs["bfloat16"]["jax"]
    for ours, theirs in zip(json.loads(half.environment["losses"]), runs["affine"]["losses"], strict=True):
        assert ours == pytest.approx(theirs, rel=0.05, abs=0.01)
    assert ours != theirs
    types = {str(array.dtype) for array in checkpoints.read_arrays(half).values()}
    assert types == {"float32", "int32"}
