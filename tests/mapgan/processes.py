"""The command in processes of their own, for tests that signal and kill them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def start(arguments: list[str]) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-m", "mapgan.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    )


def read_until(
    process: subprocess.Popen[str], wanted: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """Events up to the first wanted one, or to the end."""
    assert process.stdout is not None
    heard = []
    for line in process.stdout:
        heard.append(json.loads(line))
        if wanted(heard[-1]):
            break
    return heard


def everything(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """All events of a process that ends by itself."""
    heard = read_until(process, lambda _: False)
    process.wait()
    return heard


def killed_at(step: int, arguments: list[str]) -> None:
    """Run the command, which reports every step, and kill it without warning at this one."""
    process = start(arguments)
    read_until(process, lambda event: event["event"] == "step" and event["step"] >= step)
    process.kill()
    process.wait()


def inspected(run: Path) -> tuple[int, str]:
    """Step and weights of a run, as ``mapgan inspect`` says them."""
    command = [sys.executable, "-m", "mapgan.cli", "inspect", str(run), "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found["step"], found["weights_sha256"]
