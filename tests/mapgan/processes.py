"""The command in processes of their own, for tests that signal and kill them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
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


def is_checkpoint(event: dict[str, Any]) -> bool:
    """A complete checkpoint is on disk."""
    return bool(event["event"] == "checkpoint")
