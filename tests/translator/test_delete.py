"""Deleting takes the files along, in every state, and only once it is sure."""

from __future__ import annotations

import pytest
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from jobs import lifecycle
from jobs.runner import Attempt
from tests.translator.factories import run, stored_files, submitted, translated
from translator import worker
from translator.models import Generator, Leftover, Translation
from translator.services import leftovers, leftovers_remove, translation_delete


@pytest.mark.database
def test_files_go_with_the_commit(
    alice: User, generator: Generator, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    kept = stored_files()
    translation = translated(alice, generator)
    assert len(stored_files() - kept) == 4
    with django_capture_on_commit_callbacks(execute=True):
        translation_delete(translation=translation)
        assert len(stored_files() - kept) == 4
    assert stored_files() == kept
    assert not Translation.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_deletion_that_is_rolled_back_keeps_everything(alice: User, generator: Generator) -> None:
    translation = translated(alice, generator)
    files = stored_files()

    def delete_and_fail() -> None:
        with transaction.atomic():
            translation_delete(translation=translation)
            raise RuntimeError("something else went wrong")

    with pytest.raises(RuntimeError):
        delete_and_fail()
    assert stored_files() == files
    assert Translation.objects.exists()


def test_what_the_storage_does_not_delete_is_remembered(
    alice: User,
    generator: Generator,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    kept = stored_files()
    translation = translated(alice, generator)
    with monkeypatch.context() as patch, django_capture_on_commit_callbacks(execute=True):
        patch.setattr(leftovers, "remove", list)  # it is away: all of them are left
        translation_delete(translation=translation)
    assert set(Leftover.objects.values_list("key", flat=True)) == stored_files() - kept
    assert leftovers_remove() == 4
    assert stored_files() == kept


def test_twice(alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    same = Translation.objects.get()
    translation_delete(translation=translation)
    translation_delete(translation=same)


def test_a_queued_one_is_never_run(
    alice: User, generator: Generator, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    kept = stored_files()
    translation = submitted(alice, generator)
    with django_capture_on_commit_callbacks(execute=True):
        translation_delete(translation=Translation.objects.get())
    with pytest.raises(Translation.DoesNotExist):
        run(translation)
    assert stored_files() == kept


def test_a_running_one_discards_its_result(
    alice: User, generator: Generator, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    kept = stored_files()
    translation = submitted(alice, generator)
    claimed = lifecycle.claim(Translation, translation.pk, "a worker")
    assert claimed is not None
    done = worker.translate(claimed, Attempt(claimed.attempt))
    with django_capture_on_commit_callbacks(execute=True):
        translation_delete(translation=Translation.objects.get())
    assert len(stored_files() - kept) == 2  # what the worker stored meanwhile
    assert not lifecycle.succeed(Translation, claimed.pk, claimed.attempt, done.fields)
    done.discard()
    assert stored_files() == kept
