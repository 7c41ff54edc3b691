"""Child processes that do not outlive the test run, however it ends."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
from typing import Any

PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def spawn(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """`subprocess.Popen`; on Linux the child gets SIGTERM when the test run is killed."""
    if sys.platform == "linux":
        options["preexec_fn"] = _die_with_parent
    return subprocess.Popen(command, **options)
