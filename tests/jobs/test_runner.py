"""Running an attempt: every way the work can end becomes a state."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.db import OperationalError

from jobs import lifecycle, runner
from jobs.errors import JobFailed, JobHeld, LeaseLost, WorkerStopping, WorthAnotherTry
from jobs.models import JobState
from jobs.runner import Attempt, Done, run_job
from jobs.selectors import queue_position
from jobs.services import job_cancel, job_hold, job_reconcile, job_release, job_retry
from storage.errors import StorageUnavailable
from tests.jobs.conftest import Chore
from tests.support.waiting import wait_until

pytestmark = pytest.mark.database


def run(chore: Chore, work: Callable[[Chore, Attempt], Done]) -> Chore:
    run_job(model=Chore, job_id=chore.pk, work=work)
    chore.refresh_from_db()
    return chore


def until_stopped(attempt: Attempt) -> None:
    """Work in small steps for at most five seconds, as a translation does between its windows."""
    for step in range(500):
        attempt.report(step / 500, "working")
        time.sleep(0.01)


def test_success_writes_fields_and_state_together(chore: Chore) -> None:
    run(chore, lambda job, attempt: Done({"result": f"by attempt {attempt.number}"}))
    assert (chore.state, chore.result, chore.progress) == (JobState.SUCCEEDED, "by attempt 1", 1.0)
    assert chore.finished_at is not None
    assert chore.lease_expires_at is None


def test_a_finished_job_is_not_worked_on_again(chore: Chore) -> None:
    run(chore, lambda job, attempt: Done({"result": "first"}))
    run(chore, lambda job, attempt: Done({"result": "second"}))
    assert (chore.result, chore.attempt) == ("first", 1)


def test_a_named_failure_keeps_its_message_and_details(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        raise JobFailed("bad_image", "The image is broken.", "chunk IDAT, offset 12")

    run(chore, work)
    assert (chore.state, chore.error_code) == (JobState.FAILED, "bad_image")
    assert chore.error_message == "The image is broken."
    assert chore.error_details == "chunk IDAT, offset 12"


def test_an_unexpected_error_gives_its_owner_no_inside(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        raise ZeroDivisionError("secret path /srv/x")

    run(chore, work)
    assert (chore.state, chore.error_code) == (JobState.FAILED, "internal")
    assert "secret" not in chore.error_message
    assert "ZeroDivisionError: secret path" in chore.error_details


def test_a_transient_error_waits_and_then_fails_at_the_cap(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        raise WorthAnotherTry("broke_off", "It broke off too often.", details="signal 9")

    run(chore, work)
    assert chore.state == JobState.QUEUED
    assert chore.not_before is not None
    Chore.objects.filter(pk=chore.pk).update(not_before=None, attempt=chore.max_attempts - 1)
    run(chore, work)
    assert (chore.state, chore.error_code) == (JobState.FAILED, "broke_off")
    assert chore.error_message == "It broke off too often."
    assert "signal 9" in chore.error_details


def test_work_that_came_further_has_its_attempts_again(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        lifecycle.write(Chore, job.pk, attempt.number, max_attempts=attempt.number + 5)
        raise WorthAnotherTry("broke_off", "It broke off too often.")

    for _ in range(7):
        run(chore, work)
        assert chore.state == JobState.QUEUED
        Chore.objects.filter(pk=chore.pk).update(not_before=None)


def test_a_database_that_is_away_is_waited_for_and_then_said(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        raise OperationalError("the connection is closed")

    Chore.objects.filter(pk=chore.pk).update(attempt=chore.max_attempts - 2)
    assert run(chore, work).state == JobState.QUEUED
    Chore.objects.filter(pk=chore.pk).update(not_before=None)
    run(chore, work)
    assert (chore.state, chore.error_code) == (JobState.FAILED, "unavailable")


def test_outages_are_counted_in_a_row_and_anew_when_a_person_tries_again(
    chore: Chore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "OUTAGES_LIMIT", 3)
    waits: list[int] = []
    monkeypatch.setattr(runner, "backoff", lambda failures: waits.append(failures) or 0.0)

    def work(job: Chore, attempt: Attempt) -> Done:
        raise StorageUnavailable

    for _ in range(2):
        for expected in (JobState.QUEUED, JobState.QUEUED, JobState.FAILED):
            assert run(chore, work).state == expected
        assert chore.error_code == "unavailable"
        assert job_retry(job=chore)
    assert waits == [1, 2, 1, 2]
    assert (chore.attempt, chore.outages) == (6, 0)


def test_failures_are_counted_anew_when_a_person_tries_again(
    chore: Chore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage in between is none of them."""
    waits: list[int] = []
    monkeypatch.setattr(runner, "backoff", lambda failures: waits.append(failures) or 0.0)
    errors: list[Exception] = []

    def work(job: Chore, attempt: Attempt) -> Done:
        raise errors.pop()

    broke_off = WorthAnotherTry("broke_off", "It broke off too often.")
    for _ in range(2):
        errors += [broke_off] * 3 + [StorageUnavailable()] + [broke_off] * 2
        while errors:
            run(chore, work)
        assert chore.state == JobState.FAILED
        assert job_retry(job=chore)
    assert waits == [1, 2, 1, 3, 4] * 2


def test_backoff_grows_and_is_capped() -> None:
    for attempt in range(1, 20):
        ceiling = min(2.0 * 2 ** (attempt - 1), 120.0)
        assert ceiling / 2 <= runner.backoff(attempt) <= ceiling


@pytest.mark.usefixtures("fast_jobs")
def test_the_heartbeat_shows_progress_and_renews_the_lease(chore: Chore) -> None:
    seen: list[Chore] = []

    def work(job: Chore, attempt: Attempt) -> Done:
        for step in range(30):  # 1.5 s, longer than the lease of 1 s
            attempt.report(step / 30, "step by step")
            time.sleep(0.05)
        seen.append(Chore.objects.get(pk=job.pk))
        return Done()

    run(chore, work)
    assert chore.state == JobState.SUCCEEDED
    assert seen[0].stage == "step by step"
    assert seen[0].progress > 0.5


@pytest.mark.usefixtures("fast_jobs")
def test_cancelling_stops_running_work(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        assert job_cancel(job=Chore.objects.get(pk=job.pk))
        until_stopped(attempt)
        return Done({"result": "never"})

    run(chore, work)
    assert (chore.state, chore.result) == (JobState.CANCELLED, "")


@pytest.mark.usefixtures("fast_jobs")
def test_a_worker_that_lost_its_lease_writes_nothing(chore: Chore, expire: Callable[[Chore], None]) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        expire(chore)
        assert lifecycle.claim(Chore, chore.pk, "thief")
        until_stopped(attempt)
        return Done({"result": "never"})

    run(chore, work)
    assert (chore.state, chore.worker, chore.attempt) == (JobState.RUNNING, "thief", 2)


def test_results_of_a_lost_attempt_are_discarded(chore: Chore, expire: Callable[[Chore], None]) -> None:
    discarded: list[str] = []

    def work(job: Chore, attempt: Attempt) -> Done:
        expire(chore)
        assert lifecycle.claim(Chore, chore.pk, "thief")
        return Done({"result": "stale"}, discard=lambda: discarded.append("stored object"))

    run(chore, work)
    assert discarded == ["stored object"]
    assert (chore.state, chore.result) == (JobState.RUNNING, "")


@pytest.mark.usefixtures("fast_jobs")
def test_work_stops_by_its_own_clock_when_no_heartbeat_gets_through(chore: Chore) -> None:
    attempt = Attempt(1)  # no heartbeat thread renews it
    time.sleep(1.1)
    with pytest.raises(LeaseLost):
        attempt.report(0.5)


@pytest.mark.usefixtures("stopping_worker")
def test_a_stopping_worker_gives_the_job_back_uncounted(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        runner.stop_running_jobs()
        until_stopped(attempt)
        return Done({"result": "never"})

    run(chore, work)
    assert (chore.state, chore.attempt, chore.max_attempts) == (JobState.QUEUED, 1, 6)
    run(chore, lambda job, attempt: Done({"result": "never"}))
    assert chore.state == JobState.QUEUED  # it claims no other


@pytest.mark.usefixtures("stopping_worker", "fast_jobs")
def test_a_worker_that_is_killed_while_it_stops_has_said_so(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        attempt.report(0.1, "Training")
        runner.stop_running_jobs()
        said = Chore.objects.filter(pk=job.pk, stage=runner.STOPPING)
        wait_until(said.exists, seconds=10, what="the stage")
        raise WorkerStopping

    assert run(chore, work).state == JobState.QUEUED


def test_an_exit_in_the_middle_gives_the_job_back(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        raise SystemExit(1)

    with pytest.raises(SystemExit):
        run(chore, work)
    chore.refresh_from_db()
    assert chore.state == JobState.QUEUED


def test_a_job_that_is_held_waits_until_it_is_released(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        attempt.stop(JobHeld)
        attempt.check()
        raise AssertionError

    run(chore, work)
    assert (chore.state, chore.is_held) == (JobState.QUEUED, True)
    assert queue_position(job=chore) is None
    job_reconcile(model=Chore)
    run(chore, lambda job, attempt: Done({"result": "too early"}))
    assert (chore.state, chore.attempt) == (JobState.QUEUED, 1)
    assert job_release(job=chore)
    assert not job_release(job=chore)
    assert queue_position(job=chore) == 1
    run(chore, lambda job, attempt: Done({"result": "done"}))
    assert (chore.state, chore.result) == (JobState.SUCCEEDED, "done")


def test_holding_costs_no_attempt(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        raise JobHeld

    for _ in range(chore.max_attempts + 2):
        run(chore, work)
        assert chore.is_held
        job_release(job=chore)
    job_reconcile(model=Chore)
    chore.refresh_from_db()
    assert chore.state == JobState.QUEUED


def test_a_queued_job_is_held_by_a_person_and_others_pass_it(chore: Chore) -> None:
    later = Chore.objects.create()
    assert job_hold(job=chore)
    assert queue_position(job=later) == 1
    assert job_cancel(job=chore)
    assert not job_hold(job=chore)


def test_held_and_cancelled_at_once_ends_cancelled(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        Chore.objects.filter(pk=job.pk).update(cancel_requested=True)
        raise JobHeld

    assert run(chore, work).state == JobState.CANCELLED


def test_a_job_writes_its_own_columns_while_it_owns_the_row(chore: Chore) -> None:
    def work(job: Chore, attempt: Attempt) -> Done:
        assert lifecycle.write(Chore, job.pk, attempt.number, result="half way")
        assert not lifecycle.write(Chore, job.pk, attempt.number - 1, result="a ghost")
        job.refresh_from_db()
        return Done({"result": f"{job.result}, done"})

    assert run(chore, work).result == "half way, done"
