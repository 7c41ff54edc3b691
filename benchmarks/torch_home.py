"""PyTorch in an environment of its own under `.cache`, so that its gigabytes stay out of our locks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.contest import ROOT, MeasurementError, say

VERSION = "2.13.0"
HOME = ROOT / ".cache" / "bench-torch"


def python() -> Path:
    """The interpreter of that environment, made on the first call by plain pip and whatever it is set to.

    Raises:
        MeasurementError: it cannot be made.
    """
    interpreter, stamp = HOME / "bin" / "python", HOME / ".complete"
    if stamp.is_file() and stamp.read_text() == VERSION and interpreter.exists():
        return interpreter
    say(f"installing torch=={VERSION} into {HOME.relative_to(ROOT)} (once)")
    shutil.rmtree(HOME, ignore_errors=True)
    commands = (
        [sys.executable, "-m", "venv", str(HOME)],
        [str(HOME / "bin" / "pip"), "install", "--quiet", f"torch=={VERSION}", "numpy"],
    )
    for command in commands:
        result = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if result.returncode:
            raise MeasurementError(f"PyTorch cannot be installed:\n{result.stdout.strip()}")
    stamp.write_text(VERSION)
    return interpreter
