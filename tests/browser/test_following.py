"""Pages that follow a job: no reload, no lost focus, cancel, retry, and a list that updates itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Guard, submit
from tests.support.live import LiveStack


@pytest.fixture
def idle_worker(site: LiveStack) -> Iterator[LiveStack]:
    """Nobody translates until the test says so."""
    site.halt("translate")
    yield site
    site.resume("translate")


def test_waiting_keeps_the_focus_and_the_end_moves_it(
    member: Page, idle_worker: LiveStack, small_picture: dict[str, Any]
) -> None:
    submit(member, small_picture)
    expect(member.get_by_role("heading", name="in the queue")).to_be_visible()
    cancel = member.get_by_role("button", name="Cancel")
    cancel.focus()
    with member.expect_response("**/status/"):
        pass
    with member.expect_response("**/status/"):
        pass
    expect(cancel).to_be_focused()
    idle_worker.resume("translate")
    expect(member.locator("compare-slider[ready]")).to_be_visible(timeout=60_000)
    expect(member.get_by_role("heading", name="small.png")).to_be_focused()  # Cancel is gone
    asked = []
    member.on("request", lambda request: asked.append(request.url))
    member.wait_for_timeout(2500)
    assert not [url for url in asked if url.endswith("/status/")]
    idle_worker.halt("translate")


def test_cancel_and_try_again(member: Page, idle_worker: LiveStack, small_picture: dict[str, Any]) -> None:
    submit(member, small_picture)
    member.get_by_role("button", name="Cancel").click()
    expect(member.get_by_role("heading", name="Cancelled")).to_be_visible()
    member.get_by_role("button", name="Try again").click()
    expect(member.locator("[data-poll]")).to_be_visible()
    expect(member.get_by_role("button", name="Cancel")).to_be_visible()


def test_a_broken_connection_is_said_and_mended(
    member: Page, guard: Guard, idle_worker: LiveStack, small_picture: dict[str, Any]
) -> None:
    submit(member, small_picture)
    member.context.set_offline(True)
    with guard.expecting("ERR_INTERNET_DISCONNECTED", "htmx:"):
        expect(member.locator("[data-offline]")).to_be_visible()
        member.context.set_offline(False)
        expect(member.locator("[data-offline]")).to_be_hidden()


def test_deleted_elsewhere(
    member: Page, guard: Guard, idle_worker: LiveStack, small_picture: dict[str, Any]
) -> None:
    path = submit(member, small_picture)
    other = member.context.new_page()
    other.goto(path + "delete/")
    with guard.expecting("status of 404", "Response Status Error Code 404"):
        other.get_by_role("button", name="Delete it").click()
        expect(member.get_by_role("heading", name="This place is not on the map")).to_be_visible()


def test_my_list_updates_itself(member: Page, idle_worker: LiveStack, small_picture: dict[str, Any]) -> None:
    path = submit(member, small_picture)
    member.goto("/translations/")
    tile = member.locator(f"#tile-{path.split('/')[2]}")
    expect(tile.locator(".badge")).to_have_text("Queued")
    for _ in range(2):
        with member.expect_response("**/updates/*"):
            pass
    member.wait_for_timeout(200)  # for the last of them to be put in
    assert tile.evaluate("tile => tile.parentElement.matches('.grid > li')")
    tile.get_by_role("link", name="small.png").focus()
    idle_worker.resume("translate")
    expect(tile.locator(".inset")).to_be_visible(timeout=60_000)
    expect(tile.get_by_role("link", name="small.png")).to_be_focused()
    idle_worker.halt("translate")


def test_a_list_says_so_when_its_session_is_over(
    member: Page, guard: Guard, idle_worker: LiveStack, small_picture: dict[str, Any]
) -> None:
    submit(member, small_picture)
    member.goto("/translations/")
    with guard.expecting("status of 404", "Response Status Error Code 404"):
        member.context.clear_cookies()
        member.wait_for_url("**/accounts/login/?next=/translations/")


def test_theme_is_kept_and_does_not_flash(member: Page) -> None:
    member.goto("/gallery/")
    button = member.get_by_role("button", name="Theme: system")
    button.click()
    member.get_by_role("button", name="Theme: light").click()
    expect(member.get_by_role("button", name="Theme: dark")).to_be_visible()
    member.goto("/")
    assert member.evaluate("document.documentElement.dataset.theme") == "dark"
    dark = member.evaluate("getComputedStyle(document.body).backgroundColor")
    member.get_by_role("button", name="Theme: dark").click()
    light = member.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != light
