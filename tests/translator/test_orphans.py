"""The sweep: what no row names goes, what one names stays, and a wrong database costs nothing."""

from __future__ import annotations

import io
import os
import time
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command

from accounts.models import User
from tests.translator.factories import generator_file, picture, stored_files, submitted, translated
from translator.models import Generator, Translation
from translator.services import generator_import, orphans_sweep, translation_submit
from translator.services.orphans import HANDFUL, SHARE, _is_suspicious
from translator.storage import generator_key, translation_key

NOW = timedelta(0)


def leave(key: str) -> str:
    """An object without a row."""
    return default_storage.save(key, ContentFile(b"left"))


def test_only_what_no_row_names(alice: User, generator: Generator) -> None:
    done = translated(alice, generator)
    queued = translation_submit(owner=alice, generator=generator, data=picture())
    used = stored_files()
    leave(translation_key(done.pk, "result", "png", attempt=9))  # of an attempt that was killed
    leave(translation_key(Translation().pk, "original", "png"))  # of a row that never came
    leave(generator_key(Generator().pk, "generator", "onnx"))
    leave("translations/not-ours.tmp")
    leave("elsewhere/kept.txt")
    assert len(queued.storage_keys) == 2
    assert orphans_sweep(older_than=NOW) == 4
    assert stored_files() == used | {"elsewhere/kept.txt"}
    assert orphans_sweep(older_than=NOW) == 0


def test_what_is_young_may_get_its_row_yet(alice: User, generator: Generator) -> None:
    submitted(alice, generator)
    young, old = (leave(translation_key(Translation().pk, "original", "png")) for _ in range(2))
    two_hours_ago = time.time() - 7200
    os.utime(default_storage.path(old), (two_hours_ago, two_hours_ago))
    assert orphans_sweep() == 1
    assert default_storage.exists(young)


def test_an_empty_storage(db: None) -> None:
    assert orphans_sweep(older_than=NOW) == 0


def leave_originals(number: int) -> set[str]:
    return {leave(translation_key(Translation().pk, "original", "png")) for _ in range(number)}


@pytest.mark.parametrize("number", [1, 150])
def test_a_database_that_knows_nothing_of_the_objects(
    generator: Generator, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    keys = leave_originals(number)
    assert orphans_sweep() == 0  # young ones are nobody's fault
    assert not caplog.text
    assert orphans_sweep(older_than=NOW) == 0
    assert "another site's" in caplog.text
    assert "sweep_orphans --force" in caplog.text
    assert keys <= stored_files()
    assert orphans_sweep(older_than=NOW, force=True) == number


def test_a_bucket_that_another_site_shares(
    alice: User, generator: Generator, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(4):
        translated(alice, generator)
    keys = leave_originals(HANDFUL + 1)  # fewer than ours
    assert orphans_sweep(older_than=NOW) == 0
    assert f"{HANDFUL + 1} of {16 + HANDFUL + 1} objects" in caplog.text
    assert keys <= stored_files()


def test_a_handful_is_what_crashes_leave(alice: User, generator: Generator) -> None:
    submitted(alice, generator)
    leave_originals(HANDFUL)
    assert orphans_sweep(older_than=NOW) == HANDFUL


def test_how_many_are_too_many() -> None:
    many = 1000 * SHARE
    assert not _is_suspicious(many // SHARE, many)
    assert _is_suspicious(many // SHARE + 1, many)
    assert not _is_suspicious(0, 0)


def test_the_command(alice: User, generator: Generator) -> None:
    submitted(alice, generator)
    key = leave(translation_key(Translation().pk, "original", "png"))
    os.utime(default_storage.path(key), (0, 0))
    output = io.StringIO()
    call_command("sweep_orphans", stdout=output)
    assert output.getvalue() == "Removed: 1\n"
    assert not default_storage.exists(key)


def test_generators_keep_their_samples(db: None) -> None:
    generator_import(source=generator_file(), sample_input=picture())
    used = stored_files()
    assert len(used) == 2
    assert orphans_sweep(older_than=NOW) == 0
    assert stored_files() == used
