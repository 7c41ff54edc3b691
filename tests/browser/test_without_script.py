"""Everything that matters works in a browser without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Guard, submit


@pytest.fixture
def plain(new_page: Callable[..., Page], member_state: Any) -> Page:
    """Gail's window with scripts switched off."""
    return new_page(java_script_enabled=False, storage_state=member_state)


def test_submit_watch_and_compare(plain: Page, small_picture: dict[str, Any]) -> None:
    submit(plain, small_picture)
    # the page renews itself; nobody presses anything
    expect(plain.locator("compare-slider img")).to_have_count(2, timeout=60_000)
    for picture in plain.locator("compare-slider img").all():
        expect(picture).to_be_visible()
    expect(plain.locator(".js-only").first).to_be_hidden()
    plain.get_by_role("link", name="Delete…").click()
    expect(plain.get_by_role("heading", name="Delete this translation?")).to_be_visible()
    plain.get_by_role("button", name="Delete it").click()
    expect(plain.get_by_text("are deleted")).to_be_visible()


def test_a_bad_picture(plain: Page, guard: Guard, small_picture: dict[str, Any]) -> None:
    plain.goto("/translate/")
    plain.locator("input[type=file]").set_input_files(small_picture | {"buffer": b"GIF89a nonsense"})  # type: ignore[arg-type]
    plain.get_by_role("radio", name="Public").check()
    with guard.expecting("status of 422"):
        plain.get_by_role("button", name="Translate").click()
        expect(plain.get_by_text("This could not be sent.")).to_be_visible()
    expect(plain.get_by_text("please choose the file again")).to_be_visible()
    expect(plain.get_by_role("radio", name="Public")).to_be_checked()


def test_signing_out_from_the_menu(new_page: Callable[..., Page]) -> None:
    page = new_page(java_script_enabled=False)
    page.goto("/gallery/")
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    expect(page.get_by_role("button", name="Theme")).to_be_hidden()
