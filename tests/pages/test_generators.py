"""The page of the generators, and the figures of their cards."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry

from tests.pages.conftest import Clients
from tests.pages.helpers import text_of
from tests.translator.factories import generator_file, picture
from translator.presentation import figures_of
from translator.services import generator_import

METRICS = {
    "held_out": {"list": "holdout.tsv", "tiles": 100},
    "generator": {"l1": 0.14, "sharpness_ratio": 0.8, "acc5": 0.36, "own_idea": 12.5, "images": 100},
    "median_colour": {"l1": 0.2, "sharpness_ratio": 0.0, "acc5": 0.359},
    "input_copied": {"l1": 0.3, "sharpness_ratio": 1.9},
}
DASH = ("\N{EN DASH}", False)
BARE: list[object] = [None, 3, {}, {"generator": 1}, {"generator": {"l1": "good", "ok": True}}]


def test_figures_beside_the_baselines() -> None:
    figures = figures_of({"metrics": METRICS})
    assert figures is not None
    assert figures.columns == ["This generator", "One flat colour", "The input, copied"]
    assert figures.measured_on == "100 tiles that no training saw (holdout.tsv)"
    rows = {label: [(cell.text, cell.best) for cell in cells] for label, cells in figures.rows}
    assert rows["Mean difference (L1)"] == [("0.14", True), ("0.2", False), ("0.3", False)]
    assert rows["Sharpness (1: as real)"] == [("0.8", True), ("0", False), ("1.9", False)]
    assert rows["Within 5 grey levels"] == [("36.0 %", True), ("35.9 %", False), DASH]
    assert "Images" not in rows
    assert rows["Own idea"] == [("12.5", False), DASH, DASH]


def test_intervals_and_measures_of_which_less_is_better() -> None:
    """A measure that nobody knows has no best; odd intervals of foreign files are left out."""
    own = {"acc5": 0.4, "kid_random_cnn": 0.004, "swd": 30.0, "novelty": 2.0, "psnr_other": 14.0}
    intervals = {"acc5": [0.36, 0.442], "kid_random_cnn": [0.001, 0.006], "swd": "wide", "novelty": [1]}
    flat = {"acc5": 0.28, "kid_random_cnn": 0.2, "swd": 600.0, "novelty": 1.0}
    figures = figures_of({"metrics": {"generator": {**own, "intervals": intervals}, "median_colour": flat}})
    assert figures is not None
    rows = dict(figures.rows)
    assert [cell.between for cell in rows["Within 5 grey levels"]] == ["36.0 to 44.2", ""]
    assert [cell.best for cell in rows["Distance of textures (KID, random CNN)"]] == [True, False]
    assert rows["Distance of textures (KID, random CNN)"][0].between == "0.001 to 0.006"
    assert [(cell.best, cell.between) for cell in rows["Distance of patches (SWD)"]] == [
        (True, ""),
        (False, ""),
    ]
    assert [(cell.best, cell.between) for cell in rows["Novelty"]] == [(False, ""), (False, "")]
    assert "Psnr other" not in rows


@pytest.mark.parametrize("metrics", BARE)
def test_cards_without_figures(metrics: object) -> None:
    assert figures_of({"metrics": metrics}) is None
    assert figures_of({}) is None


def test_everybody_sees_what_is_on_offer(clients: Clients, db: None) -> None:
    card = {"title": "Open to all", "metrics": METRICS, "licence": "For research only"}
    generator_import(source=generator_file.__wrapped__("open", **card), publish=True)
    generator_import(source=generator_file("trial", shade=0.5, title="Still on trial"))
    for name, client in clients.items():
        text = text_of(client.get("/generators/"))
        assert "Open to all" in text
        assert "For research only" in text
        assert "100 tiles that no training saw (holdout.tsv)" in text
        assert ("Still on trial" in text) == (name == "carol")


def test_ids_of_the_page_are_its_own(clients: Clients, db: None) -> None:
    """Staff see two versions of one name, and a name may be any word: ``main`` is the page's."""
    card = {"title": "Roads", "metrics": METRICS}
    rows = [
        generator_import(source=generator_file.__wrapped__("main", **card), publish=True),
        generator_import(source=generator_file("main", shade=0.5)),
    ]
    html = clients["carol"].get("/generators/").content.decode()
    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert {f"generator-{row.pk}" for row in rows} < set(ids)
    assert set(re.findall(r'aria-labelledby="([^"]+)"', html)) <= set(ids)
    assert "<strong>0.14</strong>" in html
    assert "<strong>0.3</strong>" not in html


def test_sample_pictures_follow_the_generator(clients: Clients, db: None) -> None:
    trial = generator_import(source=generator_file("trial", shade=0.5), sample_input=picture())
    for name, client in clients.items():
        status = client.get(f"/generators/{trial.pk}/samples/input/").status_code
        assert status == (200 if name == "carol" else 404)
    assert clients["carol"].get(f"/generators/{trial.pk}/samples/output/").status_code == 404  # not drawn yet
    assert clients["carol"].get(f"/generators/{trial.pk}/samples/file/").status_code == 404


def test_no_generator(clients: Clients) -> None:
    assert "No generator is published yet" in text_of(clients["nobody"].get("/generators/"))


def test_staff_choose_the_default(clients: Clients, db: None) -> None:
    """It is first in the list, chosen in the form, and what a click on a sample map takes."""
    first = generator_import(source=generator_file("first", title="The first"), publish=True)
    other = generator_import(source=generator_file("other", title="The other", shade=0.5), publish=True)
    address = f"/generators/{other.pk}/default/"
    assert "Make it the default" not in text_of(clients["alice"].get("/generators/"))
    assert "Make it the default" in text_of(clients["carol"].get("/generators/"))
    for name in ("nobody", "alice"):
        assert clients[name].post(address).status_code == 404
    first.refresh_from_db()
    assert first.is_default
    assert clients["carol"].get(address).status_code == 405
    told = text_of(clients["carol"].post(address, follow=True))
    clients["carol"].post(address)  # it is already
    entry = LogEntry.objects.get()
    assert (entry.user.username, entry.object_id) == ("carol", str(other.pk))
    assert entry.get_change_message() == "Made the default for map to satellite."
    assert "The other is the default for map to satellite now." in told
    page = clients["alice"].get("/generators/")
    assert [generator for generator, _ in page.context["generators"]] == [other, first]
    assert clients["alice"].get("/translate/").context["form"].chosen_generator == str(other.pk)
    assert clients["alice"].get("/").context["generator"] == other


def test_what_is_on_trial_cannot_be_the_default(clients: Clients, db: None) -> None:
    trial = generator_import(source=generator_file("trial", title="On trial"))
    told = text_of(clients["carol"].post(f"/generators/{trial.pk}/default/", follow=True))
    assert "On trial v1 is not published, so it cannot be the default." in told
