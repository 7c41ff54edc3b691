"""What a run says, where it cannot be said: full disks, readers that are gone, lines that were cut."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mapgan import events
from mapgan.cli_report import LOG_FILE, Report

SAYING = """
import sys
from pathlib import Path
from mapgan import events
from mapgan.cli_report import Report
from mapgan.stopping import Stop

with Report(Path(sys.argv[1]), as_events=sys.argv[2] == "--events") as report:
    report.stop = Stop()
    report.note("note: one picture was left out")
    for step in (1, 2):
        report.listen(events.Warned(step=step, message="something"))
    report.listen(events.Finished(step=2, reason="stopped" if report.stop() else "completed"))
    if sys.argv[3] == "fails":
        raise OSError("the data are gone")
"""


def logged(run: Path) -> list[dict[str, Any]]:
    """Every line of a run's log, which is JSON."""
    return [json.loads(line) for line in (run / LOG_FILE).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("form", ["--events", "--text"])
def test_a_full_disk_behind_the_streams(tmp_path: Path, form: str) -> None:
    """The run goes on, its log has everything, and the exit code is its own."""
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-c", SAYING, str(tmp_path), form, "ends well"]
        done = subprocess.run(command, stdout=full, stderr=full, check=False)
    assert done.returncode == 0
    lines = logged(tmp_path)
    assert [line["event"] for line in lines] == ["warning", "warning", "finished"]
    assert lines[-1]["reason"] == "completed"


def test_an_error_is_told_where_the_output_is_full(tmp_path: Path) -> None:
    """Standard error has a reader of its own."""
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-c", SAYING, str(tmp_path), "--text", "fails"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("note: one picture was left out\n")
    assert done.stderr.endswith("\nmapgan: the data are gone\n")


def test_a_reader_that_is_gone_is_a_wish_to_stop(tmp_path: Path) -> None:
    """Nobody supervises the run any more."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", SAYING, str(tmp_path), "--events", "ends well"]
    done = subprocess.run(command, stdout=writing, check=False)
    os.close(writing)
    assert done.returncode == 0
    assert logged(tmp_path)[-1]["reason"] == "stopped"


@pytest.mark.parametrize("kept", [1, 20])
def test_a_line_that_was_cut_spoils_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: int
) -> None:
    """A full disk, or a kill, leaves half of one."""
    report = Report(tmp_path, as_events=True)
    (tmp_path / LOG_FILE).write_bytes(b'{"event": "warning", "message": '[:kept])
    for step in (1, 2):
        report.listen(events.Finished(step=step, reason="stopped"))
    half, *lines = (tmp_path / LOG_FILE).read_text().splitlines()
    assert len(half) == kept
    for found in (lines, capsys.readouterr().out.splitlines()):
        assert [json.loads(line)["step"] for line in found] == [1, 2]
