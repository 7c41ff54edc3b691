"""From the front page to a result with keys alone."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

FOCUS = "document.activeElement"


def tab_to(page: Page, name: str, *, limit: int = 40) -> None:
    """Press Tab until the element with this text or label has the focus; it must be seen to have it."""
    for _ in range(limit):
        page.keyboard.press("Tab")
        said = page.evaluate(f"({FOCUS}.getAttribute('aria-label') ?? {FOCUS}.innerText ?? '').trim()")
        if re.match(name, said):
            ring = page.evaluate(f"getComputedStyle({FOCUS}).outlineStyle")
            frame = f"({FOCUS}.closest('label,article,compare-slider') ?? {FOCUS})"
            parent = page.evaluate(f"getComputedStyle({frame}).outlineStyle")
            assert "solid" in (ring, parent), f"{said} has the focus and does not show it"
            return
    raise AssertionError(f"Tab never reached {name!r}")


def test_skip_link(member: Page) -> None:
    member.goto("/")
    member.keyboard.press("Tab")
    expect(member.get_by_role("link", name="Skip to the content")).to_be_focused()
    member.keyboard.press("Enter")
    assert member.evaluate(f"{FOCUS}.id") == "main"


def test_a_sample_to_its_result(member: Page) -> None:
    member.goto("/")
    tab_to(member, "Harbour")
    member.keyboard.press("Enter")
    expect(member.locator("compare-slider[ready]")).to_be_visible(timeout=60_000)
    tab_to(member, "Compare before and after")
    member.keyboard.press("Home")
    expect(member.get_by_role("slider")).to_have_value("0")
    tab_to(member, "Delete…")
    member.keyboard.press("Enter")
    expect(member.get_by_role("dialog")).to_be_visible()
    expect(member.get_by_role("button", name="Keep it")).to_be_focused()  # not what cannot be undone
    member.keyboard.press("Space")
    expect(member.get_by_role("dialog")).to_be_hidden()
    expect(member.get_by_role("link", name="Delete…")).to_be_focused()
    member.keyboard.press("Enter")
    expect(member.get_by_role("dialog")).to_be_visible()
    member.keyboard.press("Escape")
    expect(member.get_by_role("dialog")).to_be_hidden()


def test_choices_by_arrow_keys(member: Page) -> None:
    member.goto("/translate/")
    member.get_by_role("radio", name="Private").focus()
    member.keyboard.press("ArrowDown")
    expect(member.get_by_role("radio", name="Public")).to_be_checked()


def test_account_menu(member: Page) -> None:
    member.goto("/gallery/")
    tab_to(member, "Account of gail")
    member.keyboard.press("Enter")
    member.keyboard.press("Tab")
    expect(member.get_by_role("link", name="Account and API tokens")).to_be_focused()
    member.keyboard.press("Escape")
    expect(member.get_by_role("link", name="Account and API tokens")).to_be_hidden()
