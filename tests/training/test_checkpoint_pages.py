"""Checkpoints on the pages: the table, what is done with chosen ones, side by side; staff only."""

from __future__ import annotations

import re
import uuid

import pytest
from django.http import HttpResponse

from accounts.models import User
from jobs.models import JobState
from tests.pages.helpers import text_of
from tests.training.conftest import Clients, brought
from tests.training.stored import GOOD, a_checkpoint, a_run
from training_jobs.models import Checkpoint, Evaluation, TimeLapse, TrainingRun
from training_jobs.services.evaluations import evaluations_request

pytestmark = pytest.mark.database


@pytest.fixture
def run(carol: User, archive: bytes) -> TrainingRun:
    """Three checkpoints; the second one is the best."""
    run = a_run(carol, brought(carol, archive))
    a_checkpoint(run, 100, {"map2sat": {**GOOD, "kid_random_cnn": 0.020}}, size=3_000)
    a_checkpoint(run, 200, {"map2sat": GOOD}, size=1_000)
    a_checkpoint(run, 300, {"map2sat": {**GOOD, "kid_random_cnn": 0.001, "psnr": 8.0}}, size=2_000)
    return run


def steps_of(answer: HttpResponse) -> list[int]:
    """In the order of the table."""
    return [int(step) for step in re.findall(r'id="step-(\d+)"', answer.content.decode())]


def the(run: TrainingRun, step: int) -> Checkpoint:
    """One of its checkpoints."""
    return run.checkpoints.get(step=step)


def test_the_table_marks_the_best_by_the_rule(clients: Clients, run: TrainingRun) -> None:
    page = clients["carol"].get(run.get_absolute_url())
    html = page.content.decode()
    assert steps_of(page) == [100, 200, 300]
    # step 300 has the lower KID, but its pictures are no nearer to their own targets than others are
    assert re.findall(r'class="is-best" id="step-(\d+)"', html) == ["200"]
    assert "Off place" in text_of(page)
    assert "20 held-out tiles, while it trained" in text_of(page)
    assert "KID (random CNN)" in text_of(page)
    assert "0.0100" in text_of(page)


@pytest.mark.parametrize(
    ("query", "steps"),
    [
        ("", [100, 200, 300]),
        ("sort=step&order=desc", [300, 200, 100]),
        ("sort=size", [200, 300, 100]),
        ("sort=map2sat.kid_random_cnn", [300, 200, 100]),
        ("sort=map2sat.rank", [200, 100, 300]),
        ("sort=map2sat.rank&order=desc", [300, 100, 200]),
        ("sort=nonsense&exam=nonsense", [100, 200, 300]),
    ],
)
def test_it_is_sorted_as_the_address_says(
    clients: Clients, run: TrainingRun, query: str, steps: list[int]
) -> None:
    for address in (run.get_absolute_url(), f"{run.get_absolute_url()}checkpoints/"):
        assert steps_of(clients["carol"].get(f"{address}?{query}")) == steps


def test_what_was_not_measured_comes_last(clients: Clients, run: TrainingRun) -> None:
    a_checkpoint(run, 50)
    for order in ("asc", "desc"):
        page = clients["carol"].get(f"{run.get_absolute_url()}?sort=map2sat.psnr&order={order}")
        assert steps_of(page)[-1] == 50


def test_the_fragment_is_silent_while_nothing_changes(clients: Clients, run: TrainingRun) -> None:
    address = f"{run.get_absolute_url()}checkpoints/"
    known = clients["carol"].get(address).context["known"]
    assert clients["carol"].get(f"{address}?known={known}").status_code == 204
    Checkpoint.objects.filter(step=200).update(pinned=True)
    assert clients["carol"].get(f"{address}?known={known}").status_code == 200


def test_pinned_and_no_longer(clients: Clients, run: TrainingRun) -> None:
    address = f"{run.get_absolute_url()}checkpoints/act/"
    chosen = [str(the(run, step).pk) for step in (100, 300)]
    clients["carol"].post(address, {"action": "pin", "checkpoint": chosen})
    assert [each.step for each in run.checkpoints.filter(pinned=True)] == [100, 300]
    assert "of it pinned" in text_of(clients["carol"].get(run.get_absolute_url()))
    clients["carol"].post(address, {"action": "unpin", "checkpoint": chosen[:1]})
    assert [each.step for each in run.checkpoints.filter(pinned=True)] == [300]
    assert run.notes.filter(kind="pin", by__username="carol").count() == 3


def test_chosen_ones_are_deleted_after_a_question(clients: Clients, run: TrainingRun) -> None:
    chosen = [str(the(run, step).pk) for step in (200, 300)]
    own = f"{run.get_absolute_url()}checkpoints/"
    page = clients["carol"].post(f"{own}act/", {"action": "delete", "checkpoint": chosen})
    assert "Delete 2 checkpoints?" in text_of(page)
    assert "it will go on from step 100" in text_of(page)
    assert f'action="{own}delete/"' in page.content.decode()
    assert run.checkpoints.count() == 3
    page = clients["carol"].post(f"{own}delete/", {"checkpoint": chosen}, follow=True)
    assert "2 checkpoints deleted, 2.9\xa0KB freed" in page.content.decode().replace("&nbsp;", "\xa0")
    assert [each.step for each in run.checkpoints.all()] == [100]
    page = clients["carol"].post(f"{own}delete/", {"checkpoint": chosen}, follow=True)  # a second press
    assert "not there any more" in text_of(page)


def test_a_hundred_chosen_fit_into_no_address(clients: Clients, run: TrainingRun) -> None:
    for step in range(1_000, 1_100):
        run.checkpoints.create(step=step, attempt=1, size_bytes=10, weights_sha256="0" * 64)
    chosen = [str(each.pk) for each in run.checkpoints.all()]
    act = f"{run.get_absolute_url()}checkpoints/act/"
    page = clients["carol"].post(act, {"action": "delete", "checkpoint": chosen}, follow=True)
    assert page.redirect_chain == []
    assert "Delete 103 checkpoints?" in text_of(page)
    assert page.content.decode().count('type="hidden" name="checkpoint"') == 103
    many = [*chosen, *(str(uuid.uuid4()) for _ in range(3_000))]  # a run that keeps all it has
    assert clients["carol"].post(act, {"action": "delete", "checkpoint": many}).status_code == 200
    answer = clients["carol"].post(act, {"action": "compare", "checkpoint": chosen})
    assert len(answer["Location"]) < 1_000
    page = clients["carol"].get(answer["Location"])
    assert "At most 6 are shown; the first ones of the 103 chosen" in text_of(page)
    assert [each.step for each in page.context["chosen"]] == [100, 200, 300, 1_000, 1_001, 1_002]


def test_nothing_chosen_is_said(clients: Clients, run: TrainingRun) -> None:
    for fields in ({"action": "delete"}, {"action": "pin", "checkpoint": ["nonsense", str(uuid.uuid4())]}):
        page = clients["carol"].post(f"{run.get_absolute_url()}checkpoints/act/", fields, follow=True)
        assert "Choose checkpoints first" in text_of(page)


def test_side_by_side_with_differences(clients: Clients, run: TrainingRun) -> None:
    chosen = [str(the(run, step).pk) for step in (100, 200)]
    act = f"{run.get_absolute_url()}checkpoints/act/"
    asked = clients["carol"].post(act, {"action": "compare", "checkpoint": chosen})
    page = clients["carol"].get(asked["Location"])
    text = text_of(page)
    assert page.status_code == 200
    assert "\N{MINUS SIGN}0.0100 better" in text
    assert "Better by the rule" in text
    assert page.content.decode().count("Made by step") == 2
    assert "Streets, step 300" in text  # what else could be put beside them


def test_side_by_side_across_runs_of_other_data(
    clients: Clients, carol: User, archive: bytes, run: TrainingRun
) -> None:
    other = a_checkpoint(a_run(carol, brought(carol, archive, name="Else")), 5, {"map2sat": GOOD})
    query = f"checkpoint={the(run, 100).pk}&checkpoint={other.pk}"
    page = clients["carol"].get(f"/training/checkpoints/compare/?{query}")
    assert "on other data are left out" in text_of(page)
    TrainingRun.objects.filter(pk=other.run_id).update(dataset_version=run.dataset_version)
    page = clients["carol"].get(f"/training/checkpoints/compare/?{query}")
    assert "left out" not in text_of(page)
    TrainingRun.objects.filter(pk=other.run_id).update(config={**run.config, "seed": 99})
    assert "hold out different tiles" in text_of(
        clients["carol"].get(f"/training/checkpoints/compare/?{query}")
    )


def test_runs_on_pictures_without_pairs_are_compared_without_targets(
    clients: Clients, carol: User, run: TrainingRun
) -> None:
    other = a_run(carol, run.dataset_version)
    a_checkpoint(other, 100, {"map2sat": GOOD})
    address = f"/training/runs/compare/?run={run.pk}&run={other.pk}"
    for names, figures in ((("input",), 3), (("input", "target"), 4)):
        TrainingRun.objects.update(files={f"{name}-map2sat": "key" for name in names})
        page = clients["carol"].get(address)
        assert page.content.decode().split('id="compared-samples"')[1].count("<figure>") == figures
        assert ("Wanted" in text_of(page)) == ("target" in names)


def test_evaluations_are_asked_for_and_shown(clients: Clients, run: TrainingRun) -> None:
    act = f"{run.get_absolute_url()}checkpoints/act/"
    page = clients["carol"].post(act, {"action": "evaluate-all", "tiles": "50"}, follow=True)
    assert "3 checkpoints will be evaluated" in text_of(page)
    assert "Waits to be evaluated" in text_of(page)
    again = clients["carol"].post(act, {"action": "evaluate-all", "tiles": "50"}, follow=True)
    assert "being evaluated on as many tiles already" in text_of(again)
    assert Evaluation.objects.count() == 3
    for tiles in ("-1", "x", "99999999"):
        clients["carol"].post(act, {"action": "evaluate-all", "tiles": tiles})
    assert Evaluation.objects.count() == 3
    stopped = clients["carol"].post(act, {"action": "stop"}, follow=True)
    assert "3 evaluations cancelled" in text_of(stopped)
    assert set(Evaluation.objects.values_list("state", flat=True)) == {JobState.CANCELLED}


def test_figures_of_an_evaluation_have_their_intervals(
    clients: Clients, carol: User, run: TrainingRun
) -> None:
    made = evaluations_request(checkpoints=list(run.checkpoints.all()), by=carol, tiles=50)
    for each, kid in zip(made, (0.5, 0.4, 0.3), strict=True):
        side = {
            "measures": {**GOOD, "kid_random_cnn": kid},
            "intervals": {"kid_random_cnn": [kid - 0.01, kid + 0.01]},
        }
        baselines = {"map2sat": {"input_copied": {"kid_random_cnn": 0.9}}}
        result = {"tiles": 50, "directions": {"map2sat": side}, "baselines": baselines}
        Evaluation.objects.filter(pk=each.pk).update(state=JobState.SUCCEEDED, result=result)
    page = clients["carol"].get(f"{run.get_absolute_url()}?exam=50")
    text = text_of(page)
    assert "50 held-out tiles, evaluated" in text
    assert "0.2900 to 0.3100" in text
    assert "The input as it is instead" in text
    assert re.findall(r'class="is-best" id="step-(\d+)"', page.content.decode()) == ["300"]
    chosen = "&".join(f"checkpoint={each.checkpoint_id}" for each in made[:2])
    assert "better, clearly" in text_of(
        clients["carol"].get(f"/training/checkpoints/compare/?{chosen}&exam=50")
    )


def test_retention_shows_what_would_go_and_asks(clients: Clients, run: TrainingRun) -> None:
    address = f"{run.get_absolute_url()}retention/"
    wanted = {"keep_checkpoints": "1", "keep_best": "1", "keep_every": "0"}
    page = clients["carol"].post(address, wanted)
    assert "1 checkpoint would be deleted now" in text_of(page)
    assert "step 100" in text_of(page)
    assert run.checkpoints.count() == 3
    page = clients["carol"].post(address, {**wanted, "confirmed": "1"}, follow=True)
    assert "1 checkpoint deleted" in text_of(page)
    assert [each.step for each in run.checkpoints.all()] == [200, 300]
    run.refresh_from_db()
    assert (run.config["keep_checkpoints"], run.config["keep_best"]) == (1, 1)
    for wrong in ({"keep_checkpoints": "-1"}, {"keep_best": "many"}, {"keep_every": ""}):
        answer = clients["carol"].post(address, {**wanted, **wrong, "confirmed": "1"})
        assert answer.status_code == 422
    assert run.checkpoints.count() == 2


def test_a_time_lapse_is_asked_for(clients: Clients, run: TrainingRun) -> None:
    address = f"{run.get_absolute_url()}timelapse/map2sat/"
    assert "Make a time-lapse" in text_of(clients["carol"].get(f"{address}status/"))
    clients["carol"].post(address)
    clients["carol"].post(address)  # twice is once
    assert TimeLapse.objects.get().state == JobState.QUEUED
    assert "Waiting for a worker" in text_of(clients["carol"].get(f"{address}status/"))
    assert clients["carol"].get(f"{address}file/").status_code == 404
    clients["carol"].post(address, {"stop": "1"})
    assert TimeLapse.objects.get().state == JobState.CANCELLED
    page = clients["carol"].post(f"{run.get_absolute_url()}timelapse/sat2map/", follow=True)
    assert "nothing to show yet" in text_of(page)


def test_every_address_meets_all_four_people(clients: Clients, carol: User, run: TrainingRun) -> None:
    own, checkpoint = run.get_absolute_url(), the(run, 100)
    evaluation = evaluations_request(checkpoints=[checkpoint], by=carol)[0]
    pages = [
        f"{own}checkpoints/",
        f"{own}checkpoints/delete/?checkpoint={checkpoint.pk}",
        f"{own}retention/",
        f"{own}timelapse/map2sat/status/",
        f"/training/checkpoints/compare/?checkpoint={checkpoint.pk}",
        f"/training/checkpoints/{checkpoint.pk}/thumbnail/map2sat/",
        f"/training/checkpoints/{checkpoint.pk}/publish/",
    ]
    for page in pages:
        for name, client in clients.items():
            assert client.get(page).status_code == (200 if name == "carol" else 404), (page, name)
    actions = [
        f"{own}checkpoints/act/",
        f"{own}checkpoints/delete/",
        f"{own}retention/",
        f"{own}timelapse/map2sat/",
        f"/training/evaluations/{evaluation.pk}/cancel/",
        f"/training/evaluations/{evaluation.pk}/retry/",
    ]
    fields = {"checkpoint": str(checkpoint.pk), "action": "pin", "keep_checkpoints": "1", "confirmed": "1"}
    for action in actions:
        for name in ("alice", "bob", "nobody"):
            assert clients[name].post(action, fields).status_code == 404, (action, name)
    assert (run.checkpoints.count(), run.checkpoints.filter(pinned=True).count()) == (3, 0)
    assert not TimeLapse.objects.exists()
    evaluation.refresh_from_db()
    assert evaluation.state == JobState.QUEUED


def test_what_does_not_exist(clients: Clients, run: TrainingRun) -> None:
    own, nothing = run.get_absolute_url(), uuid.uuid4()
    for address in (
        f"/training/runs/{nothing}/checkpoints/",
        f"/training/runs/{nothing}/retention/",
        "/training/checkpoints/compare/",
        f"/training/checkpoints/compare/?checkpoint={nothing}&checkpoint=x",
        f"/training/checkpoints/{nothing}/thumbnail/map2sat/",
        f"/training/checkpoints/{the(run, 100).pk}/thumbnail/sat2map/",
        f"{own}timelapse/sideways/status/",
    ):
        assert clients["carol"].get(address).status_code == 404, address
    chosen = {"action": "explode", "checkpoint": str(the(run, 100).pk)}
    assert clients["carol"].post(f"{own}checkpoints/act/", chosen).status_code == 404
    assert clients["carol"].post(f"/training/evaluations/{nothing}/cancel/").status_code == 404
