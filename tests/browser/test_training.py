"""Staff brings a dataset over a bad line, looks at what the doctor says, trains on it and publishes."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import REAL_MAPS, Guard, enter
from tests.mapgan.pairs import write_maps
from tests.support.live import LiveStack


@pytest.fixture(scope="session")
def forty_pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A zip of forty pairs: the real ones where they are, else made up."""
    files = sorted(REAL_MAPS.glob("*.jpg"))[:40]
    if not files:
        folder = write_maps(tmp_path_factory.mktemp("pairs"), 40, side=256)
        files = sorted(folder.glob("*.png"))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path in files:
            archive.write(path, f"maps/train/{path.name}")
    return {"name": "maps.zip", "mimeType": "application/zip", "buffer": out.getvalue()}


@pytest.fixture(scope="session")
def staff_state(browser: Browser, site: LiveStack) -> Any:
    """Cookies of somebody who may train."""
    site.add_user("tessa", is_staff=True)
    context = browser.new_context(base_url=site.url)
    enter(context.new_page(), "tessa")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def staff(new_page: Callable[..., Page], staff_state: Any) -> Page:
    """A guarded window of theirs."""
    page = new_page(storage_state=staff_state)
    page.goto("/")
    return page


@pytest.mark.timeout(1200)
def test_from_an_archive_to_a_generator_that_everybody_uses(
    staff: Page,
    member: Page,
    guard: Guard,
    forty_pairs: dict[str, Any],
    small_picture: dict[str, Any],
    tmp_path: Path,
) -> None:
    bring(staff, guard, forty_pairs, tmp_path)
    launch(staff)
    watch(staff)
    look_into_tensorboard(staff, member, guard)
    compare(staff)
    publish(staff)
    member.goto("/translate/")
    member.get_by_role("radio", name="Forty streets").check()
    member.locator("input[type=file]").set_input_files(small_picture)  # type: ignore[arg-type]
    member.get_by_role("button", name="Translate").click()
    expect(member.locator("compare-slider[ready]")).to_be_visible(timeout=60_000)


def launch(staff: Page) -> None:
    """A short draft, otherwise as the preset has it."""
    staff.goto("/training/runs/new/?model=pix2pix&preset=draft")
    staff.get_by_label("Name", exact=True).fill("Forty streets")
    staff.get_by_label("Steps", exact=True).fill("200")
    staff.get_by_label("Checkpoint every").fill("50")
    expect(staff.locator("#estimate")).to_contain_text("Checkpoints kept")
    staff.get_by_role("button", name="Start the training").click()
    staff.wait_for_url("**/training/runs/*-*/")


def watch(staff: Page) -> None:
    """Curves, tiles, the machine's use and the log grow without a click."""
    curves, live = staff.locator("#curves"), staff.locator("#run-live")
    expect(staff.locator(".curve canvas").first).to_be_visible(timeout=400_000)
    points = int(curves.get_attribute("data-points") or 0)
    expect(live).to_contain_text(re.compile("Processor.*of \\d+ core", re.DOTALL))
    made = staff.locator("[data-made]")
    expect(made).to_be_visible(timeout=200_000)
    first = made.get_attribute("src")
    expect(staff.get_by_role("heading", name="Step 200 of 200")).to_be_visible(timeout=400_000)
    expect(curves).not_to_have_attribute("data-points", str(points), timeout=15_000)
    expect(made).not_to_have_attribute("src", first or "", timeout=15_000)
    expect(staff.locator("#log")).to_contain_text("completed at step 200", timeout=15_000)
    assert staff.locator(".curve").count() >= 3
    assert made.evaluate("it => it.decode().then(() => it.naturalWidth)") > 200
    newest = made.get_attribute("src")
    staff.get_by_label("Step", exact=True).focus()
    staff.keyboard.press("Home")
    assert made.get_attribute("src") != newest


def look_into_tensorboard(staff: Page, member: Page, guard: Guard) -> None:
    """It shows this run's losses to staff; for Gail there is nothing."""
    where = staff.get_by_role("link", name="Open in TensorBoard").get_attribute("href") or ""
    # its own style sheet asks for fonts outside its prefix, and its script complains about itself
    with guard.expecting("font-roboto", "Three.js"), staff.context.expect_page() as opened:
        staff.get_by_role("link", name="Open in TensorBoard").click()
        board = opened.value
        # it draws no card that is not in sight
        board.get_by_role("combobox", name="Filter tags (regex)").fill("g_l1")
        expect(board.get_by_text("losses/g_l1").first).to_be_visible(timeout=120_000)
        board.close()
    with guard.expecting("status of 404"):
        for address in (where, "/training/tensorboard/", "/training/tensorboard/data/runs"):
            answer = member.goto(address)
            assert answer is not None
            assert answer.status == 404


def compare(staff: Page) -> None:
    """Put two checkpoints side by side on the same tiles, by keyboard; then back to the run."""
    pressed = staff.get_by_role("button", name="Compare", exact=True)
    expect(pressed).to_be_disabled()
    for step in ("150", "200"):
        staff.get_by_role("checkbox", name=f"Choose step {step}").focus()
        staff.keyboard.press("Space")
    pressed.focus()
    staff.keyboard.press("Enter")
    expect(staff.get_by_role("heading", name="Checkpoints side by side")).to_be_visible()
    drawn = staff.get_by_alt_text(re.compile("^Made by step"))
    expect(drawn).to_have_count(2)
    assert drawn.first.evaluate("it => it.decode().then(() => it.naturalWidth)") > 200
    measures = staff.get_by_role("region", name="Measures, Map to satellite")
    expect(measures).to_contain_text(re.compile("better|worse"))
    staff.go_back()
    best = staff.get_by_role("link", name="Rank")
    best.click()
    expect(staff.get_by_role("columnheader", name="Rank")).to_have_attribute("aria-sort", "ascending")
    expect(best).to_be_focused()


def publish(staff: Page) -> None:
    """Offer the last checkpoint to everybody."""
    staff.get_by_role("link", name="Publish step 200").click()
    staff.get_by_label("Offer it to everybody at once").check()
    staff.get_by_role("button", name="Publish it").click()
    published = staff.get_by_role("region", name="Published from it")
    expect(published).to_contain_text("version 1", timeout=240_000)


def bring(staff: Page, guard: Guard, forty_pairs: dict[str, Any], tmp_path: Path) -> None:
    """Upload an archive whose second chunk is lost on the way once, and look at the report."""
    staff.get_by_role("button", name="Account of tessa").click()
    staff.get_by_role("link", name="Datasets").click()
    staff.get_by_role("link", name="Bring a dataset").click()

    chunks: list[int] = []

    def cut_once(route: Route) -> None:
        """The second chunk's connection dies on the way."""
        if route.request.method != "PATCH":
            route.continue_()
            return
        chunks.append(int(route.request.headers["upload-offset"]))
        if len(chunks) == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    staff.route("**/training/uploads/**", cut_once)
    with guard.expecting("ERR_CONNECTION_RESET"):
        path = tmp_path / "maps.zip"
        path.write_bytes(forty_pairs["buffer"])
        staff.get_by_text("choose a file").wait_for()  # until then the field is not the uploader's
        staff.locator("input[type=file]").set_input_files(path)
        send = staff.get_by_role("button", name="Examine the pictures")
        expect(staff.locator("#announcer")).to_have_text("maps.zip is here.", timeout=60_000)
    if len(forty_pairs["buffer"]) > 2 * 8 * 2**20:
        assert chunks[1] == chunks[2]  # it went on where it had stopped
    staff.get_by_label("Name", exact=True).fill("Forty pairs")
    send.click()

    expect(staff.get_by_role("heading", name="40 usable pairs")).to_be_visible(timeout=120_000)
    expect(staff.get_by_role("heading", level=1)).to_have_count(1)  # it took the place of what was there
    pairs = staff.get_by_role("region", name="Some of the pairs")
    expect(pairs.get_by_role("listitem")).to_have_count(40)
    aerial, drawn = (pairs.get_by_role("img", name=re.compile(f", {half}$")) for half in "AB")
    expect(aerial.first).to_be_visible()
    staff.get_by_role("button", name="B, map").click()
    expect(drawn).to_have_count(40)
    expect(aerial).to_have_count(0)
    drawn.first.click()  # one pair alone
    expect(aerial).to_have_count(1)
    shown = aerial.locator("image").get_attribute("href")
    assert shown is not None
    assert staff.request.get(shown).headers["content-type"] == "image/webp"


def test_what_is_no_archive_is_said_at_once(staff: Page, guard: Guard, tmp_path: Path) -> None:
    staff.goto("/training/datasets/new/")
    path = tmp_path / "notes.txt"
    path.write_text("no pictures")
    with guard.expecting("status of 422"):
        staff.locator("input[type=file]").set_input_files(path)
        expect(staff.locator("[data-problem]")).to_contain_text("zip or tar archive")
    expect(staff.get_by_role("button", name="Examine the pictures")).to_be_enabled()
