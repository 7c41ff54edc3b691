"""Two runs, one worker: they queue up, a pause lets the next one pass, a cancelled one ends; all is told."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
import requests

from tests.support.live import LiveStack
from tests.support.waiting import wait_until
from tests.training.live_runs import bring, child, notes, query, row, start


def signed_in(stack: LiveStack, name: str) -> requests.Session:
    """A browser without a script."""
    session = requests.Session()
    form = session.get(f"{stack.url}/accounts/login/", timeout=30)
    fields = {
        "login": name,
        "password": f"{name}-password",
        "csrfmiddlewaretoken": session.cookies["csrftoken"],
    }
    answer = session.post(form.url, data=fields, headers={"Referer": form.url}, timeout=30)
    assert answer.ok
    return session


def page_of(stack: LiveStack, run: str) -> str:
    """A run's address."""
    return f"{stack.url}/training/runs/{uuid.UUID(run)}/"


def press(session: requests.Session, stack: LiveStack, run: str, action: str) -> None:
    """A button of the run's page."""
    address = page_of(stack, run)
    fields = {"csrfmiddlewaretoken": session.cookies["csrftoken"]}
    answer = session.post(f"{address}{action}/", data=fields, headers={"Referer": address}, timeout=30)
    assert answer.ok, answer.status_code


@pytest.mark.timeout(600)
def test_one_worker_two_runs(live_stack: LiveStack, tmp_path: Path) -> None:
    stack = live_stack
    version = bring(stack, tmp_path, staff="connie", name="Control")
    endless = {"steps": 1_000_000, "checkpoint_every": 100_000, "log_every": 5}
    one, two = start(stack, version, staff="connie", one=endless, two=endless)
    connie = signed_in(stack, "connie")
    wait_until(lambda: row(stack, one)["step"] > 0, seconds=180, what="the first run to train", every=0.2)
    assert row(stack, two)["state"] == "queued"
    assert row(stack, two)["attempt"] == 0
    assert "Next in the queue" in connie.get(page_of(stack, two), timeout=30).text

    press(connie, stack, one, "pause")
    wait_until(lambda: row(stack, two)["step"] > 0, seconds=180, what="the worker to be free", every=0.1)
    assert row(stack, one)["state"] == "queued"
    saved = query(stack, "SELECT step FROM training_checkpoint WHERE run_id = ?", one)
    assert len(saved) == 1, "a pause saves where it is"

    process = child(stack)
    press(connie, stack, two, "cancel")
    wait_until(lambda: row(stack, two)["state"] == "cancelled", seconds=60, what="it to end", every=0.1)
    assert process is not None
    assert not process.is_running()
    press(connie, stack, one, "cancel")  # what waits ends at once
    assert row(stack, one)["state"] == "cancelled"

    by = "SELECT kind FROM training_runnote JOIN accounts_user ON by_id = accounts_user.id WHERE run_id = ?"
    assert [kind for (kind,) in query(stack, by, one)] == ["queued", "pause", "cancel"]
    assert [kind for (kind,) in query(stack, by, two)] == ["queued", "cancel"]
    assert "paused" in [kind for kind, *_ in notes(stack, one)]
