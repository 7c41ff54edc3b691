"""Objects of rows that are gone: a few go at once, many by and by, and none is forgotten."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from tests.translator.factories import stored_files
from translator.models import Generator, Leftover, Translation
from translator.services import leftovers, leftovers_remove, objects_release, orphans_sweep
from translator.services.orphans import HANDFUL
from translator.storage import translation_key

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def stored(count: int) -> list[str]:
    """Objects, and their keys."""
    keys = [translation_key(Translation().pk, "original", "png") for _ in range(count)]
    for key in keys:
        default_storage.save(key, ContentFile(b"x"))
    return keys


def test_a_few_go_when_the_transaction_holds() -> None:
    keys = stored(3)
    with transaction.atomic():
        objects_release(keys=[*keys, *keys])
        assert stored_files() == set(keys)
    assert stored_files() == set()
    assert not Leftover.objects.exists()
    objects_release(keys=[])


def test_nothing_goes_when_it_does_not_hold() -> None:
    keys = stored(2)
    with transaction.atomic():
        objects_release(keys=keys)
        transaction.set_rollback(True)
    assert leftovers_remove() == 0
    assert stored_files() == set(keys)


def test_many_are_left_to_the_maintenance_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "AT_ONCE", 10)
    monkeypatch.setattr(leftovers, "BATCH", 4)
    keys = stored(25)
    with transaction.atomic():  # as a sweep with its runs
        for start in range(0, 25, 5):
            objects_release(keys=keys[start : start + 5])
    assert len(stored_files()) == 15
    assert leftovers_remove() == 15
    assert stored_files() == set()
    assert leftovers_remove() == 0


def test_killed_between_the_rows_and_the_objects(
    generator: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than the sweep would take for what crashes leave."""
    used = stored_files()
    keys = stored(2 * HANDFUL)
    with monkeypatch.context() as patch:
        patch.setattr(leftovers, "_remove", lambda rows: 0)
        objects_release(keys=keys)
    assert stored_files() == used | set(keys)
    orphans_sweep(older_than=timedelta(0))
    assert stored_files() == used
