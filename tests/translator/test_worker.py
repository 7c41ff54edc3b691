"""The worker: right pixels, the row's columns, and every way in which an attempt can end."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import default_storage
from PIL import Image
from pytest_django import Settings

from accounts.models import User
from jobs import lifecycle
from jobs.errors import JobCancelled, LeaseLost
from jobs.models import JobState
from jobs.runner import Attempt
from tests.translator.factories import (
    generator_file,
    opened,
    picture,
    pixels,
    published,
    run,
    stored_files,
    submitted,
    translated,
)
from translator import worker
from translator.models import Generator, Translation
from translator.services import generator_import
from translator.storage import StorageUnavailable


def result_of(translation: Translation) -> np.ndarray:
    return opened(default_storage.open(translation.result).read())


@pytest.mark.parametrize("size", [(256, 256), (48, 32), (301, 257), (600, 600), (16, 900)])
def test_a_negative_of_the_same_size(alice: User, generator: Generator, size: tuple[int, int]) -> None:
    translation = translated(alice, generator, data=picture(*size))
    assert translation.state == JobState.SUCCEEDED, translation.error_details
    assert np.array_equal(result_of(translation), 255 - pixels(*size))


def test_the_row_says_what_happened(alice: User, generator: Generator) -> None:
    translation = translated(alice, generator, data=picture(500, 300))
    assert (translation.progress, translation.stage, translation.attempt) == (1.0, "", 1)
    assert translation.result_bytes == default_storage.size(translation.result)
    for seconds in (translation.seconds_decode, translation.seconds_model, translation.seconds_store):
        assert seconds is not None
        assert 0 < seconds < 60
    assert "-a1-result-" in translation.result
    with Image.open(default_storage.open(translation.result)) as result:
        assert (result.format, result.info) == ("PNG", {})
    with Image.open(default_storage.open(translation.result_thumbnail)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 192))


def test_a_limit_lowered_later_does_not_stop_what_was_accepted(
    alice: User, generator: Generator, settings: Settings
) -> None:
    translation = submitted(alice, generator)
    settings.TRANSLATION_MAX_BYTES = settings.TRANSLATION_MAX_PIXELS = 10
    assert run(translation).state == JobState.SUCCEEDED


def test_noise_repeats_with_its_seed(alice: User) -> None:
    noisy = published("noisy", noise=True)
    first, same, other = (
        result_of(translated(alice, noisy, data=picture(256, 256), seed=seed)) for seed in (5, 5, 6)
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


# --- What can be missing or broken -----------------------------------------------------------------------


def assert_failed(translation: Translation, code: str) -> None:
    assert (translation.state, translation.error_code) == (JobState.FAILED, code), translation.error_details
    assert "translations/" not in translation.error_message
    assert "generators/" not in translation.error_message
    assert not translation.result


def test_no_original(alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    default_storage.delete(translation.original)
    assert_failed(run(translation), "original_missing")


def test_a_damaged_original(alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    path = Path(default_storage.path(translation.original))
    path.write_bytes(path.read_bytes()[:-40])
    assert_failed(run(translation), "original_damaged")


def test_no_generator_file(alice: User, generator: Generator) -> None:
    default_storage.delete(generator.file)
    assert_failed(translated(alice, generator), "generator_missing")


def test_a_damaged_generator_file(alice: User, generator: Generator) -> None:
    path = Path(default_storage.path(generator.file))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert_failed(translated(alice, generator), "generator_damaged")


def test_a_generator_that_is_not_what_its_card_says(alice: User) -> None:
    false = generator_import(source=generator_file("false", hash_of="1" * 64), publish=True)
    assert_failed(translated(alice, false), "generator_unusable")


def test_a_copy_that_rotted_in_the_cache_is_fetched_again(alice: User, generator: Generator) -> None:
    copy = worker.local_file(generator)
    copy.write_bytes(b"rotten")
    assert translated(alice, generator).state == JobState.SUCCEEDED
    assert copy.stat().st_size == generator.size_bytes


def test_the_cache_needs_no_storage(alice: User, generator: Generator) -> None:
    worker.local_file(generator)
    default_storage.delete(generator.file)
    assert translated(alice, generator).state == JobState.SUCCEEDED


def test_a_storage_that_is_away_means_another_attempt(
    alice: User, generator: Generator, settings: Settings
) -> None:
    translation = submitted(alice, generator)
    media = Path(settings.MEDIA_ROOT)
    away = media.rename(media.with_name("away"))
    media.write_text("")
    run(translation)
    assert (translation.state, translation.attempt) == (JobState.QUEUED, 1)
    assert translation.not_before is not None
    assert "StorageUnavailable" in translation.error_details
    media.unlink()
    away.rename(media)
    Translation.objects.update(not_before=None)
    assert run(translation).state == JobState.SUCCEEDED


# --- Loaded generators -----------------------------------------------------------------------------------


def test_loaded_once_and_the_oldest_goes(settings: Settings, db: None) -> None:
    settings.TRANSLATOR_LOADED_GENERATORS = 2
    first, second, third = (published(name) for name in ("one", "two", "three"))
    loaded = worker.networks.get(first)
    worker.networks.get(second)
    assert worker.networks.get(first) is loaded
    worker.networks.get(third)  # makes room by forgetting the second
    assert worker.networks.get(first) is loaded


def test_the_folder_keeps_a_bounded_number_of_files(settings: Settings, db: None) -> None:
    folder = Path(settings.TRANSLATOR_CACHE_DIR)
    folder.mkdir()
    for number in range(worker.KEPT_FILES + 3):
        (folder / f"{number}.onnx").write_bytes(b"")
    newest = worker.local_file(published())
    assert newest in folder.iterdir()
    assert len(list(folder.iterdir())) == worker.KEPT_FILES


def test_a_disk_that_is_full_does_not_stay_full_of_halves(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, db: None
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    generator = published()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(StorageUnavailable):
            worker.local_file(generator)
    assert list(Path(settings.TRANSLATOR_CACHE_DIR).iterdir()) == []
    assert worker.local_file(generator).exists()


def test_files_that_others_write_take_no_place_and_those_of_killed_ones_go(
    settings: Settings, db: None
) -> None:
    folder = Path(settings.TRANSLATOR_CACHE_DIR)
    folder.mkdir()
    for number in range(worker.KEPT_FILES - 1):
        (folder / f"{number}.onnx").write_bytes(b"")
        (folder / f"{number}.part").write_bytes(b"")
    os.utime(folder / "0.part", (1, 1))
    os.utime(folder / "0.onnx", (1, 1))  # used longest ago, and there is room for it
    worker.local_file(published())
    assert (folder / "0.onnx").exists()
    assert not (folder / "0.part").exists()
    assert (folder / "1.part").exists()


def test_a_file_that_another_worker_removes_meanwhile(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, db: None
) -> None:
    folder = Path(settings.TRANSLATOR_CACHE_DIR)
    folder.mkdir()
    there = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda path: iter([*there(path), path / "gone.onnx"]))
    assert worker.local_file(published()).exists()


def test_preloading_draws_missing_samples(db: None) -> None:
    sample = pixels(40, 40)
    generator = generator_import(source=generator_file(), publish=True, sample_input=picture(40, 40))
    broken = generator_import(source=generator_file("broken"), sample_input=picture(40, 40))
    default_storage.delete(broken.file)
    worker.preload()
    generator.refresh_from_db()
    broken.refresh_from_db()
    assert np.array_equal(opened(default_storage.open(generator.sample_output).read()), 255 - sample)
    assert broken.sample_output == ""


# --- Attempts --------------------------------------------------------------------------------------------


@pytest.mark.database
def test_a_worker_that_lost_its_lease_leaves_nothing(alice: User, generator: Generator) -> None:
    """The second attempt wins; what the first stored late is discarded when its UPDATE is refused."""
    translation = submitted(alice, generator)
    slow = lifecycle.claim(Translation, translation.pk, "slow")
    assert slow is not None
    Translation.objects.update(lease_expires_at="2020-01-01T00:00:00Z")
    run(translation)
    assert (translation.state, translation.attempt) == (JobState.SUCCEEDED, 2)
    files = stored_files()
    late = worker.translate(slow, Attempt(1))
    assert not lifecycle.succeed(Translation, translation.pk, 1, late.fields)
    late.discard()
    assert stored_files() == files
    assert {translation.result, translation.result_thumbnail} <= files


def test_a_new_attempt_removes_what_killed_ones_left(alice: User, generator: Generator) -> None:
    translation, other = submitted(alice, generator), submitted(alice, generator)
    killed = lifecycle.claim(Translation, translation.pk, "killed")
    assert killed is not None
    left = worker.translate(killed, Attempt(1)).fields
    anothers = worker.translate(other, Attempt(1)).fields
    Translation.objects.filter(pk=translation.pk).update(lease_expires_at="2020-01-01T00:00:00Z")
    run(translation)
    assert not default_storage.exists(left["result"])
    assert not default_storage.exists(left["result_thumbnail"])
    assert default_storage.exists(anothers["result"])
    assert {translation.original, translation.result} <= stored_files()


@pytest.mark.parametrize("reason", [JobCancelled, LeaseLost])
def test_told_to_stop_it_stores_nothing(
    alice: User, generator: Generator, reason: type[JobCancelled | LeaseLost]
) -> None:
    translation = submitted(alice, generator, data=picture(900, 900))
    files = stored_files()
    attempt = Attempt(1)
    reported: list[float] = []

    class Watched(Attempt):
        def report(self, progress: float, stage: str | None = None) -> None:
            reported.append(progress)
            if progress > 0.3:
                self.stop(reason)
            super().report(progress, stage)

    attempt = Watched(1)
    with pytest.raises(reason):
        worker.translate(translation, attempt)
    assert reported == sorted(reported)
    assert reported[-1] < 0.9  # in the middle of the windows, not at their end
    assert stored_files() == files
