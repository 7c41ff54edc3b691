"""What a working process says of itself in the database: that it lives, what it takes, what it runs on."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import socket
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from jobs.lifecycle import from_now
from jobs.models import Worker
from jobs.runner import worker_name

logger = logging.getLogger(__name__)

FORGOTTEN_AFTER = timedelta(days=1)  # how long the page shows that a worker died


def worker_sign(*, role: str, queues: Sequence[str], first: bool = False) -> None:
    """Say that this process still lives; at ``first``, or when its row is gone, who it is as well.

    A row of the same name may be an earlier process's: a container begins with the same number each time.
    """
    name = worker_name()
    if not first and Worker.objects.filter(pk=name).update(heartbeat_at=Now()):
        return
    facts = {
        "role": role,
        "queues": list(queues),
        "hostname": socket.gethostname()[:100],
        "version": software_version(),
        "device": device()[:200],
        "started_at": Now(),
        "heartbeat_at": Now(),
    }
    with transaction.atomic():
        Worker.objects.filter(pk=name).delete()
        Worker.objects.create(name=name, **facts)
    Worker.objects.filter(heartbeat_at__lt=from_now(-FORGOTTEN_AFTER.total_seconds())).delete()


def worker_sign_off() -> None:
    """This process stops in good order: nobody need wonder where it is."""
    Worker.objects.filter(pk=worker_name()).delete()


@cache
def software_version() -> str:
    """The product's version, with the build's name where the operator gave one."""
    try:
        number = version("mapgan")
    except PackageNotFoundError:  # run from a folder that was never installed
        number = "unknown"
    return f"{number} ({settings.BUILD})" if settings.BUILD else number


@cache
def device() -> str:
    """The machine in words: processor, cores, and what NVIDIA's driver lists, without loading a framework."""
    return " · ".join([f"{_processor()}, {_cores()} cores", *_gpus()])


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _gpus() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    command = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        listed = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        logger.warning("The GPUs could not be listed: %s", error)
        return []
    return [line.strip() for line in listed.stdout.splitlines() if line.strip()]
