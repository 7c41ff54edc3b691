"""Who sees which translation: Alice owns, Bob is a stranger, Carol is staff, and nobody is signed in."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied

from accounts.models import User
from jobs.models import JobState
from tests.translator.factories import generator_file, submitted, translated
from translator.models import Generator, Translation
from translator.selectors import (
    Person,
    gallery,
    generator_visible,
    generators_offered,
    translation_managed,
    translation_owned,
    translation_visible,
    translations_of,
)
from translator.services import generator_import, generator_retire, translation_set_visibility

People = dict[str, Person]
Select = Callable[..., Translation]


@pytest.fixture
def people(alice: User, bob: User, carol: User) -> People:
    return {"alice": alice, "bob": bob, "carol": carol, "nobody": AnonymousUser()}


def who(people: People, select: Select, translation: Translation) -> set[str]:
    """Those for whom the selector finds it."""
    found = set()
    for name, user in people.items():
        try:
            assert select(user=user, translation_id=translation.pk) == translation
            found.add(name)
        except Translation.DoesNotExist:
            pass
    return found


@pytest.mark.parametrize(
    ("visibility", "state", "viewers"),
    [
        ("private", JobState.SUCCEEDED, {"alice", "carol"}),
        ("private", JobState.FAILED, {"alice", "carol"}),
        ("public", JobState.SUCCEEDED, {"alice", "bob", "carol", "nobody"}),
        ("public", JobState.QUEUED, {"alice", "carol"}),
        ("public", JobState.RUNNING, {"alice", "carol"}),
        ("public", JobState.FAILED, {"alice", "carol"}),
        ("public", JobState.CANCELLED, {"alice", "carol"}),
    ],
)
def test_who_sees(
    people: People, generator: Generator, visibility: str, state: JobState, viewers: set[str]
) -> None:
    translation = submitted(people["alice"], generator, visibility=visibility)
    Translation.objects.update(state=state, result="r", result_thumbnail="t")
    assert who(people, translation_visible, translation) == viewers
    assert who(people, translation_owned, translation) == {"alice"}
    assert who(people, translation_managed, translation) == {"alice", "carol"}
    for name, user in people.items():
        assert translations_of(user=user).exists() is (name == "alice")
    assert gallery().exists() is ("nobody" in viewers)


def test_an_id_of_nothing(people: People, generator: Generator) -> None:
    for user in people.values():
        for select in (translation_visible, translation_owned, translation_managed):
            with pytest.raises(Translation.DoesNotExist):
                select(user=user, translation_id=uuid4())


def test_staff_whose_account_is_closed_are_strangers(alice: User, carol: User, generator: Generator) -> None:
    translation = submitted(alice, generator)
    carol.is_active = False
    with pytest.raises(Translation.DoesNotExist):
        translation_visible(user=carol, translation_id=translation.pk)


def test_publishing_and_hiding(alice: User, carol: User, generator: Generator) -> None:
    translation = translated(alice, generator)
    with pytest.raises(PermissionDenied):
        translation_set_visibility(translation=translation, visibility="public", by=carol)
    assert not gallery().exists()
    translation_set_visibility(translation=translation, visibility="public", by=alice)
    assert gallery().get() == translation
    translation_set_visibility(translation=translation, visibility="private", by=carol)
    assert not gallery().exists()


def test_who_is_offered_which_generator(people: People, generator: Generator) -> None:
    trial = generator_import(source=generator_file("trial"))
    retired = generator_import(source=generator_file("retired"), publish=True)
    generator_retire(generator=retired)
    for name, user in people.items():
        staff = name == "carol"
        assert set(generators_offered(user)) == ({generator, trial} if staff else {generator})
        assert generator_visible(user=user, generator_id=retired.pk) == retired
        if not staff:
            with pytest.raises(Generator.DoesNotExist):
                generator_visible(user=user, generator_id=trial.pk)
