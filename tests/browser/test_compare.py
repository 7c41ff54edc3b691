"""The compare slider answers mouse, finger and keys; left is left everywhere; paper gets both pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.waiting import wait_until


def slider_of(page: Page) -> Locator:
    """The front page's slider; its second picture is drawn by a worker a moment after the start."""

    def shown() -> bool:
        page.goto("/")
        return page.locator("compare-slider[ready]").count() == 1

    wait_until(shown, seconds=60, what="the front page's sample pair", every=1)
    return page.locator("compare-slider")


def split(slider: Locator) -> float:
    """Where the line is, in per cent from the left."""
    return float(slider.evaluate("it => parseFloat(it.style.getPropertyValue('--split'))"))


def spot(slider: Locator, share: float) -> dict[str, Any]:
    """A place in the picture: so far from the left, halfway down."""
    box = slider.bounding_box()
    assert box is not None
    return {"x": box["x"] + share * box["width"], "y": box["y"] + box["height"] / 2}


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_mouse_and_keys(page: Page, direction: str) -> None:
    slider = slider_of(page)
    page.evaluate("it => { document.documentElement.dir = it }", direction)
    page.mouse.move(**spot(slider, 0.5))
    page.mouse.down()
    page.mouse.move(**spot(slider, 0.25), steps=4)
    page.mouse.up()
    assert split(slider) == pytest.approx(25, abs=1)
    page.mouse.move(**spot(slider, 0.9))  # nothing is held any more
    assert split(slider) == pytest.approx(25, abs=1)
    page.mouse.move(**spot(slider, 0.5))
    page.mouse.down()
    page.mouse.move(x=0, y=0)  # out of the picture: the line stays in it
    page.mouse.up()
    assert split(slider) == 0
    expect(page.get_by_role("slider")).to_be_focused()
    page.keyboard.press("ArrowRight")
    assert split(slider) == 1
    page.keyboard.press("End")
    assert split(slider) == 100


def test_a_finger(new_page: Callable[..., Page]) -> None:
    page = new_page(has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740})
    slider = slider_of(page)
    slider.scroll_into_view_if_needed()
    page.touchscreen.tap(**spot(slider, 0.75))
    assert split(slider) == pytest.approx(75, abs=1)


def test_on_paper_both_pictures_are_whole(page: Page) -> None:
    slider = slider_of(page)
    page.emulate_media(media="print")
    before, after = (slider.locator("img").nth(number).bounding_box() for number in (0, 1))
    assert before is not None
    assert after is not None
    apart = after["x"] >= before["x"] + before["width"] or after["y"] >= before["y"] + before["height"]
    assert apart
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
