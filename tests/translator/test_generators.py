"""Generators come in as files: versions, samples, refusals, and the ones that come with the code."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import User
from jobs.models import JobState
from tests.support.broker import Broker
from tests.translator.factories import (
    at_once,
    generator_file,
    opened,
    picture,
    pixels,
    run,
    stored_files,
    submitted,
)
from translator import tasks
from translator.models import Generator, GeneratorState
from translator.services import (
    GeneratorRejected,
    generator_import,
    generator_make_default,
    generator_publish,
    generator_retire,
    generator_set_state,
)
from translator.storage import Stash


@pytest.mark.database
def test_an_import(db: None) -> None:
    content = generator_file("roads", title="Roads", direction="sat2map")
    generator = generator_import(source=content, description="Draws roads.")
    generator.refresh_from_db()
    assert (generator.name, generator.version, generator.title) == ("roads", 1, "Roads")
    assert (generator.direction, generator.state, generator.description) == (
        "sat2map",
        "trial",
        "Draws roads.",
    )
    assert (generator.card["architecture"], generator.size_bytes) == ("unet_256", len(content))
    assert default_storage.open(generator.file).read() == content


@pytest.mark.database
def test_the_words_of_the_card_are_taken_where_none_are_given(db: None) -> None:
    """A file brings its own description and limits; whoever imports it may say something else."""
    card = {"description": "Draws roads.", "limits": "No motorways."}
    generator = generator_import(source=generator_file("roads", **card))
    assert (generator.description, generator.limits) == ("Draws roads.", "No motorways.")
    other = generator_import(source=generator_file("lanes", **card), limits="No lanes.")
    assert (other.description, other.limits) == ("Draws roads.", "No lanes.")


@pytest.mark.database
def test_the_same_file_is_the_same_row_and_other_weights_are_the_next_version(db: None) -> None:
    first = generator_import(source=generator_file(), publish=True)
    files = stored_files()
    assert generator_import(source=generator_file(), publish=True) == first
    assert stored_files() == files
    second = generator_import(source=generator_file(shade=0.5), publish=True)
    first.refresh_from_db()
    assert (second.version, second.state, first.state) == (2, "published", "retired")
    other = generator_import(source=generator_file("other"), publish=True)
    second.refresh_from_db()
    assert (other.version, second.state) == (1, "published")


def test_what_staff_retired_stays_retired(db: None) -> None:
    generator = generator_import(source=generator_file(), publish=True)
    generator_retire(generator=generator)
    assert generator_import(source=generator_file(), publish=True).state == "retired"


def test_a_retired_one_finishes_what_it_was_asked(alice: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    generator_publish(generator=generator_import(source=generator_file(shade=0.5)))
    generator.refresh_from_db()
    assert generator.state == "retired"
    assert run(translation).state == JobState.SUCCEEDED


@pytest.mark.parametrize("content", [b"", b"not a generator", generator_file()[:200], picture()])
def test_what_is_no_generator(content: bytes, db: None) -> None:
    with pytest.raises(GeneratorRejected):
        generator_import(source=content)
    assert not Generator.objects.exists()
    assert not stored_files()


def test_a_sample_that_is_no_picture(db: None) -> None:
    with pytest.raises(GeneratorRejected, match="sample"):
        generator_import(source=generator_file(), sample_input=b"no picture")
    assert not stored_files()


def test_the_sample_is_drawn_by_a_worker(
    broker: Broker, db: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        generator = generator_import(source=generator_file(), sample_input=picture(40, 40))
    assert broker.queued("translate") == 1
    tasks.draw_sample(str(generator.pk))
    generator.refresh_from_db()
    drawn = generator.sample_output
    assert np.array_equal(opened(default_storage.open(drawn).read()), 255 - pixels(40, 40))
    tasks.draw_sample(str(generator.pk))  # a second message changes nothing
    generator.refresh_from_db()
    assert generator.sample_output == drawn
    tasks.draw_sample("00000000-0000-0000-0000-000000000000")


def test_without_a_broker_it_is_imported_all_the_same(
    db: None, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        assert generator_import(source=generator_file(), sample_input=picture()).pk


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_the_same_file_many_times_at_once() -> None:
    rows = at_once(4, lambda _: generator_import(source=generator_file(), publish=True))
    row = Generator.objects.get()
    assert {each.pk for each in rows} == {row.pk}
    assert (row.version, row.state) == (1, "published")
    assert stored_files() == {row.file}


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_versions_of_one_name_at_once() -> None:
    files = [generator_file(shade=shade) for shade in (0.2, 0.4, 0.6, 0.8)]
    at_once(4, lambda index: generator_import(source=files[index], publish=True))
    assert sorted(Generator.objects.values_list("version", flat=True)) == [1, 2, 3, 4]
    assert Generator.objects.filter(state="published").count() == 1
    assert stored_files() == set(Generator.objects.values_list("file", flat=True))


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_both_directions_under_one_name_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them find the name free before the first of them takes it."""
    files = [
        generator_file(shade=shade, direction=direction)
        for shade in (0.2, 0.4)
        for direction in ("map2sat", "sat2map")
    ]
    together = threading.Barrier(len(files), timeout=30)
    store = Stash.save

    def wait(stash: Stash, *arguments: Any) -> str:
        together.wait()
        return store(stash, *arguments)

    monkeypatch.setattr(Stash, "save", wait)

    def bring(index: int) -> bool:
        try:
            generator_import(source=files[index])
        except GeneratorRejected:
            return False
        return True

    assert sum(at_once(len(files), bring)) == 2
    assert len(set(Generator.objects.values_list("direction", flat=True))) == 1
    assert stored_files() == set(Generator.objects.values_list("file", flat=True))


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_publishing_several_versions_at_once_leaves_one() -> None:
    rows = [generator_import(source=generator_file(shade=shade)) for shade in (0.2, 0.4, 0.6, 0.8)]
    for _ in range(3):
        at_once(4, lambda index: generator_publish(generator=rows[index]))
        assert Generator.objects.filter(state="published").count() == 1


def defaults() -> dict[str, str]:
    """Direction to the default's name and version."""
    return {row.direction: f"{row.name} {row.version}" for row in Generator.objects.filter(is_default=True)}


@pytest.mark.database
def test_the_default_of_a_direction(carol: User) -> None:
    """The first published; a newer version takes it over; when it goes, the next in the list does."""
    trial = generator_import(source=generator_file("trial"))
    assert defaults() == {}
    first = generator_import(source=generator_file("m"), publish=True)
    second = generator_import(source=generator_file("b", shade=0.9), publish=True)
    generator_import(source=generator_file("z", direction="sat2map"), publish=True)
    assert defaults() == {"map2sat": "m 1", "sat2map": "z 1"}
    assert first.is_default
    newer = generator_import(source=generator_file("m", shade=0.5), publish=True)
    assert defaults()["map2sat"] == "m 2"
    with pytest.raises(GeneratorRejected, match="not published"):
        generator_make_default(generator=trial, by=carol)
    generator_make_default(generator=second, by=carol)
    generator_publish(generator=first)  # back to an earlier version of another one
    assert defaults()["map2sat"] == "b 1"
    generator_retire(generator=second)
    assert defaults()["map2sat"] == "m 1"
    generator_retire(generator=newer)  # not the default: nothing moves
    assert defaults()["map2sat"] == "m 1"
    generator_set_state(generator=first, state=GeneratorState.TRIAL)
    assert defaults() == {"sat2map": "z 1"}
    generator_publish(generator=trial)
    assert defaults()["map2sat"] == "trial 1"


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_many_published_at_once_have_one_default(carol: User) -> None:
    rows = [generator_import(source=generator_file(f"g{index}", shade=0.1 + index / 8)) for index in range(4)]
    at_once(4, lambda index: generator_publish(generator=rows[index]))
    assert Generator.objects.filter(is_default=True).count() == 1
    for _ in range(2):
        at_once(4, lambda index: generator_make_default(generator=rows[index], by=carol))
        assert Generator.objects.filter(is_default=True).count() == 1


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_many_imported_to_be_published_at_once() -> None:
    """Several machines start for the first time; each takes its own for the first until another commits."""
    files = [generator_file(f"g{index}", shade=0.1 + index / 8) for index in range(4)]
    at_once(8, lambda index: generator_import(source=files[index % 4], publish=True, publish_known=False))
    assert list(Generator.objects.values_list("state", flat=True)) == ["published"] * 4
    assert Generator.objects.filter(is_default=True).count() == 1
    assert stored_files() == set(Generator.objects.values_list("file", flat=True))


# --- Commands --------------------------------------------------------------------------------------------


def said(*command: str, **options: object) -> str:
    output = io.StringIO()
    call_command(*command, stdout=output, **options)
    return output.getvalue()


def test_generator_import(tmp_path: Path, db: None) -> None:
    file, sample = tmp_path / "a.onnx", tmp_path / "a.png"
    file.write_bytes(generator_file())
    sample.write_bytes(picture())
    output = said("generator_import", str(file), "--publish", "--sample-input", str(sample))
    generator = Generator.objects.get()
    assert str(generator.pk) in output
    assert (generator.state, generator.sample_input != "") == ("published", True)


def test_generator_import_of_nothing(tmp_path: Path, db: None) -> None:
    with pytest.raises(CommandError):
        said("generator_import", str(tmp_path / "missing.onnx"))


@pytest.fixture
def folders(settings: Settings, tmp_path: Path) -> Path:
    """Empty folders for bundled generators and samples; returns the generators'."""
    settings.GENERATORS_DIR, settings.SAMPLES_DIR = tmp_path / "generators", tmp_path / "samples"
    settings.GENERATORS_DIR.mkdir()
    (settings.SAMPLES_DIR / "satellite").mkdir(parents=True)
    return settings.GENERATORS_DIR


def test_load_bundled(folders: Path, settings: Settings, db: None) -> None:
    (folders / "a.onnx").write_bytes(generator_file("a"))
    (folders / "b.onnx").write_bytes(generator_file("b", direction="sat2map"))
    (settings.SAMPLES_DIR / "streets.png").write_bytes(picture(40, 40, seed=1))
    (settings.SAMPLES_DIR / "satellite" / "roofs.png").write_bytes(picture(40, 40, seed=2))
    said("load_bundled")
    files = stored_files()
    said("load_bundled")
    assert stored_files() == files
    a, b = Generator.objects.order_by("name")
    assert (a.state, b.state) == ("published", "published")
    for generator, seed in ((a, 1), (b, 2)):
        sample = opened(default_storage.open(generator.sample_input).read())
        assert np.array_equal(sample, pixels(40, 40, seed=seed))


def test_load_bundled_takes_a_newer_file(folders: Path, db: None) -> None:
    (folders / "a.onnx").write_bytes(generator_file("a"))
    said("load_bundled")
    (folders / "a.onnx").write_bytes(generator_file("a", shade=0.5))
    said("load_bundled")
    assert list(Generator.objects.values_list("version", "state")) == [(2, "published"), (1, "retired")]


@pytest.mark.database
def test_load_bundled_leaves_what_staff_chose(folders: Path, db: None) -> None:
    """It runs before every start, so whatever it published again would come back with each."""
    (folders / "a.onnx").write_bytes(generator_file("a"))
    said("load_bundled")
    for state in (GeneratorState.TRIAL, GeneratorState.RETIRED):
        generator_set_state(generator=Generator.objects.get(), state=state)
        said("load_bundled")
        assert list(Generator.objects.values_list("state", flat=True)) == [state]


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_load_bundled_that_breaks_off_leaves_nothing_on_trial(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folders / "a.onnx").write_bytes(generator_file("a"))

    def killed(**_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("translator.services.generators.generator_publish", killed)
        with pytest.raises(KeyboardInterrupt):
            said("load_bundled")
    assert not Generator.objects.exists()
    said("load_bundled")
    assert Generator.objects.get().is_default


def test_load_bundled_with_nothing_there(folders: Path, db: None) -> None:
    assert "No generators" in said("load_bundled")
    folders.rmdir()
    assert "No generators" in said("load_bundled")


def test_load_bundled_names_a_broken_file(folders: Path, db: None) -> None:
    (folders / "broken.onnx").write_bytes(b"broken")
    with pytest.raises(CommandError, match=r"broken\.onnx"):
        said("load_bundled")
