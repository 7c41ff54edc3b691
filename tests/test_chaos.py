"""Fifty translations, a worker that keeps dying, a broker that forgets: all succeed once, nothing is left."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import urllib3

from tests.support.live import ROOT, LiveStack
from tests.support.waiting import wait_until

JOBS, KILLS = 50, 5
SAMPLE = ROOT / "samples" / "old-town.png"


@pytest.fixture
def stack(live_stacks: Callable[..., LiveStack]) -> LiveStack:
    """A system of its own: no other test's rows, no other test's patience."""
    return live_stacks()


def rows(stack: LiveStack) -> list[tuple[str, int]]:
    """State and attempt of every translation, read beside the running system."""
    database = sqlite3.connect(f"file:{stack.var / 'db.sqlite3'}?mode=ro", uri=True, timeout=20)
    try:
        return database.execute("SELECT state, attempt FROM translator_translation").fetchall()
    finally:
        database.close()


def states(stack: LiveStack) -> Counter[str]:
    return Counter(state for state, _ in rows(stack))


def submit(stack: LiveStack, token: str, count: int) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    listed = urllib3.request("GET", f"{stack.url}/api/v1/generators/", headers=headers).json()
    generator = listed["results"][0]["id"]
    for _ in range(count):
        fields = {"image": (SAMPLE.name, SAMPLE.read_bytes()), "generator": generator}
        answer = urllib3.request("POST", f"{stack.url}/api/v1/translations/", headers=headers, fields=fields)
        assert answer.status == 202, answer.data


def stored(stack: LiveStack) -> set[str]:
    folder = stack.var / "media" / "translations"
    return {path.name for path in folder.rglob("*") if path.is_file()}


def referenced(stack: LiveStack) -> list[str]:
    keys = stack.python(
        "from translator.models import Translation\n"
        "result = [key for row in Translation.objects.all() for key in row.storage_keys]"
    )
    return [Path(key).name for key in keys]


@pytest.mark.timeout(600)
def test_killed_workers_and_a_wiped_broker_lose_nothing(stack: LiveStack) -> None:
    token = stack.add_user("alice")
    stack.halt("translate")
    submit(stack, token, JOBS)
    assert states(stack) == {"queued": JOBS}
    stack.resume("translate")
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    for kill in range(KILLS):
        wait_until(lambda: states(stack)["running"], seconds=60, what="a translation to run", every=0.02)
        time.sleep(chance.uniform(0.0, 0.3))
        stack.kill("translate")
        if kill == KILLS // 2:
            stack.wipe_broker()
    try:
        wait_until(lambda: states(stack)["succeeded"] == JOBS, seconds=240, what="all to succeed", every=0.5)
    except AssertionError:
        pytest.fail(f"{states(stack)}\n{stack.logs()}")

    attempts = [attempt for _, attempt in rows(stack)]
    assert max(attempts) > 1, "no kill hit a running translation: this run showed nothing"
    assert max(attempts) <= KILLS
    keys = referenced(stack)
    assert len(keys) == len(set(keys)) == 4 * JOBS
    assert stored(stack) == set(keys), json.dumps(sorted(stored(stack) ^ set(keys)))


def test_what_is_submitted_while_the_broker_is_down_runs_when_it_is_back(live_stack: LiveStack) -> None:
    token = live_stack.add_user("broker-down")
    before = states(live_stack)["succeeded"]
    live_stack.halt("broker")
    try:
        submit(live_stack, token, 2)
    finally:
        live_stack.resume("broker")
    wait_until(
        lambda: states(live_stack)["succeeded"] == before + 2, seconds=90, what="both to succeed", every=0.5
    )
