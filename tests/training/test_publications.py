"""What was published: its page, its card, who is offered it, roll back; and what may not be asked for."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import User
from jobs.models import JobState
from tests.pages.helpers import text_of
from tests.training.conftest import Clients, brought
from tests.training.stored import a_checkpoint, a_run
from tests.translator.factories import generator_file
from training_jobs.models import Checkpoint, Publication, TrainingRun
from training_jobs.services.publications import Offer, both_directions, publication_request
from translator.models import Generator
from translator.services import GeneratorRejected, generator_import

pytestmark = pytest.mark.database

CARD = {
    "title": "Better town",
    "description": "Streets.",
    "limits": "Not for hills.",
    "attribution": "The town",
}


@pytest.fixture
def checkpoint(carol: User, archive: bytes) -> Checkpoint:
    """One to publish."""
    return a_checkpoint(a_run(carol, brought(carol, archive)), 100)


@pytest.fixture
def versions(carol: User, checkpoint: Checkpoint) -> list[Publication]:
    """Two versions of one generator, as their workers left them: the second one is offered to everybody."""
    made = []
    for shade in (0.25, 0.5):
        offer = Offer(direction="map2sat", name="town", title=f"Town {shade}")
        row = publication_request(checkpoint=checkpoint, by=carol, offer=offer)
        generator = generator_import(source=generator_file("town", shade=shade), publish=True)
        parity = {"largest": 0.5312, "mean": 0.0213, "tiles": 8, "list": "val"}
        Publication.objects.filter(pk=row.pk).update(
            state=JobState.SUCCEEDED, generator=generator, parity=parity
        )
        row.refresh_from_db()
        made.append(row)
    return made


def offer(clients: Clients, publication: Publication, state: str, **fields: Any) -> int:
    """Press the button."""
    address = f"{publication.get_absolute_url()}offer/"
    return clients["carol"].post(address, {"state": state, **fields}).status_code


def offered(clients: Clients, person: str = "alice") -> list[str]:
    """States and versions of what a person is offered."""
    found = clients[person].get("/api/v1/generators/").json()["results"]
    return [f"{each['state']} {each['version']}" for each in found]


def test_its_page_shows_parity_and_versions(clients: Clients, versions: list[Publication]) -> None:
    page = clients["carol"].get(versions[1].get_absolute_url())
    text = text_of(page)
    assert "at most 0.53 of 255 levels, 0.021 on average, on 8 validation tiles" in text
    assert [version.version for version, _ in page.context["versions"]] == [2, 1]
    assert text_of(clients["carol"].get(f"{versions[1].get_absolute_url()}status/")).count("version 2") == 1


def test_visibility_and_roll_back_at_once(clients: Clients, versions: list[Publication]) -> None:
    assert offered(clients) == ["published 2"]
    assert offer(clients, versions[1], "published", version="1") == 302  # roll back
    assert offered(clients) == ["published 1"]
    assert offer(clients, versions[1], "trial") == 302
    assert offered(clients, "carol") == ["published 1", "trial 2"]  # the default first
    assert offered(clients) == ["published 1"]
    assert offer(clients, versions[0], "retired") == 302
    assert offered(clients) == []
    for state, number in (("everybody", "1"), ("published", "9"), ("published", "x"), ("published", "-1")):
        assert offer(clients, versions[0], state, version=number) == 404
    run = TrainingRun.objects.get()
    assert [note.message.partition(":")[0] for note in run.notes.filter(kind="offer")] == [
        "Offered to everybody", "Offered to staff, on trial", "Retired",
    ]  # fmt: skip


def test_the_card_is_edited_in_place(clients: Clients, versions: list[Publication]) -> None:
    page = versions[1].get_absolute_url()
    assert clients["carol"].post(page, CARD).status_code == 302
    generator = Generator.objects.get(version=2)
    assert {name: getattr(generator, name) for name in CARD} == CARD
    text = text_of(clients["nobody"].get("/generators/"))
    for words in CARD.values():
        assert words in text
    answer = clients["nobody"].get(f"/api/v1/generators/{generator.pk}/").json()
    assert (answer["limits"], answer["attribution"]) == ("Not for hills.", "The town")
    for wrong in ({"title": ""}, {"title": "x" * 121}, {"limits": "x" * 4001}, {"attribution": "x" * 201}):
        assert clients["carol"].post(page, {**CARD, **wrong}).status_code == 422
    generator.refresh_from_db()
    assert generator.title == "Better town"


def test_the_card_can_be_edited_before_it_is_a_generator(
    clients: Clients, carol: User, checkpoint: Checkpoint
) -> None:
    row = publication_request(
        checkpoint=checkpoint, by=carol, offer=Offer(direction="map2sat", name="a", title="A")
    )
    assert clients["carol"].post(row.get_absolute_url(), CARD).status_code == 302
    row.refresh_from_db()
    assert row.limits == "Not for hills."
    assert offer(clients, row, "published") == 404
    assert clients["carol"].post(f"{row.get_absolute_url()}cancel/").status_code == 302
    row.refresh_from_db()
    assert row.state == JobState.CANCELLED
    clients["carol"].post(f"{row.get_absolute_url()}retry/")
    row.refresh_from_db()
    assert row.state == JobState.QUEUED


def test_a_name_has_one_direction(clients: Clients, carol: User, checkpoint: Checkpoint, db: None) -> None:
    generator_import(source=generator_file("other", direction="sat2map"))
    form = {"direction": "map2sat", "title": "T", "name": "other"}
    answer = clients["carol"].post(f"/training/checkpoints/{checkpoint.pk}/publish/", form)
    assert (answer.status_code, "of the other direction" in text_of(answer)) == (422, True)
    with pytest.raises(GeneratorRejected, match="other direction"):
        generator_import(source=generator_file("other", direction="map2sat"))


def test_both_directions_have_names_of_their_own() -> None:
    long = Offer(direction="both", name="x" * 64, title="T")
    made = both_directions(long, ["map2sat", "sat2map"])
    assert [(each.direction, each.name) for each in made] == [
        ("map2sat", "x" * 56 + "-map2sat"), ("sat2map", "x" * 56 + "-sat2map"),
    ]  # fmt: skip


def test_what_is_being_published_is_not_deleted(
    clients: Clients, carol: User, checkpoint: Checkpoint
) -> None:
    wanted = Offer(direction="map2sat", name="a", title="A")
    publication = publication_request(checkpoint=checkpoint, by=carol, offer=wanted)
    address = f"{checkpoint.run.get_absolute_url()}checkpoints/delete/"
    fields = {"checkpoint": str(checkpoint.pk)}
    assert "is being published" in text_of(clients["carol"].get(address, fields))
    assert "is being published" in text_of(clients["carol"].post(address, fields, follow=True))
    assert Checkpoint.objects.exists()
    Publication.objects.filter(pk=publication.pk).update(state=JobState.SUCCEEDED)
    clients["carol"].post(address, fields)
    assert not Checkpoint.objects.exists()
    publication.refresh_from_db()
    assert (
        clients["carol"].get(publication.get_absolute_url()).status_code == 200
    )  # it outlives its checkpoint
    assert clients["carol"].post(f"{publication.get_absolute_url()}retry/").status_code == 302


def test_the_newest_of_a_run_at_work_is_not_deleted(clients: Clients, carol: User, archive: bytes) -> None:
    run = a_run(carol, brought(carol, archive, name="B"), state=JobState.QUEUED)
    old, new = (a_checkpoint(run, step) for step in (10, 20))
    address = f"{run.get_absolute_url()}checkpoints/delete/"
    answer = clients["carol"].post(address, {"checkpoint": [str(old.pk), str(new.pk)]}, follow=True)
    assert "what the run goes on from" in text_of(answer)
    assert run.checkpoints.count() == 2
    clients["carol"].post(address, {"checkpoint": str(old.pk)})
    assert run.checkpoints.get() == new


def test_a_run_of_another_version_of_the_library(clients: Clients, checkpoint: Checkpoint) -> None:
    run, words = checkpoint.run, "does not know the settings of its run"
    TrainingRun.objects.filter(pk=run.pk).update(config={**run.config, "warp": 9})
    client, form = clients["carol"], {"direction": "map2sat", "title": "Town", "name": "town"}
    address = f"/training/checkpoints/{checkpoint.pk}/publish/"
    for page in (client.get(address, follow=True), client.post(address, form, follow=True)):
        assert page.redirect_chain == [(run.get_absolute_url(), 302)]
        assert words in text_of(page)
    for direction in ("map2sat", "both"):
        body = {**form, "direction": direction}
        answer = client.post(f"/api/v1/checkpoints/{checkpoint.pk}/publications/", body, "application/json")
        assert answer.status_code == 400
        assert words in answer.content.decode()
    assert not Publication.objects.exists()
