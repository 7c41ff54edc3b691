"""The whole story, as a newcomer lives it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMES, Guard, sign_up, submit

ADDRESSES = (
    "",
    "status/",
    "delete/",
    *(f"files/{kind}/" for kind in ("original", "result", "original-thumbnail", "result-thumbnail")),
)


def statuses(page: Page, paths: list[str], **options: Any) -> set[int]:
    """What the site answers there to the browser's own session; redirects are not followed."""
    return {page.request.get(path, max_redirects=0, **options).status for path in paths}


def test_a_map_goes_in_and_a_satellite_image_comes_back(
    page: Page,
    new_page: Callable[..., Page],
    guard: Guard,
    real_map: dict[str, Any],
    tmp_path: Path,
) -> None:
    sign_up(page, "nora")
    path = submit(page, real_map)

    # watch it, without reloading
    expect(page.locator("compare-slider[ready]")).to_be_visible(timeout=60_000)
    expect(page.get_by_text(f"600 {TIMES} 600 px")).to_be_visible()
    expect(page.locator("#announcer")).to_have_text("Succeeded.")
    assert page.title() == "town.jpg · MapGAN"

    # compare by keyboard
    slider = page.get_by_role("slider", name="Compare before and after")
    slider.focus()
    for key in ("End", "ArrowLeft", "ArrowLeft"):
        slider.press(key)
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"^98 % .+, 2 % .+$"))
    split = page.locator("compare-slider").evaluate("it => it.style.getPropertyValue('--split')")
    assert split == "98%"

    # download: the very size
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the result").click()
    saved = tmp_path / "result.png"
    download.value.save_as(saved)
    picture = Image.open(io.BytesIO(saved.read_bytes()))
    assert (picture.format, picture.size) == ("PNG", (600, 600))
    assert len(picture.getcolors(600 * 600) or []) > 100  # a picture, no flat colour

    # private: another user, and nobody, get 404 everywhere
    bob = new_page()
    sign_up(bob, "bert")
    bob.goto("/account/")
    bob.get_by_label("What is it for?").fill("peeping")
    bob.get_by_role("button", name="Make a token").click()
    bob_token = bob.locator("#new-token").inner_text()
    nobody = new_page()
    private = [path + rest for rest in ADDRESSES]
    api = path.replace("/translations/", "/api/v1/translations/")
    for stranger in (bob, nobody):
        assert statuses(stranger, private) == {404}
        assert statuses(stranger, [api, api + "result/"]) == {404}
    assert statuses(nobody, [api], headers={"Authorization": f"Bearer {bob_token}"}) == {404}
    with guard.expecting("status of 404"):
        assert bob.goto(path).status == 404  # type: ignore[union-attr]
    expect(bob.get_by_role("heading", name="This place is not on the map")).to_be_visible()

    # publish, and find it signed out
    page.get_by_role("button", name="Put it in the gallery").click()
    expect(page.get_by_role("status").filter(has_text="Everybody can see it now")).to_be_visible()
    nobody.goto("/gallery/?person=nora")
    nobody.locator(".tile__link").first.click()
    assert nobody.url.endswith(path)
    expect(nobody.locator("compare-slider[ready]")).to_be_visible()
    expect(nobody.get_by_text("town.jpg")).to_have_count(0)
    assert statuses(bob, [path + "files/result/"]) == {200}
