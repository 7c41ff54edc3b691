"""Curves of a long run: thinned out on the server, zoomed and panned by mouse and keyboard, small in rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from benchmarks.long_run import GROWTH_LIMIT, STEPS, database_bytes
from tests.browser.conftest import enter
from tests.support.live import LiveStack

MOST_POINTS = 6_000


@pytest.fixture(scope="module")
def long_run(site: LiveStack) -> str:
    """The page of a run with 109,700 logged steps that a worker's own code took in."""
    site.add_user("wanda", is_staff=True)
    before = database_bytes(site.var)
    run = site.python(f"from benchmarks.long_run import ingest\nresult = ingest({STEPS}, staff='wanda')")
    grown = database_bytes(site.var) - before
    assert 0 < grown < GROWTH_LIMIT
    return f"/training/runs/{run}/"


@pytest.fixture(scope="module")
def state(browser: Browser, site: LiveStack, long_run: str) -> Any:
    """Cookies of Wanda, who is staff."""
    context = browser.new_context(base_url=site.url)
    enter(context.new_page(), "wanda")
    found = context.storage_state()
    context.close()
    return found


@pytest.fixture
def page(new_page: Callable[..., Page], state: Any, long_run: str) -> Page:
    """The run's page, its curves drawn."""
    opened = new_page(storage_state=state)
    opened.goto(long_run)
    opened.wait_for_selector("#curves[data-points]")
    return opened


def shown(page: Page) -> tuple[int, int]:
    """First and last step that are seen, once that has come to rest."""
    page.wait_for_timeout(400)
    first, last = (page.locator("#curves").get_attribute("data-shown") or "").split("-")
    return int(first), int(last)


def asked(page: Page) -> list[dict[str, list[str]]]:
    """Grows with every question about curves that the page asks from now on."""
    found: list[dict[str, list[str]]] = []

    def note(request: Request) -> None:
        if urlsplit(request.url).path.endswith("/curves/"):
            found.append(parse_qs(urlsplit(request.url).query))

    page.on("request", note)
    return found


def test_a_long_run_is_thinned_out_and_a_zoom_gets_its_own_points(page: Page) -> None:
    points = int(page.locator("#curves").get_attribute("data-points") or 0)
    assert 1_000 < points <= MOST_POINTS
    assert shown(page) == (1, STEPS)
    questions = asked(page)
    plot = page.locator(".curve .u-over").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, middle, steps=4)
    page.mouse.up()
    low, high = shown(page)
    assert 0.45 * STEPS < low < 0.55 * STEPS < high < 0.65 * STEPS
    page.wait_for_timeout(300)
    assert int(questions[-1]["from"][0]) <= low
    assert int(questions[-1]["to"][0]) >= high

    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + box["width"] * 0.7, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    later = shown(page)
    assert later[0] > low
    assert abs((later[1] - later[0]) - (high - low)) <= 1, "panning keeps the width"


def test_the_keyboard_and_the_buttons_do_the_same(page: Page) -> None:
    page.locator("#curves").focus()
    page.keyboard.press("+")
    low, high = shown(page)
    assert high - low < 0.7 * STEPS
    page.keyboard.press("ArrowRight")
    assert shown(page)[0] > low
    page.keyboard.press("Home")
    assert shown(page) == (1, STEPS)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Earlier steps").click()
    assert shown(page)[0] < low
    page.get_by_role("button", name="Whole range").click()
    assert shown(page) == (1, STEPS)


def test_smoothing_and_the_logarithm_draw_anew(page: Page) -> None:
    canvas = page.locator(".curve canvas").first
    before = canvas.evaluate("it => it.toDataURL()")
    page.get_by_label("Smoothing").fill("0.9")
    smooth = canvas.evaluate("it => it.toDataURL()")
    assert smooth != before
    page.get_by_label("Logarithmic").check()
    assert page.locator(".curve canvas").first.evaluate("it => it.toDataURL()") != smooth


def test_a_live_run_asks_for_new_steps_alone(page: Page, site: LiveStack, long_run: str) -> None:
    run = long_run.split("/")[-2]
    site.python(
        "from training_jobs.models import TrainingRun\n"
        f"TrainingRun.objects.filter(pk={run!r}).update(state='running', "
        "lease_expires_at='2100-01-01T00:00Z')\nresult = None"
    )
    page.reload()
    page.wait_for_selector("#curves[data-points]")
    questions = asked(page)
    site.python(
        "from training_jobs.models import TrainingRun\n"
        "from training_jobs.services.recording import curves_append\n"
        f"run = TrainingRun.objects.get(pk={run!r})\n"
        "row = [1.0] * len(run.columns)\n"
        f"curves_append(run=run, attempt=run.attempt, steps=[{STEPS + 1}, {STEPS + 2}], rows=[row, row], "
        "columns=run.columns)\nresult = None"
    )
    expect(page.locator("#curves")).to_have_attribute("data-shown", f"1-{STEPS + 2}", timeout=30_000)
    assert questions
    assert all("after" in question for question in questions)
    site.python(
        "from training_jobs.models import TrainingRun\n"
        f"TrainingRun.objects.filter(pk={run!r}).update(state='succeeded')\nresult = None"
    )
