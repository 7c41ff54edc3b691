"""Submitting a picture: what is stored, and that nothing is left when it fails."""

from __future__ import annotations

import io
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import IntegrityError
from PIL import Image
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from jobs.models import JobState
from tests.support.broker import Broker, forget_connections
from tests.translator.factories import (
    at_once,
    encoded,
    generator_file,
    opened,
    picture,
    pixels,
    stored_files,
    submitted,
)
from translator.models import Generator, Translation
from translator.services import (
    StorageError,
    UploadRejected,
    generator_import,
    generator_retire,
)

GPS = 0x8825
ORIENTATION = 0x0112


def test_row_and_objects(alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator, data=picture(500, 300), filename="streets.png", seed=7)
    assert translation.state == JobState.QUEUED
    assert (translation.width, translation.height, translation.source_format) == (500, 300, "PNG")
    assert (translation.visibility, translation.seed) == ("private", 7)
    assert np.array_equal(opened(default_storage.open(translation.original).read()), pixels(500, 300))
    with Image.open(default_storage.open(translation.original_thumbnail)) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 192))


def test_keys_tell_nothing_and_differ(alice: User, generator: Generator) -> None:
    keys = [key for _ in range(2) for key in submitted(alice, generator, filename="secret.png").storage_keys]
    assert len(set(keys)) == 4
    for key in keys:
        assert re.fullmatch(r"translations/[0-9a-f]{2}/[0-9a-f]{32}-[a-z]+-[0-9a-f]{16}\.(png|webp)", key)


def test_metadata_is_gone_and_the_picture_upright(alice: User, generator: Generator) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # the camera was turned: a quarter turn clockwise shows it upright
    exif.get_ifd(GPS)[1] = "N"
    rgb = pixels(40, 20)
    translation = submitted(alice, generator, data=encoded(rgb, "PNG", exif=exif))
    assert (translation.width, translation.height) == (20, 40)
    for key in translation.storage_keys:
        with Image.open(default_storage.open(key)) as stored:
            assert not stored.getexif()
            assert not set(stored.info) & {"exif", "icc_profile", "xmp", "XML:com.adobe.xmp"}
    assert np.array_equal(opened(default_storage.open(translation.original).read()), np.rot90(rgb, -1))


def test_the_id_goes_to_the_broker_after_the_commit(
    alice: User,
    generator: Generator,
    broker: Broker,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        translation = submitted(alice, generator)
        assert broker.queued("translate") == 0
    assert broker.queued("translate") == 1
    translation.refresh_from_db()
    assert translation.published_at is not None


def test_broker_down_keeps_the_job(
    alice: User, generator: Generator, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        translation = submitted(alice, generator)
    translation.refresh_from_db()
    assert (translation.state, translation.published_at) == (JobState.QUEUED, None)
    assert default_storage.exists(translation.original)


class Unreadable(io.BytesIO):
    """Fails the test when somebody reads it."""

    def read(self, size: int | None = -1) -> bytes:
        raise AssertionError("the bytes were read before they were counted")


def test_a_file_too_large_is_refused_unread(alice: User, generator: Generator, settings: Settings) -> None:
    settings.TRANSLATION_MAX_BYTES = 1000
    upload = File(Unreadable(), name="large.png")
    upload.size = 1001
    with pytest.raises(UploadRejected) as refused:
        submitted(alice, generator, data=upload)
    assert refused.value.code == "too_large"


def test_a_stream_is_read_no_further_than_the_limit(
    alice: User, generator: Generator, settings: Settings
) -> None:
    settings.TRANSLATION_MAX_BYTES = 1000
    stream = io.BytesIO(b"x" * 1_000_000)
    with pytest.raises(UploadRejected):
        submitted(alice, generator, data=stream)
    assert stream.tell() == 1001


@pytest.mark.parametrize("state", ["retired", "trial"])
def test_only_generators_on_offer(alice: User, carol: User, state: str) -> None:
    generator = generator_import(source=generator_file("other"))
    if state == "retired":
        generator_retire(generator=generator)
    with pytest.raises(UploadRejected) as refused:
        submitted(alice, generator)
    assert (refused.value.code, refused.value.field) == ("does_not_exist", "generator")
    if state == "trial":
        assert submitted(carol, generator).pk  # staff try it


def test_unknown_visibility(alice: User, generator: Generator) -> None:
    with pytest.raises(UploadRejected) as refused:
        submitted(alice, generator, visibility="friends")
    assert refused.value.field == "visibility"


def test_the_same_idempotency_key_is_the_same_translation(
    alice: User, bob: User, generator: Generator
) -> None:
    first = submitted(alice, generator, idempotency_key="k1")
    files = stored_files()
    assert submitted(alice, generator, idempotency_key="k1") == first
    assert stored_files() == files
    assert submitted(alice, generator, idempotency_key="k2") != first
    assert submitted(bob, generator, idempotency_key="k1") != first


def test_a_repetition_is_answered_after_the_generator_retired(alice: User, generator: Generator) -> None:
    first = submitted(alice, generator, idempotency_key="k1")
    generator_retire(generator=generator)
    assert submitted(alice, generator, idempotency_key="k1") == first


@pytest.mark.database
@pytest.mark.parametrize(
    "other", [{"data": picture(seed=1)}, {"visibility": "public"}, {"seed": 5}, "generator"]
)
def test_a_key_is_for_one_request(alice: User, generator: Generator, other: dict[str, Any] | str) -> None:
    submitted(alice, generator, idempotency_key="k1")
    files = stored_files()
    if isinstance(other, str):
        generator, other = generator_import(source=generator_file("other"), publish=True), {}
        files = stored_files()
    with pytest.raises(UploadRejected) as refused:
        submitted(alice, generator, idempotency_key="k1", **other)
    assert (refused.value.code, refused.value.field) == ("idempotency_key_reused", "Idempotency-Key")
    assert stored_files() == files
    assert Translation.objects.count() == 1


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_the_same_request_many_times_at_once(alice: User, generator: Generator) -> None:
    files = stored_files()
    rows = at_once(4, lambda _: submitted(alice, generator, idempotency_key="k1"))
    assert Translation.objects.count() == 1
    assert {row.pk for row in rows} == {Translation.objects.get().pk}
    assert stored_files() - files == set(Translation.objects.get().storage_keys)


# --- Failures leave nothing ------------------------------------------------------------------------------


@pytest.mark.database
def test_refused_row_leaves_no_objects(alice: User, generator: Generator) -> None:
    files = stored_files()
    with pytest.raises(IntegrityError):
        submitted(alice, generator, seed=-1)  # a check constraint of the column
    assert stored_files() == files


def test_storage_that_is_no_folder(alice: User, generator: Generator, settings: Settings) -> None:
    media = Path(settings.MEDIA_ROOT)
    media.rename(media.with_name("away"))
    media.write_text("a file where the folder should be")
    with pytest.raises(StorageError) as failed:
        submitted(alice, generator)
    assert str(media) not in str(failed.value)
    assert not Translation.objects.exists()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel lets this process write no file beyond ``size`` bytes: a disk that fills up mid-way."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_keeps_no_half_file(alice: User, generator: Generator) -> None:
    files = stored_files()
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    with largest_file(60_000), pytest.raises(StorageError):
        submitted(alice, generator, data=encoded(noise))
    assert stored_files() == files
    assert not Translation.objects.exists()


def test_a_failing_publish_does_not_remove_what_was_committed(
    alice: User, generator: Generator, settings: Settings, transactional_db: None
) -> None:
    """After the commit the objects belong to the row, whatever a later callback raises."""
    from celery import current_app

    settings_url = current_app.conf.broker_url
    current_app.conf.broker_url = "nonsense://"  # kombu raises KeyError, which nobody expects
    forget_connections()
    try:
        with pytest.raises(Exception, match="nonsense"):
            submitted(alice, generator)
    finally:
        current_app.conf.broker_url = settings_url
        forget_connections()
    translation = Translation.objects.get()
    assert set(translation.storage_keys) <= stored_files()
