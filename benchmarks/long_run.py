"""A run of 109,700 logged steps: what it adds to the database, how soon its page shows, how smoothly it pans.

    .venv/bin/python -m benchmarks.long_run [--steps 109700] [--rounds 5]

Starts a system of its own, as `make run` does, and sends the events of a whole run, every update logged,
through the code that hears a training (`training_jobs.ingest`). Then Chromium opens its page: "shown" is
from the navigation's start until every curve is drawn. Panning is 90 moves of the mouse with Shift held; the
figures are the times between the frames that the browser drew meanwhile.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.machine import describe, load
from mapgan import events

STEPS = 109_700
FLUSH_ROWS = 60  # what is gathered in two seconds at 30 steps a second
OPEN_LIMIT, GROWTH_LIMIT = 1.0, 20_000_000
FRAMES = """
() => {
  window.frames_seen = [];
  let before = performance.now();
  const tick = (now) => { window.frames_seen.push(now - before); before = now; requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
}
"""


def run_events(steps: int) -> Iterator[dict[str, Any]]:
    """What ``mapgan train --events`` prints at each step of a run, as a worker reads it."""
    chance = random.Random(1)  # noqa: S311 - repeatable, not secret
    for step in range(1, steps + 1):
        fall = 1.0 / (1.0 + step / 20_000)
        losses = {
            "g_gan": 0.7 + chance.gauss(0, 0.2),
            "g_l1": 0.4 * fall + abs(chance.gauss(0, 0.05)),
            "g_total": 40 * fall + chance.gauss(0, 2),
            "d_real": 0.6 + chance.gauss(0, 0.15),
            "d_fake": 0.6 + chance.gauss(0, 0.15),
        }
        event = events.Step(
            step=step,
            steps=steps,
            epoch=step / 1_097,
            losses={name: round(value, 6) for name, value in losses.items()},
            learning_rate=0.0002,
            images_per_second=round(30 + chance.gauss(0, 1), 3),
            eta=(steps - step) / 30,
            memory_bytes=2_000_000_000,
        )
        heard: dict[str, Any] = json.loads(events.to_line(event))
        yield heard


def ingest(steps: int, *, staff: str) -> str:
    """Send the events of a run through a worker's own code; returns the run's id. Needs Django."""
    from django.db import transaction

    from accounts.models import User
    from jobs import lifecycle
    from jobs.models import JobState
    from jobs.runner import Attempt
    from mapgan.presets import preset
    from training_jobs.ingest import Ingest
    from training_jobs.models import Dataset, DatasetVersion, TrainingRun
    from training_jobs.services.runs import run_start
    from training_jobs.worker.keeping import RunKeeper

    person = User.objects.get(username=staff)
    dataset = Dataset.objects.create(name=f"Long {time.time_ns()}", created_by=person)
    version = DatasetVersion.objects.create(
        dataset=dataset, number=1, source="folder", state=JobState.SUCCEEDED, archive="-", report="-",
        summary={"pairs": {"train": 1_097}, "findings": {}},
    )  # fmt: skip
    version.refresh_from_db()
    config = preset("seed", steps=steps, log_every=1)
    with transaction.atomic():  # no worker of this system shall take it
        run = run_start(by=person, name="A long run", dataset_version=version, config=config)
        claimed = lifecycle.claim(TrainingRun, run.pk, "benchmark")
        TrainingRun.objects.filter(pk=run.pk).update(lease_expires_at="2100-01-01T00:00Z")
    assert claimed is not None
    attempt = Attempt(claimed.attempt)
    with tempfile.TemporaryDirectory() as folder:
        keeper = RunKeeper(claimed, attempt.number, Path(folder), lambda: None)
        hear = Ingest(claimed, attempt, keeper, expected=None)
        for count, event in enumerate(run_events(steps), start=1):
            attempt.renewed(time.monotonic())
            hear(event)
            if count % FLUSH_ROWS == 0:
                hear.flush()
        hear.flush()
    lifecycle.succeed(TrainingRun, run.pk, attempt.number, {})
    return str(run.pk)


def database_bytes(var: Path) -> int:
    """Of the file, with everything in it."""
    path = var / "db.sqlite3"
    with sqlite3.connect(path, timeout=30) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.stat().st_size


def shown(page: Any, address: str) -> float:
    """Seconds from the navigation's start until every curve is drawn."""
    page.goto(address)
    page.wait_for_selector("#curves[data-points]")
    milliseconds: float = page.evaluate("performance.getEntriesByName('curves-drawn')[0].startTime")
    return milliseconds / 1000


def panned(page: Any) -> list[float]:
    """Milliseconds between the frames while a person pans through a part of the run."""
    plot = page.locator(".curve .u-over").first
    plot.scroll_into_view_if_needed()
    page.locator("#curves").focus()
    for _ in range(3):
        page.keyboard.press("+")
    page.wait_for_timeout(1000)  # details of this part come
    box = plot.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + box["width"] - 20, middle)
    page.mouse.down()
    page.evaluate(FRAMES)
    for move in range(90):
        page.mouse.move(box["x"] + box["width"] - 20 - 4 * move, middle)
        page.wait_for_timeout(8)
    page.mouse.up()
    page.keyboard.up("Shift")
    found: list[float] = page.evaluate("window.frames_seen")
    return found[1:]


def browse(url: str, run_id: str, rounds: int) -> tuple[list[float], list[float], int]:
    """Open the page again and again, then pan; also says how many points were drawn."""
    from playwright.sync_api import sync_playwright

    from scripts.browser import find

    chromium = find(quiet=True)
    if chromium is None:
        sys.exit("No Chromium: run `make browser`, which brings one.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(chromium.executable), args=chromium.flags, env=dict(chromium.environment)
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(f"{url}/accounts/login/")
        page.locator("[name=login]").fill("watcher")
        page.locator("[name=password]").fill("watcher-password")
        page.locator("main button[type=submit]").click()
        page.wait_for_url("**/translate/")
        address = f"{url}/training/runs/{run_id}/"
        times = [shown(page, address) for _ in range(rounds + 1)][1:]  # the first one fills the caches
        points = int(page.locator("#curves").get_attribute("data-points") or 0)
        frames = panned(page)
        browser.close()
    return times, frames, points


def main() -> None:
    """Measure and print."""
    from tests.support.live import LiveStack

    parser = argparse.ArgumentParser(description="A long run's page and its rows.")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(describe(), load(), sep="\n")
    stack = LiveStack()
    try:
        stack.start()
        stack.add_user("watcher", is_staff=True)
        before, began = database_bytes(stack.var), time.monotonic()
        run_id = stack.python(
            f"from benchmarks.long_run import ingest\nresult = ingest({options.steps}, staff='watcher')"
        )
        seconds, grown = time.monotonic() - began, database_bytes(stack.var) - before
        times, frames, points = browse(stack.url, run_id, options.rounds)
    finally:
        stack.close()
    frames.sort()
    print(f"{options.steps:,} logged steps taken in within {seconds:.0f} s")
    print(f"database    {grown / 1e6:6.1f} MB  (less than {GROWTH_LIMIT / 1e6:.0f})")
    print(f"page shown  {statistics.median(times):6.2f} s   (less than {OPEN_LIMIT:.0f}; {points:,} points)")
    print(
        f"panning     {statistics.median(frames):6.1f} ms a frame, 95 of 100 within "
        f"{frames[int(len(frames) * 0.95)]:.1f} ms, the longest {frames[-1]:.1f} ms"
    )


if __name__ == "__main__":
    main()
