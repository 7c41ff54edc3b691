"""Take pictures of every page of a running site: phone and desk, light and dark.

::

    .venv/bin/python scripts/screenshots.py --user alice --password … --out /tmp/shots [--page NAME] \
        [http://127.0.0.1:8000]

Pages of translations are found by following the links of "My translations". Needs Chromium (see
scripts/browser.py); nothing is written outside ``--out``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from scripts.browser import find

WIDTHS = {"phone": (360, 740), "desk": (1280, 800)}
SCHEMES = ("light", "dark")
OPEN_PAGES = {
    "home": "/",
    "gallery": "/gallery/",
    "gallery-nothing": "/gallery/?person=nobody-of-this-name",
    "generators": "/generators/",
    "login": "/accounts/login/",
    "signup": "/accounts/signup/",
    "reset": "/accounts/password/reset/",
    "reset-sent": "/accounts/password/reset/done/",
    "reset-bad-link": "/accounts/password/reset/key/1-x/",
    "inactive": "/accounts/inactive/",
    "not-found": "/no/such/place/",
}
OWN_PAGES = {
    "home-signed-in": "/",
    "submit": "/translate/",
    "mine": "/translations/",
    "account": "/account/",
    "password": "/accounts/password/change/",
    "email": "/accounts/email/",
    "logout": "/accounts/logout/",
}


def own_results(page: Page, base: str) -> dict[str, str]:
    """One translation of each state, by the badge its tile carries (none: it succeeded)."""
    found: dict[str, str] = {}
    page.goto(f"{base}/translations/")
    for tile in page.locator(".tile").all():
        badge = tile.locator(".badge")
        state = badge.inner_text().lower() if badge.count() else "succeeded"
        found.setdefault(f"detail-{state}", tile.locator(".tile__link").get_attribute("href") or "")
    if "detail-succeeded" in found:
        found["delete"] = found["detail-succeeded"] + "delete/"
    return found


def sign_in(page: Page, base: str, user: str, password: str) -> None:
    """Through the sign-in page, as a person does."""
    page.goto(f"{base}/accounts/login/")
    page.locator("[name=login]").fill(user)
    page.locator("[name=password]").fill(password)
    page.locator("main button[type=submit]").click()
    page.wait_for_url("**/translate/")


def contexts(browser: Browser) -> Iterator[tuple[str, Page]]:
    """A fresh page for every width and scheme."""
    for name, (width, height) in WIDTHS.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="light" if scheme == "light" else "dark",
                reduced_motion="reduce",
            )
            yield f"{name}-{scheme}", context.new_page()
            context.close()


def shoot(page: Page, address: str, target: Path) -> None:
    """Save the whole page, and say when it is wider than the screen."""
    page.goto(address)
    page.evaluate("for (const image of document.images) image.loading = 'eager'")
    page.wait_for_load_state("networkidle")
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if overflow > 0:
        print(f"{target.name}: {overflow} px wider than the screen")
    page.screenshot(path=target, full_page=True)


def main() -> None:
    """Take them all, or only the page asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("base", nargs="?", default="http://127.0.0.1:8000")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--page", action="append", help="only this one; may be given again")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    chromium = find()
    if chromium is None:
        parser.error("no Chromium found; run `make test` once, which brings one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.executable, args=chromium.flags)
        for kind, page in contexts(browser):
            for name, path in OPEN_PAGES.items():
                if not options.page or name in options.page:
                    shoot(page, options.base + path, options.out / f"{name}-{kind}.png")
            page.goto(options.base)
            sample = page.locator("a.sample").first.get_attribute("href") or ""
            sign_in(page, options.base, options.user, options.password)
            own = OWN_PAGES | {"submit-sample": sample} | own_results(page, options.base)
            for name, path in own.items():
                if not options.page or name in options.page:
                    shoot(page, options.base + path, options.out / f"{name}-{kind}.png")
        browser.close()


if __name__ == "__main__":
    main()
