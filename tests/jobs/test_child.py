"""A job's child process: heard to the end, stopped in time, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.child import ChildEnd, read_tail, run_child
from jobs.errors import JobCancelled, JobHeld, JobStopped, LeaseLost
from jobs.runner import Attempt
from tests.support.waiting import wait_until


@pytest.fixture
def attempt() -> Attempt:
    """An attempt whose lease is fresh."""
    return Attempt(1)


def run(code: str, attempt: Attempt, folder: Path, **options: Any) -> tuple[ChildEnd, list[dict[str, Any]]]:
    """Run a few lines of Python as the child; what it printed as events."""
    heard: list[dict[str, Any]] = []
    command = [sys.executable, "-u", "-c", textwrap.dedent(code)]
    end = run_child(command, attempt=attempt, **{"listen": heard.append, "log": folder / "log", **options})
    return end, heard


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def stop_soon(attempt: Attempt, reason: type[JobStopped], seconds: float = 1.0) -> None:
    """What the heartbeat does when it hears of a cancellation."""
    threading.Timer(seconds, attempt.stop, (reason,)).start()


def test_events_are_heard_and_the_rest_is_logged(attempt: Attempt, tmp_path: Path) -> None:
    code = """
        import sys
        print('{"event": "step", "step": 1}')
        print('a library that talks')
        print('[1, 2]')
        print('problem', file=sys.stderr)
        sys.exit(3)
    """
    end, heard = run(code, attempt, tmp_path)
    assert heard == [{"event": "step", "step": 1}]
    assert end.code == 3
    assert not end.killed
    assert set(end.tail.splitlines()) == {"a library that talks", "[1, 2]", "problem"}


def test_a_kill_from_outside_is_told_apart(attempt: Attempt, tmp_path: Path) -> None:
    end, _ = run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", attempt, tmp_path)
    assert end.killed


def test_a_program_that_is_not_there(attempt: Attempt, tmp_path: Path) -> None:
    end = run_child(["/nowhere/mapgan"], attempt=attempt, listen=lambda _: None, log=tmp_path / "log")
    assert end.code == 1
    assert "FileNotFoundError" in end.tail


def test_cancelled_it_may_save_and_is_heard(attempt: Attempt, tmp_path: Path) -> None:
    code = """
        import signal, sys, time
        def save(*_):
            print('{"event": "checkpoint", "step": 7}')
            sys.exit(0)
        signal.signal(signal.SIGTERM, save)
        print('{"event": "started"}')
        time.sleep(60)
    """
    heard: list[dict[str, Any]] = []
    stop_soon(attempt, JobCancelled)
    with pytest.raises(JobCancelled):
        run(code, attempt, tmp_path, listen=heard.append)
    assert [event["event"] for event in heard] == ["started", "checkpoint"]


def test_a_cancellation_does_not_wait_for_what_a_pause_would_save(attempt: Attempt, tmp_path: Path) -> None:
    code = """
        import signal, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('{"event": "started"}')
        time.sleep(120)
    """
    stop_soon(attempt, JobHeld)
    stop_soon(attempt, JobCancelled, seconds=2.0)
    with pytest.raises(JobCancelled):
        run(code, attempt, tmp_path, patience={JobHeld: 100.0, JobCancelled: 1.0})


def test_no_line_is_lost_at_the_moment_of_stopping(attempt: Attempt, tmp_path: Path) -> None:
    code = """
        import itertools, signal, sys, time
        going = [True]
        signal.signal(signal.SIGTERM, lambda *_: going.clear())
        for number in itertools.count():
            print('{"number": %d}' % number)
            if not going:
                break
    """
    heard: list[int] = []
    stop_soon(attempt, JobCancelled)
    with pytest.raises(JobCancelled):
        run(code, attempt, tmp_path, listen=lambda event: heard.append(event["number"]))
    assert heard == list(range(len(heard)))


def test_after_a_lost_lease_nothing_more_is_heard(attempt: Attempt, tmp_path: Path) -> None:
    code = """
        import signal, sys, time
        signal.signal(signal.SIGTERM, lambda *_: (print('{"event": "late"}'), sys.exit(0)))
        print('{"event": "started"}')
        time.sleep(60)
    """
    heard: list[dict[str, Any]] = []
    stop_soon(attempt, LeaseLost)
    with pytest.raises(LeaseLost):
        run(code, attempt, tmp_path, listen=heard.append)
    assert [event["event"] for event in heard] == ["started"]


def test_a_deaf_child_is_killed_with_all_it_started(attempt: Attempt, tmp_path: Path) -> None:
    code = """
        import json, signal, subprocess, sys, time
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(json.dumps({"pid": grandchild.pid}))
        time.sleep(60)
    """
    heard: list[dict[str, Any]] = []
    stop_soon(attempt, JobCancelled)
    began = time.monotonic()
    with pytest.raises(JobCancelled):
        run(code, attempt, tmp_path, listen=heard.append, patience={JobCancelled: 0.5})
    assert time.monotonic() - began < 30
    assert wait_until(lambda: not is_alive(heard[0]["pid"]), seconds=10, what="the grandchild's end")


def test_a_talkative_child_can_be_stopped(attempt: Attempt, tmp_path: Path) -> None:
    """It fills its pipe while nobody takes the lines, and would wait for room for ever."""
    code = """
        import signal
        going = [True]
        signal.signal(signal.SIGTERM, lambda *_: going.clear())
        while going:
            print('{"event": "noise", "text": "' + "x" * 4000 + '"}')
        print('{"event": "last"}')
    """
    heard: list[str] = []
    stop_soon(attempt, JobCancelled)
    with pytest.raises(JobCancelled):
        run(code, attempt, tmp_path, listen=lambda event: heard.append(event["event"]))
    assert heard[-1] == "last"


def test_a_listener_that_fails_stops_the_child(attempt: Attempt, tmp_path: Path) -> None:
    pids: list[int] = []

    def listen(event: dict[str, Any]) -> None:
        pids.append(event["pid"])
        raise ZeroDivisionError

    code = "import json, os, time; print(json.dumps({'pid': os.getpid()})); time.sleep(60)"
    with pytest.raises(ZeroDivisionError):
        run(code, attempt, tmp_path, listen=listen)
    assert not is_alive(pids[0])
    threads = threading.enumerate
    wait_until(
        lambda: not any(thread.name == "child-lines" for thread in threads()), seconds=10, what="its reader"
    )


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A worker that runs a child, to be killed."""
    code = f"""
        import os, django
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        django.setup()
        import sys
        from pathlib import Path
        from jobs.child import run_child
        from jobs.runner import Attempt
        child = "import json, os, time; print(json.dumps({{'pid': os.getpid()}})); time.sleep(60)"
        run_child(
            [sys.executable, "-u", "-c", child],
            attempt=Attempt(1),
            log=Path({str(tmp_path / "log")!r}),
            listen=lambda event: print(event["pid"], flush=True),
        )
    """
    worker = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    yield worker
    worker.kill()
    worker.wait()
    if worker.stdout:
        worker.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a process to its parent")
def test_a_killed_worker_leaves_no_child(doomed: subprocess.Popen[str]) -> None:
    assert doomed.stdout is not None
    pid = int(doomed.stdout.readline())
    assert is_alive(pid)
    doomed.send_signal(signal.SIGKILL)
    doomed.wait()
    assert wait_until(lambda: not is_alive(pid), seconds=10, what="the child's end")


def test_the_tail_begins_with_a_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first line\nsecond line\n")
    assert read_tail(log, 14) == "second line\n"
    assert read_tail(log) == "first line\nsecond line\n"
    assert read_tail(tmp_path / "none") == ""


def test_the_tail_can_be_written_to_a_row(tmp_path: Path) -> None:
    """PostgreSQL takes no NUL, and a framework that crashes may print one."""
    log = tmp_path / "log"
    log.write_bytes(b"core\0dumped \xff\n")
    assert read_tail(log) == "coredumped \N{REPLACEMENT CHARACTER}\n"
