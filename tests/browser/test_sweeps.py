"""Staff lets two settings vary: four runs are trained, ranked by the rule, and looked at together."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from mapgan.ranking import ranking_key
from tests.browser.conftest import enter
from tests.support.live import LiveStack
from tests.support.waiting import wait_until
from tests.training.live_runs import TINY, bring, query

SECONDS = 300.0
SHARED = {**TINY, "steps": 12, "checkpoint_every": 4, "evaluate_tiles": 2}


def begin(staff: Page) -> str:
    """Fill in the form and send it; returns the sweep's id."""
    staff.goto("/training/runs/")
    staff.get_by_role("link", name="Sweeps").click()
    staff.get_by_role("link", name="Try several values").click()
    staff.get_by_label("Name", exact=True).fill("Rates")
    staff.locator("#id_axis_1_name").select_option("learning_rate")
    staff.locator("#id_axis_1_values").fill("1e-4, 5e-3")
    staff.locator("#id_axis_2_name").select_option("l1_weight")
    staff.locator("#id_axis_2_values").fill("10 to 100")
    staff.locator("#id_axis_2_points").fill("2")
    staff.get_by_label("At once").fill("2")
    staff.get_by_text("Every other setting").click()
    staff.locator("#id_direction").select_option("sat2map")
    staff.locator("#id_generator").select_option(SHARED["generator"])
    staff.locator("#id_decay_steps").fill("0")
    for name, value in SHARED.items():
        if name != "generator":
            staff.locator(f"#id_{name}").fill(str(value))
    staff.locator("#id_validation_share").press("Tab")
    expect(staff.locator("#estimate")).to_contain_text("learning_rate 0.0001, l1_weight 10")
    staff.get_by_role("button", name="Start the sweep").click()
    staff.wait_for_url(re.compile(r"/training/sweeps/[0-9a-f-]{36}/$"))
    return staff.url.rstrip("/").rpartition("/")[2].replace("-", "")


def ranked_by_hand(site: LiveStack, sweep: str) -> list[str]:
    """Names of the runs, best first, as the library ranks their checkpoints."""
    sql = (
        "SELECT r.name, c.measures FROM training_checkpoint c "
        "JOIN training_trainingrun r ON r.id = c.run_id JOIN training_trial t ON t.run_id = r.id "
        "WHERE t.sweep_id = ?"
    )
    best: dict[str, tuple[float, ...]] = {}
    for name, measures in query(site, sql, sweep):
        key = ranking_key(json.loads(measures)["directions"]["sat2map"], maps=True)
        best[name] = max(best.get(name, key), key)
    return sorted(best, key=lambda name: best[name], reverse=True)


@pytest.mark.timeout(900)
def test_a_sweep_of_four_runs_finishes_and_ranks_itself(
    site: LiveStack, new_page: Callable[..., Page], tmp_path: Path
) -> None:
    bring(site, tmp_path, staff="selma", name="Sweep pairs")
    staff = new_page()
    enter(staff, "selma")
    sweep = begin(staff)

    def trials() -> list[tuple[Any, ...]]:
        sql = "SELECT r.state, r.attempt FROM training_trial t JOIN training_trainingrun r ON r.id = t.run_id"
        return query(site, f"{sql} WHERE t.sweep_id = ?", sweep)

    def at_work() -> bool:
        states = [state for state, _ in trials()]
        assert states.count("running") + states.count("queued") <= 2  # never more than may be at once
        return "running" in states

    wait_until(at_work, seconds=SECONDS, what="the first run")
    site.kill("train")
    site.kill("maintenance")
    site.wipe_broker()
    expect(staff.get_by_role("heading", name="4 of 4 runs done")).to_be_visible(timeout=SECONDS * 1000)
    expect(staff.locator("#sweep-live")).to_contain_text("Finished", timeout=60_000)
    assert [state for state, _ in trials()] == ["succeeded"] * 4
    assert max(attempt for _, attempt in trials()) > 1  # one was taken up again after the kill

    names = [f"Rates {each}" for each in staff.locator("table.trials tbody th").all_inner_texts()]
    assert sorted(names) == [f"Rates #{number}" for number in range(1, 5)]
    by_hand = ranked_by_hand(site, sweep)
    places = staff.locator("table.trials tbody td:first-child").all_inner_texts()
    assert names[0] == by_hand[0] or places[0][0] == places[1][0]  # tiny runs may be equal
    expect(staff.locator("#parallel polyline")).to_have_count(4)
    staff.get_by_text("Limits as fields").click()
    staff.get_by_label(re.compile("learning rate, from")).fill("100")
    expect(staff.locator("#parallel")).to_contain_text("2 of 4 runs pass")
    assert Axe().run(staff).response["violations"] == []
    together(staff)


def together(staff: Page) -> None:
    """The runs beside each other: curves of all, tiles at one step."""
    staff.get_by_role("link", name="Compare the best 4").click()
    expect(staff.locator("#compared-curves .curve canvas").nth(2)).to_be_visible()
    made = staff.locator("#compared-samples [data-made]")
    expect(made).to_have_count(4)
    assert all("/12-sat2map/" in (image.get_attribute("src") or "") for image in made.all())
    staff.locator("#sample-step").focus()
    staff.keyboard.press("Home")
    assert all("/4-sat2map/" in (image.get_attribute("src") or "") for image in made.all())
    for image in made.all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("it => it.naturalWidth") > 200
    differing = staff.locator("table.differences tbody th").all_inner_texts()
    assert differing[-2:] == ["l1_weight", "learning_rate"]
    assert Axe().run(staff).response["violations"] == []
    staff.goto("/training/runs/")
    compare = staff.get_by_role("button", name="Tick two runs to compare")
    expect(compare).to_be_disabled()
    for box in staff.get_by_role("checkbox", name="Compare Rates").all()[:2]:
        box.check()
    staff.get_by_role("button", name="Compare 2 runs").click()
    expect(staff.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
