"""What the JAX engine has of its own; its arithmetic is in test_engine_parity."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.mapgan.engine_runs import ROOT

SETTINGS = """
import os
import re
from mapgan import engine
jax = engine.select()
jax.prepare(deterministic=True, threads=1)
flags = os.environ["XLA_FLAGS"].split()
assert flags == ["--xla_backend_optimization_level=0", "--xla_gpu_deterministic_ops=true"]
assert jax.threads() == 1
assert re.fullmatch(r"jax [0-9.]+, jaxlib [0-9.]+", jax.version())
import keras
keras.Variable(0.0)  # JAX starts, and knows the flags
jax.prepare(deterministic=True, threads=1)
try:
    jax.prepare(deterministic=True, threads=2)
except RuntimeError as error:
    assert "NPROC" in str(error)
else:
    raise AssertionError("too late and not noticed")
"""

RESUME = """
import numpy as np
from mapgan import engine
from mapgan.config import TrainConfig
from mapgan.training import MODELS
from tests.mapgan.engine_runs import SMALL, pictures

config = TrainConfig(**{**SMALL, "dropout": 0.5, "generator_width": 2, "discriminator_width": 2})
jax = engine.select()
jax.prepare(deterministic=True, threads=1)

def state_and_update():
    state = engine.build(jax, MODELS[config.model], config)
    return state.variables(), jax.compile_step(state)

def steps(variables, update, numbers):
    for number in numbers:
        update(*pictures(number), 2e-4)
    update.sync()
    return {path: variable.numpy() for path, variable in variables.items()}

variables, update = state_and_update()
middle = steps(variables, update, (0, 1))
end = steps(variables, update, (2, 3))
variables, update = state_and_update()
for path, variable in variables.items():
    variable.assign(middle[path])
resumed = steps(variables, update, (2, 3))
assert any(path.startswith("random/") for path in end)
for path in end:
    assert end[path].tobytes() == resumed[path].tobytes(), path
    assert path.startswith("random/") or (end[path] != middle[path]).any(), path
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("script", [SETTINGS, RESUME], ids=["settings", "resume"])
def test_in_a_process_of_its_own(script: str) -> None:
    """Settings reach JAX before it starts; a run that goes on from a synced state ends bit for bit alike."""
    pytest.importorskip("jax")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, check=True)
