"""The translate form with its script: drop, paste, preview, checks before sending, and what it keeps."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMES, Guard, enter, picture_file, sign_up
from tests.support.live import LiveStack
from tests.support.waiting import wait_until

GIVE = """
({ type, name, data }) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name, { type: 'image/png' }));
  const target = document.querySelector(type === 'paste' ? 'body' : '.drop');
  const options = { bubbles: true, cancelable: true };
  const event = type === 'paste'
    ? new ClipboardEvent('paste', { ...options, clipboardData: files })
    : new DragEvent('drop', { ...options, dataTransfer: files });
  target.dispatchEvent(event);
}
"""
LISTEN = """
() => {
  const announcer = document.getElementById('announcer');
  window.said = [];
  new MutationObserver(() => said.push(announcer.textContent)).observe(announcer, { childList: true });
}
"""


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_drop_and_paste(member: Page, way: str) -> None:
    member.goto("/translate/")
    data = base64.b64encode(picture_file((120, 80))).decode()
    member.evaluate(GIVE, {"type": way, "name": "given.png", "data": data})
    expect(member.locator("[data-name]")).to_have_text("given.png")
    expect(member.locator("[data-facts]")).to_contain_text(f"PNG · 120 {TIMES} 80 pixels")
    expect(member.locator("canvas")).to_be_visible()
    member.get_by_role("button", name="Translate").click()
    member.wait_for_url("**/translations/*-*/")
    expect(member.get_by_role("heading", name="given.png")).to_be_visible()


def bomb(side: int = 30_000) -> bytes:
    """A PNG whose header claims more pixels than anybody should decode."""
    head = bytearray(picture_file((8, 8)))
    head[16:24] = side.to_bytes(4, "big") * 2
    return bytes(head)


REFUSED_HERE = {
    "renamed HTML": (b"<!doctype html><p>map</p>", "not a PNG, JPEG, WebP or TIFF"),
    "empty": (b"", "empty"),
    "GIF behind PNG's first bytes": (b"\x89PNG\r\n\x1a\n" + b"GIF89a" * 10, "not a PNG"),
    "too many pixels": (bomb(), f"30000 {TIMES} 30000 pixels"),
    "too many bytes": (picture_file((8, 8)) + bytes(20_000_001), "at most 20"),
}
REFUSED_THERE = {
    "cut off": picture_file((64, 64))[:-200],
    "noise after a good header": picture_file((64, 64))[:33] + b"noise" * 100,
}


@pytest.mark.parametrize(("data", "message"), REFUSED_HERE.values(), ids=REFUSED_HERE.keys())
def test_refused_before_it_is_sent(member: Page, tmp_path: Path, data: bytes, message: str) -> None:
    file = tmp_path / "map.png"
    file.write_bytes(data)
    member.goto("/translate/")
    member.locator("input[type=file]").set_input_files(file)
    expect(member.locator("#error-image")).to_contain_text(message)
    expect(member.locator("#announcer")).to_contain_text(message)
    expect(member.locator("input[type=file]")).to_have_attribute("aria-invalid", "true")
    sent = []
    member.on("request", lambda request: sent.append(request.url))
    member.evaluate(LISTEN)
    member.get_by_role("button", name="Translate").click()
    expect(member.locator("input[type=file]")).to_be_focused()
    assert sent == []
    # It is read out again, though it says the same.
    first, second = wait_until(
        lambda: member.evaluate("said[1] && said"), seconds=10, what="the announcement", every=0.1
    )
    assert (first, message in second) == ("", True)


@pytest.mark.parametrize("data", REFUSED_THERE.values(), ids=REFUSED_THERE.keys())
def test_refused_by_the_server_keeps_everything(member: Page, guard: Guard, data: bytes) -> None:
    member.goto("/translate/")
    payload: Any = {"name": "map.png", "mimeType": "image/png", "buffer": data}
    member.locator("input[type=file]").set_input_files(payload)
    member.get_by_role("radio", name="Public").check()
    with guard.expecting("status of 422"):
        member.get_by_role("button", name="Translate").click()
        expect(member.get_by_role("alert")).to_contain_text("This could not be sent.")
    expect(member.get_by_role("alert")).to_be_focused()
    expect(member.locator("#error-image li")).to_be_visible()
    expect(member.locator("input[type=file]")).to_have_attribute("aria-invalid", "true")
    expect(member.get_by_role("radio", name="Public")).to_be_checked()
    assert member.locator("input[type=file]").evaluate("it => it.files[0].name") == "map.png"
    good: Any = {"name": "good.png", "mimeType": "image/png", "buffer": picture_file()}
    member.locator("input[type=file]").set_input_files(good)
    expect(member.locator("#error-image li")).to_have_count(0)
    member.get_by_role("button", name="Translate").click()
    member.wait_for_url("**/translations/*-*/")


def test_signed_out_in_another_tab_loses_nothing(page: Page, site: LiveStack, guard: Guard) -> None:
    sign_up(page, "otto")
    payload: Any = {"name": "kept.png", "mimeType": "image/png", "buffer": picture_file()}
    page.locator("input[type=file]").set_input_files(payload)
    other = page.context.new_page()
    other.goto("/accounts/logout/")
    other.get_by_role("main").get_by_role("button", name="Sign out").click()
    other.wait_for_url(site.url + "/")
    with guard.expecting("status of 401", "status of 403"):
        page.get_by_role("button", name="Translate").click()
        expect(page.get_by_role("alert")).to_contain_text("You are signed out.")
    enter(other, "otto")
    page.get_by_role("button", name="Translate").click()  # the token is read again from the cookie
    page.wait_for_url("**/translations/*-*/")
    expect(page.get_by_role("heading", name="kept.png")).to_be_visible()


def test_a_sample_gives_way_to_an_own_picture(member: Page, small_picture: dict[str, Any]) -> None:
    member.goto("/translate/?sample=harbour")
    expect(member.get_by_text("Sample map “Harbour” is chosen.")).to_be_visible()
    member.locator("input[type=file]").set_input_files(small_picture)  # type: ignore[arg-type]
    expect(member.get_by_text("Sample map")).to_have_count(0)
    member.get_by_role("button", name="Remove it").click()
    expect(member.get_by_label("Drop a picture here, paste one, or choose a file")).to_be_focused()


def test_the_connection_breaks(member: Page, guard: Guard, small_picture: dict[str, Any]) -> None:
    member.goto("/translate/")
    member.locator("input[type=file]").set_input_files(small_picture)  # type: ignore[arg-type]
    member.context.set_offline(True)
    with guard.expecting("ERR_INTERNET_DISCONNECTED", "htmx:"):
        member.get_by_role("button", name="Translate").click()
        expect(member.locator("#form-feedback")).to_contain_text("could not be sent")
    member.context.set_offline(False)
    member.get_by_role("button", name="Translate").click()
    member.wait_for_url("**/translations/*-*/")


@pytest.mark.parametrize(
    ("status", "words"), [(413, "larger than this site accepts"), (429, "Wait a minute"), (502, "error 502")]
)
def test_answers_of_whatever_stands_before_the_site(
    member: Page, guard: Guard, small_picture: dict[str, Any], status: int, words: str
) -> None:
    member.goto("/translate/")
    member.locator("input[type=file]").set_input_files(small_picture)  # type: ignore[arg-type]
    member.route("**/translate/", lambda route: route.fulfill(status=status, body="<html>a proxy</html>"))
    with guard.expecting(f"status of {status}", f"Status Error Code {status}"):
        member.get_by_role("button", name="Translate").click()
        expect(member.locator("#form-feedback")).to_contain_text(words)
    expect(member.get_by_role("button", name="Translate")).to_have_attribute("aria-disabled", "false")
    assert member.locator("input[type=file]").evaluate("it => it.files[0].name") == "small.png"
