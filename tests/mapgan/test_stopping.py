"""Signals: a request while something is unsaved, the end where nothing is, and never more than that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from mapgan import stopping
from mapgan.stopping import Stop, Stopped, stop_on_signals

SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_a_request(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those right after it are the same one; a later one acts as it always did, as all do after the block."""
    heard: list[int] = []
    before = signal.signal(number, lambda got, _: heard.append(got))
    ours = signal.getsignal(number)
    try:
        with stop_on_signals() as stop:
            stop.unsaved = True
            assert not stop()
            for other in (number, *SIGNALS):  # as GNU timeout does: the process, then its group
                os.kill(os.getpid(), other)
            assert stop()
            assert heard == []
            monkeypatch.setattr(stopping, "ONE_REQUEST", 0.0)  # all that time later
            os.kill(os.getpid(), number)
            assert heard == [number]
        assert signal.getsignal(number) is ours
    finally:
        signal.signal(number, before)
    assert signal.set_wakeup_fd(-1) == -1
    assert not [thread for thread in threading.enumerate() if thread.name == "signals"]


@pytest.mark.parametrize("number", SIGNALS)
def test_with_nothing_unsaved_it_ends_the_work(number: signal.Signals) -> None:
    """Through any ``except Exception``; everything is as before afterwards."""
    before = signal.getsignal(number)

    def work() -> None:
        try:
            os.kill(os.getpid(), number)
        except Exception:  # noqa: BLE001 - that is the point
            pytest.fail("a callback swallowed it")

    with pytest.raises(Stopped), stop_on_signals():
        work()
    assert signal.getsignal(number) == before


def test_other_signals_are_none_of_its_business() -> None:
    """A timer's signal neither stops nor ends anything."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    try:
        with stop_on_signals() as stop:
            os.kill(os.getpid(), signal.SIGALRM)
            assert not stop()
    finally:
        signal.signal(signal.SIGALRM, before)


def test_any_reason_will_do() -> None:
    """A wish, or somebody who sets it."""
    assert Stop(lambda: True)()
    stop = Stop()
    assert not stop()
    stop.wanted = True
    assert stop()


def test_a_foreign_call_that_does_not_return_is_left_behind() -> None:
    """A compiler knows nothing of Python's handlers; the process ends well all the same."""
    code = """
import hashlib, os, signal, threading, time
from mapgan import stopping
stopping.PATIENCE = 0.1
def say():
    print("said", flush=True)
def send():
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGTERM)
with stopping.stop_on_signals(say):
    threading.Thread(target=send, daemon=True).start()
    hashlib.pbkdf2_hmac("sha256", b"a", b"b", 2_000_000_000)  # an hour, without the interpreter's lock
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "said\n"), done.stderr
