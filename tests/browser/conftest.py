"""Browser tests drive the live system. Whatever they do, the browser must never leave the site's origin,
break the content security policy, or write an error to its console."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from tests.support.live import LiveStack

TIMES = "\N{MULTIPLICATION SIGN}"
ROOT = Path(__file__).resolve().parent.parent.parent
REAL_MAPS = ROOT.parent / "shared" / "data" / "maps_original"


class Guard:
    """Listens to a browser context and remembers what must not happen."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.complaints: list[str] = []
        self.expected: list[str] = []

    def listen(self, context: BrowserContext) -> None:
        """Attach to every page of the context, now and later."""
        context.on("request", self._request)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(f"script error: {error.error}"))

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob"):
            self.complaints.append(f"not needed, so not wanted: {request.url[:80]}")
        elif f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.complaints.append(f"left the origin: {request.url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text} ({message.location.get('url')})")

    @contextmanager
    def expecting(self, *words: str) -> Iterator[None]:
        """Chromium logs every failed request; inside, those with these words are what the test is about."""
        before = len(self.complaints)
        yield
        new = [each for each in self.complaints[before:] if not any(word in each for word in words)]
        self.complaints[before:] = new


@pytest.fixture(scope="session")
def site(live_stack: LiveStack) -> LiveStack:
    """The system under test."""
    return live_stack


@pytest.fixture
def guard(site: LiveStack) -> Iterator[Guard]:
    """Fails the test in which anything forbidden happened."""
    guard = Guard(site.url)
    yield guard
    assert guard.complaints == []


@pytest.fixture
def new_page(browser: Browser, site: LiveStack, guard: Guard) -> Iterator[Callable[..., Page]]:
    """Open a fresh, guarded browser window: ``new_page(java_script_enabled=False)``."""
    contexts = []

    def make(**options: Any) -> Page:
        options.setdefault("reduced_motion", "reduce")
        context = browser.new_context(base_url=site.url, **options)
        context.set_default_timeout(15_000)
        guard.listen(context)
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


def sign_up(page: Page, name: str) -> None:
    """Make an account, from the front page."""
    page.goto("/")
    page.get_by_role("link", name="Sign up").click()
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(f"{name}-password")
    page.get_by_label("Password (again)").fill(f"{name}-password")
    page.get_by_role("main").get_by_role("button", name="Sign up").click()
    page.wait_for_url("**/translate/")


def enter(page: Page, name: str) -> None:
    """Sign in through the page."""
    page.goto("/accounts/login/")
    page.get_by_label("Username or e-mail").fill(name)
    page.get_by_label("Password").fill(f"{name}-password")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/translate/")


@pytest.fixture(scope="session")
def member_state(browser: Browser, site: LiveStack) -> Any:
    """Cookies of a signed-in user, made once."""
    context = browser.new_context(base_url=site.url)
    sign_up(context.new_page(), "gail")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A guarded window nobody is signed in with."""
    return new_page()


@pytest.fixture
def member(new_page: Callable[..., Page], member_state: Any) -> Page:
    """A guarded window of Gail, who has an account."""
    return new_page(storage_state=member_state)


def picture_file(size: tuple[int, int] = (96, 64), kind: str = "PNG", *, seed: int = 0) -> bytes:
    """A small picture of noise and stripes."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    pixels[::8] = 240
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def small_picture() -> dict[str, Any]:
    """A payload for `set_input_files`."""
    return {"name": "small.png", "mimeType": "image/png", "buffer": picture_file()}


@pytest.fixture(scope="session")
def real_map() -> dict[str, Any]:
    """A 600x600 map as users have them: half of a real 1200x600 picture, or our own drawing of that size."""
    found = sorted(REAL_MAPS.glob("*.jpg"))
    if found:
        picture = Image.open(found[0]).convert("RGB").crop((600, 0, 1200, 600))
    else:
        picture = Image.open(ROOT / "samples" / "harbour.png").convert("RGB").resize((600, 600))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92)
    return {"name": "town.jpg", "mimeType": "image/jpeg", "buffer": buffer.getvalue()}


def submit(page: Page, payload: dict[str, Any], *, visibility: str = "Private") -> str:
    """Fill in the form and send it; returns the translation's path."""
    page.goto("/translate/")
    page.locator("input[type=file]").set_input_files(payload)  # type: ignore[arg-type]
    page.get_by_role("radio", name=visibility).check()
    page.get_by_role("button", name="Translate").click()
    page.wait_for_url("**/translations/*-*/")
    return urlsplit(page.url).path


def wait_for_uploader(page: Page) -> None:
    """Until FilePond has faded in: before that it may lose a key, and its words have no contrast yet."""
    expect(page.locator("[data-uploader][data-ready] .filepond--drop-label")).to_have_css("opacity", "1")
