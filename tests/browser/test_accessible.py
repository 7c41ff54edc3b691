"""axe finds nothing on any page of ours, light and dark, on a phone and on a desk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import TIMES, Guard, enter
from tests.support.live import LiveStack

OPEN = [
    "/",
    "/gallery/",
    "/gallery/?person=nobody-of-this-name",
    "/generators/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/1-x/",
    "/accounts/confirm-email/",
    "/accounts/inactive/",
    "/no/such/place/",
]
OWN = [
    "/",
    "/translate/",
    "/translate/?sample=harbour",
    "/translations/",
    "/translations/?state=failed&direction=sat2map",
    "/account/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/logout/",
    "/accounts/reauthenticate/",
]
# Every rule in two looks; in the other two what a colour or a width can break.
LOOKS: list[tuple[Any, int, dict[str, Any]]] = [
    ("light", 1280, {}),
    ("dark", 1280, {"runOnly": ["color-contrast", "link-in-text-block"]}),
    ("light", 360, {"runOnly": ["color-contrast", "target-size"]}),
    ("dark", 320, {}),
]

# One row of every state, of Gail's, put there as the worker would have.
ROWS = """
import io, uuid
from PIL import Image
from accounts.models import User
from translator.models import Generator, Translation
from translator.services import translation_submit
buffer = io.BytesIO()
Image.new("RGB", (80, 60), "teal").save(buffer, "PNG")
from jobs.services import job_enqueue
import translator.services.translations as module
module.job_enqueue = lambda job: None  # nobody is to work on these
owner, generator = User.objects.get(username="gail"), Generator.objects.filter(state="published").first()
User.objects.create_user("stella", "", "stella-password", is_staff=True)
result = {}
for state in ("queued", "running", "failed", "cancelled", "succeeded"):
    data, name = buffer.getvalue(), f"{state}.png"
    row = translation_submit(owner=owner, generator=generator, data=data, filename=name)
    more = {"not_before": "2100-01-01T00:00Z"} if state == "queued" else {}
    if state == "running":
        more = {"progress": 0.4, "stage": "translating", "lease_expires_at": "2100-01-01T00:00Z",
                "started_at": row.created_at, "attempt": 1}
    if state == "succeeded":
        more = {"result": row.original, "result_thumbnail": row.original_thumbnail, "visibility": "public",
                "started_at": row.created_at, "finished_at": row.created_at, "result_bytes": 1000}
    if state == "failed":
        more = {"error_message": "It was too large.", "error_code": "memory", "error_details": "Traceback"}
    Translation.objects.filter(pk=row.pk).update(state=state, **more)
    result[state] = f"/translations/{row.pk}/"
"""


@pytest.fixture(scope="module")
def rows(site: LiveStack, member_state: object) -> dict[str, str]:
    """Path of a translation in each state."""
    found: dict[str, str] = site.python(ROWS)
    return found


def complaints(page: Page) -> list[str]:
    """What axe says of the page in every look of it."""
    found = []
    page.evaluate(Axe().axe_script)
    for scheme, width, rules in LOOKS:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        if wide:
            found.append(f"{page.url} {scheme} {width}: wider than the screen")
        options = {"resultTypes": ["violations"], **rules}
        for violation in page.evaluate("options => axe.run(document, options)", options)["violations"]:
            targets = [node["target"] for node in violation["nodes"]][:4]
            found.append(f"{page.url} {scheme} {width}: {violation['id']}: {violation['help']} {targets}")
    return found


def test_pages_for_everybody(page: Page, guard: Guard, rows: dict[str, str]) -> None:
    found = []
    for address in [*OPEN, rows["succeeded"]]:
        with guard.expecting("status of 404"):
            page.goto(address)
            found += complaints(page)
    assert found == []


def test_pages_of_a_member(member: Page, rows: dict[str, str]) -> None:
    found = []
    for address in [*OWN, *rows.values(), rows["succeeded"] + "delete/"]:
        member.goto(address)
        found += complaints(member)
    assert found == []


def test_what_opens_on_a_page(
    member: Page, guard: Guard, rows: dict[str, str], small_picture: dict[str, Any]
) -> None:
    found = []
    member.goto(rows["succeeded"])
    member.get_by_role("button", name="Account of gail").click()
    found += complaints(member)
    member.keyboard.press("Escape")
    member.get_by_role("link", name="Delete…").click()
    found += complaints(member)
    member.goto("/translate/")
    member.locator("input[type=file]").set_input_files(small_picture)  # type: ignore[arg-type]
    member.get_by_text(f"96 {TIMES} 64 pixels").wait_for()
    found += complaints(member)
    small_picture["buffer"] = small_picture["buffer"][:-30]
    member.locator("input[type=file]").set_input_files(small_picture)  # type: ignore[arg-type]
    with guard.expecting("status of 422"):
        member.get_by_role("button", name="Translate").click()
        member.get_by_role("alert").wait_for()
    found += complaints(member)
    assert found == []


def test_a_member_of_staff_sees_details(new_page: Callable[..., Page], rows: dict[str, str]) -> None:
    page = new_page()
    enter(page, "stella")
    page.goto(rows["failed"])
    page.get_by_text("For staff: memory").click()
    assert complaints(page) == []
