"""The upload of a dataset's archive: interrupted by a reload, by keys alone, and without script."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.conftest import Guard, enter, wait_for_uploader
from tests.mapgan.pairs import write_maps
from tests.support.live import LiveStack
from tests.training.conftest import zipped

CHUNK = 8 * 2**20
NEW = "/training/datasets/new/"


@pytest.fixture(scope="session")
def uploader_state(browser: Browser, site: LiveStack) -> Any:
    """Cookies of somebody of staff."""
    site.add_user("uma", is_staff=True)
    context = browser.new_context(base_url=site.url)
    enter(context.new_page(), "uma")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def staff(new_page: Callable[..., Page], uploader_state: Any) -> Page:
    """A guarded window of theirs, at the form."""
    page = new_page(storage_state=uploader_state)
    page.goto(NEW)
    wait_for_uploader(page)
    return page


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """A small archive."""
    path = tmp_path / "pairs.zip"
    path.write_bytes(zipped(write_maps(tmp_path / "pairs" / "train", 6).parent))
    return path


def choose(page: Page, path: Path) -> None:
    """As a person does who presses the link."""
    with page.expect_file_chooser() as chooser:
        page.get_by_text("choose a file").click()
    chooser.value.set_files(path)


def test_after_a_reload_the_same_file_goes_on_where_it_stopped(staff: Page, tmp_path: Path) -> None:
    path = tmp_path / "large.zip"
    path.write_bytes(os.urandom(2 * CHUNK + 1000))
    offsets: list[int] = []
    held = True

    def hold_the_second(route: Route) -> None:
        """The second chunk never arrives, until the page was left."""
        if route.request.method == "PATCH":
            offsets.append(int(route.request.headers["upload-offset"]))
            if held and offsets[-1] == CHUNK:
                return
        route.continue_()

    staff.route("**/training/uploads/**", hold_the_second)
    with staff.expect_request(lambda it: it.headers.get("upload-offset") == str(CHUNK)):
        choose(staff, path)
    expect(staff.get_by_role("button", name="Waiting for the upload")).to_be_disabled()
    staff.reload()
    held = False
    assert offsets == [0, CHUNK]
    waiting = staff.get_by_role("region", name="Sent before, and not used yet")
    expect(waiting).to_contain_text("large.zip 8.4 MB of 16.8 MB")
    choose(staff, path)
    expect(staff.locator("#announcer")).to_have_text("large.zip is here.", timeout=60_000)
    assert offsets == [0, CHUNK, CHUNK, 2 * CHUNK]  # nothing was sent again
    staff.reload()
    waiting.get_by_role("button", name="Remove large.zip").click()
    expect(staff.get_by_text("large.zip was removed.")).to_be_visible()
    expect(waiting).to_have_count(0)


def test_by_keys_alone(staff: Page, pairs: Path) -> None:
    """The file, the way it is divided, the name, and sending it."""
    link = staff.get_by_text("choose a file")
    staff.on("filechooser", lambda _: None)  # a key is quicker than `expect_file_chooser` begins to listen
    link.focus()
    expect(link).to_be_focused()
    with staff.expect_file_chooser() as chooser:
        staff.keyboard.press("Enter")
    chooser.value.set_files(pairs)
    expect(staff.locator("#announcer")).to_have_text("pairs.zip is here.")
    staff.get_by_role("radio", name="As they come").focus()
    staff.keyboard.press("ArrowDown")
    expect(staff.get_by_role("radio", name="Drawn now")).to_be_checked()
    staff.keyboard.press("Tab")
    expect(staff.get_by_label("For validation, in per cent")).to_be_focused()
    staff.keyboard.type("20")
    staff.get_by_label("Name", exact=True).focus()
    staff.keyboard.type("By keys")
    staff.keyboard.press("Enter")
    staff.wait_for_url("**/versions/1/")
    expect(staff.get_by_role("heading", name="6 usable pairs")).to_be_visible(timeout=120_000)
    expect(staff.get_by_role("region", name="How they are divided")).to_contain_text("20 % were asked")


def test_what_was_sent_is_not_sent_again(staff: Page, guard: Guard, pairs: Path) -> None:
    """The form is refused for want of a name; the file stays chosen."""
    choose(staff, pairs)
    send = staff.get_by_role("button", name="Examine the pictures")
    expect(staff.locator("#announcer")).to_have_text("pairs.zip is here.")
    with guard.expecting("status of 422"):
        send.click()
        expect(staff.get_by_text("This field is required.")).to_be_visible()
    expect(staff.locator(".filepond--file-info-main")).to_have_text("pairs.zip")
    staff.get_by_label("Name", exact=True).fill("Sent once")
    send.click()
    staff.wait_for_url("**/versions/1/")
    staff.goto(NEW)  # the same file again is another upload: the first one belongs to the dataset
    with guard.expecting("status of 404"):  # once it is examined, the first one is gone
        choose(staff, pairs)
        expect(staff.locator("#announcer")).to_have_text("pairs.zip is here.")
    staff.get_by_label("Name", exact=True).fill("Sent twice")
    staff.get_by_role("button", name="Examine the pictures").click()
    staff.wait_for_url("**/versions/1/")


def test_without_script(
    new_page: Callable[..., Page], uploader_state: Any, guard: Guard, tmp_path: Path, pairs: Path
) -> None:
    """The form itself sends the file, also one that is larger than other requests may be."""
    page = new_page(java_script_enabled=False, storage_state=uploader_state)
    page.goto(NEW)
    large = tmp_path / "large.zip"
    large.write_bytes(pairs.read_bytes()[:200] + os.urandom(23_000_000))
    page.get_by_label("A zip or tar archive").set_input_files(large)
    page.get_by_label("Name", exact=True).fill("Without script")
    page.get_by_role("button", name="Examine the pictures").click()
    expect(page.get_by_role("heading", name="It could not be examined")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Bring other pictures").click()
    page.get_by_label("A zip or tar archive").set_input_files(pairs)
    page.get_by_role("button", name="Examine the pictures").click()
    expect(page.get_by_role("heading", name="6 usable pairs")).to_be_visible(timeout=120_000)
    for half in ("A", "B"):  # both are shown, as nothing could flip them
        expect(page.get_by_label(f"train/1, {half}", exact=True)).to_be_visible()
