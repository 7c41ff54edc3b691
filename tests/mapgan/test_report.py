"""The page of an evaluation, opened in a real Chromium: rows, curves, pictures, and nothing from outside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from mapgan import metrics
from mapgan.report import render, write_report
from mapgan.report.charts import _marks
from mapgan.scoring import Examples, Result, Row
from tests.mapgan.pairs import REAL_MAPS

NAME = "<b>run</b> & co"


def pictures(count: int = 3, side: int = 32) -> np.ndarray:
    """Real tiles where there are some, noise elsewhere."""
    if REAL_MAPS.is_dir():
        chosen = sorted((REAL_MAPS / "train").iterdir())[:count]
        return np.stack([np.asarray(Image.open(path).convert("RGB").resize((side, side))) for path in chosen])
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def make_result(direction: str = "sat2map") -> Result:
    """Two runs of three checkpoints that get better, and two baselines; one checkpoint is off."""
    targets = pictures()
    result = Result("holdout.tsv", len(targets), "averaged")
    rows = []
    for series, worst in ((NAME, 40), ("other", 60)):
        for step in (1000, 2000, 3000):
            made = targets // 2 + (step // 100 + worst)
            name = f"{series} step {step:,}"
            measured = metrics.measure(targets, made, maps=direction == "sat2map")
            rows.append(
                Row(name, "checkpoint", series, step, 32, measured, made, len(rows) + 1, guarded=step > 1000)
            )
    for name in ("median_colour", "input_copied"):
        measured = metrics.measure(targets, 255 - targets, maps=direction == "sat2map")
        rows.append(Row(name, "baseline", name, None, 32, measured, 255 - targets))
    result.rows[direction] = rows
    result.examples[direction] = Examples(["1", "2", "3"], 255 - targets, targets)
    return result


@pytest.fixture
def page_of(browser: Browser, tmp_path: Path) -> object:
    """Opens a result's page; whatever it asks for and complains of is kept."""
    made = []

    def opened(result: Result, *, width: int = 1200, scheme: str = "light") -> tuple[Page, list[str]]:
        path = tmp_path / "report.html"
        write_report(result, path, command="mapgan evaluate <run>")
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        made.append(context)
        page, heard = context.new_page(), []
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda asked: heard.append(asked.url) if asked.url[:5] != "data:" else None)
        page.goto(path.as_uri())
        assert heard.pop(0) == path.as_uri()
        return page, heard

    yield opened
    for context in made:
        context.close()


def test_the_page_shows_what_it_should(page_of) -> None:
    """Ranked rows with the best marked, curves for each measure, every picture loaded, nothing asked for."""
    page, heard = page_of(make_result())
    rows = page.locator("table.ranking tbody tr")
    assert rows.count() == 6
    assert page.locator("tfoot tr").count() == 2
    assert "best" in rows.nth(0).inner_text()
    assert page.locator(".badge--off").count() == 2
    assert page.locator("tr.best th").inner_text().startswith(f"{NAME} step 1,000")
    assert page.locator(".charts svg").count() == len(metrics.SHOWN["sat2map"])
    assert page.locator(".charts").first.locator("svg").first.locator("polyline").count() == 2
    assert page.locator(".legend li").all_inner_texts() == [NAME, "other"]
    # input, target and the best of each run, for three tiles
    assert page.locator(".tiles img").count() == 3 * 4
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth === 32)")
    assert page.locator(".strip").first.locator("figcaption").all_inner_texts() == [
        "Input", "Target", f"{NAME} step 1,000", "other step 1,000",
    ]  # fmt: skip
    assert "mapgan evaluate <run>" in page.locator("footer").inner_text()
    page.locator("summary").click()
    assert page.locator("dt").count() >= 10
    assert heard == []


def test_the_table_sorts(page_of) -> None:
    """By a click on a heading, up and then down; the baselines stay where they are."""
    page, heard = page_of(make_result())
    head = page.locator("thead th", has_text="RMSE")

    def values() -> list[float]:
        cells = page.locator("tbody tr td:nth-child(6)")
        return [float(cell.get_attribute("data-value") or "nan") for cell in cells.all()]

    before = values()
    head.locator("button").click()
    assert values() == sorted(before)
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert values() == sorted(before, reverse=True)
    assert page.locator("tfoot tr").count() == 2
    assert heard == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_in_either_scheme(page_of, scheme: str) -> None:
    """Nothing is wider than the screen but the table, which scrolls in a box; the schemes differ."""
    page, heard = page_of(make_result("map2sat"), width=360, scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate("(b => b.scrollWidth > b.clientWidth)(document.querySelector('.scroll'))")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(246, 243, 236)", "dark": "rgb(16, 24, 23)"}[scheme]
    assert heard == []


def test_without_curves_or_targets(page_of) -> None:
    """One checkpoint has no curve; unpaired pictures have no target; a page without scripts has its rows."""
    result = make_result("map2sat")
    result.rows["map2sat"] = [result.rows["map2sat"][0], *result.rows["map2sat"][-2:]]
    shown = result.examples["map2sat"]
    result.examples["map2sat"] = Examples(shown.stems, shown.sources, shown.targets[:0])
    page, heard = page_of(result)
    assert page.locator("svg").count() == 0
    assert page.locator(".strip").first.locator("img").count() == 2
    assert heard == []


def test_names_from_outside_are_text() -> None:
    """A run's name cannot bring markup with it, and pictures are small."""
    page = render(make_result(), command="</pre><script>alert(1)</script>")
    assert "<b>run" not in page
    assert "<script>alert" not in page
    large = make_result()
    large.rows["sat2map"] = large.rows["sat2map"][:1]
    noise = np.random.default_rng(0).integers(0, 256, (1, 1024, 1024, 3), dtype=np.uint8)
    large.examples["sat2map"] = Examples(["1"], noise, noise)
    assert len(render(large)) < 500_000


def test_axes_have_round_numbers() -> None:
    """Some four of them, inside the range."""
    assert _marks(0.31, 0.47) == pytest.approx([0.35, 0.4, 0.45])
    for low, high in ((0, 1), (-0.002, 0.0041), (500, 109_700), (19.3, 19.4)):
        marks = _marks(low, high)
        assert 2 <= len(marks) <= 6
        assert low <= marks[0] < marks[-1] <= high
