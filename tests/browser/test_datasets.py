"""Staff brings a dataset: uploaded in chunks over a bad line, examined, looked at."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

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


@pytest.fixture
def staff(site: LiveStack, new_page: Callable[..., Page]) -> Page:
    """A guarded window of somebody who may train."""
    site.add_user("tessa", is_staff=True)
    page = new_page()
    enter(page, "tessa")
    return page


def test_an_archive_over_a_bad_line(
    staff: Page, guard: Guard, forty_pairs: dict[str, Any], tmp_path: Path
) -> None:
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
        staff.locator("input[type=file]").set_input_files(path)
        send = staff.get_by_role("button", name="Examine the pictures")
        expect(staff.locator("#announcer")).to_have_text("maps.zip is here.", timeout=60_000)
    if len(forty_pairs["buffer"]) > 2 * 8 * 2**20:
        assert chunks[1] == chunks[2]  # it went on where it had stopped
    staff.get_by_label("Name", exact=True).fill("Forty pairs")
    send.click()

    expect(staff.get_by_role("heading", name="40 usable pairs")).to_be_visible(timeout=120_000)
    sheet = staff.get_by_alt_text(re.compile("^Aerial pictures"))
    expect(sheet).to_be_visible()
    assert sheet.evaluate("it => it.naturalWidth") > 1000
    staff.get_by_role("button", name="B, map").click()
    expect(staff.get_by_alt_text(re.compile("^Maps, half B"))).to_be_visible()
    expect(sheet).to_be_hidden()


def test_what_is_no_archive_is_said_at_once(staff: Page, guard: Guard, tmp_path: Path) -> None:
    staff.goto("/training/datasets/new/")
    path = tmp_path / "notes.txt"
    path.write_text("no pictures")
    with guard.expecting("status of 422"):
        staff.locator("input[type=file]").set_input_files(path)
        expect(staff.locator("[data-problem]")).to_contain_text("zip or tar archive")
    expect(staff.get_by_role("button", name="Examine the pictures")).to_be_enabled()
