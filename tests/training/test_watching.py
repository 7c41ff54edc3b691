"""What is shown of a training beside its figures: the machine's use as it is, the log in words."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil

from mapgan import events
from tests.support.waiting import wait_until
from training_jobs.runlog import RunLog, sentence
from training_jobs.usage import Usage
from training_jobs.worker.gauge import Gauge

WORK = "x = bytearray(60_000_000)\nwhile True: pass"
BUSY = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {WORK!r}])"


def test_the_use_of_a_process_and_of_what_it_started() -> None:
    with subprocess.Popen([sys.executable, "-c", BUSY]) as parent:
        try:
            wait_until(lambda: psutil.Process(parent.pid).children(), seconds=30, what="its child")
            gauge = Gauge()
            gauge.read(parent.pid)
            time.sleep(1)
            reading = wait_until(
                lambda: (found := gauge.read(parent.pid)) and found["memory"] > 60_000_000 and found,
                seconds=30, what="the child to take memory", every=0.5,
            )  # fmt: skip
            assert reading["cpu"] > 5  # per cent of a core, on a machine that others use, too
            assert len(reading["history"]) >= 2
            usage = Usage(reading)
            assert usage.device
            assert usage.host
            assert usage.cores == psutil.cpu_count()
            assert len(usage.line.split()) == len(reading["history"])
        finally:
            for each in psutil.Process(parent.pid).children():
                each.kill()
            parent.kill()
    assert gauge.read(parent.pid) is None


def test_a_card_that_computes_is_the_device() -> None:
    reading = {
        "device": "Some processor",
        "gpus": [{"name": "NVIDIA H100", "use": 80, "memory": 1, "total": 2}],
    }
    assert Usage(reading).device == "NVIDIA H100"
    assert Usage({**reading, "gpus": [{**reading["gpus"][0], "use": 0}]}).device == "Some processor"  # type: ignore[dict-item]
    assert not Usage({})
    assert Usage({"history": [5.0]}).line == ""


def heard(event: events.Event) -> dict[str, object]:
    """As a worker reads it."""
    found: dict[str, object] = json.loads(events.to_line(event))
    return found


def test_every_event_of_the_library_has_a_line_or_none() -> None:
    assert sentence(heard(events.Checkpoint(step=1_500, path="x"))) == "checkpoint of step 1,500"
    assert sentence(heard(events.Warned(step=1, message="Odd."))) == "warning: Odd."
    assert sentence(heard(events.Failed(reason="No room."))) == "FAILED: No room."
    assert sentence({"event": "of a later version"}) == ""
    step = events.Step(
        step=1_500, steps=2_000, epoch=1.0, losses={"g_l1": 0.12345678, "d_real": float("nan")},
        learning_rate=2e-4, images_per_second=6.04, eta=1.0, memory_bytes=1,
    )  # fmt: skip
    assert sentence(heard(step)) == "step 1,500 of 2,000  g_l1 0.1235  6.0 images/s"


def test_the_log_stands_between_what_the_child_wrote(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"a warning of the framework\xff\0\n")
    log = RunLog(path)
    for step in range(50, 500, 50):
        log.hear({"event": "step", "step": step, "steps": 500, "losses": {}, "images_per_second": None})
    log.hear({"event": "finished", "step": 500, "reason": "completed"})
    lines = log.tail().splitlines()
    assert lines[0].startswith("a warning of the framework")
    assert "\0" not in log.tail()
    assert sum("step 50 of" in line or "step 100 of" in line for line in lines) == 1, "at most one a second"
    assert lines[-1].endswith("completed at step 500")


def test_a_disk_that_is_full_does_not_end_the_log(tmp_path: Path) -> None:
    RunLog(tmp_path / "missing" / "log.txt").write("a line that cannot be written")
