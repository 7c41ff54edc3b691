"""Lists and the gallery: order, filters, and a cost that does not grow with the rows."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.http import QueryDict
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from jobs.models import JobState
from tests.translator.factories import generator_file, published, submitted
from translator.models import Direction, Generator, Translation
from translator.selectors import TranslationFilters, gallery, translations_of
from translator.services import generator_import

pytestmark = pytest.mark.database


def rows(owner: User, generator: Generator, count: int, **fields: object) -> list[Translation]:
    """Finished, public rows, written at once; the lists look at rows alone."""
    defaults: dict[str, object] = {
        "state": JobState.SUCCEEDED, "visibility": "public", "original": "o", "original_thumbnail": "t",
        "result": "r", "result_thumbnail": "t", "width": 1, "height": 1, "source_bytes": 1, "seed": 1,
    }  # fmt: skip
    made = [Translation(owner=owner, generator=generator, **{**defaults, **fields}) for _ in range(count)]
    return Translation.objects.bulk_create(made)


def test_newest_first(alice: User, generator: Generator) -> None:
    first, second = (submitted(alice, generator) for _ in range(2))
    assert list(translations_of(user=alice)) == [second, first]
    same = timezone.now()
    Translation.objects.update(created_at=same)
    assert list(translations_of(user=alice)) == sorted([first, second], key=lambda row: row.pk, reverse=True)


def test_filters(alice: User, bob: User, generator: Generator) -> None:
    back = published("back", direction="sat2map")
    theirs, mine, mine_back = (
        rows(*args, 1)[0] for args in ((bob, generator), (alice, generator), (alice, back))
    )
    rows(alice, generator, 1, visibility="private")
    failed = rows(alice, generator, 1, state=JobState.FAILED, visibility="private")[0]

    def shown(**filters: object) -> set[Translation]:
        return set(gallery(filters=TranslationFilters(**filters)))  # type: ignore[arg-type]

    assert shown() == {theirs, mine, mine_back}
    assert shown(generator=back.pk) == {mine_back}
    assert shown(direction=Direction.MAP_TO_SATELLITE) == {theirs, mine}
    assert shown(person="bob") == {theirs}
    assert shown(person="alice", direction=Direction.SATELLITE_TO_MAP) == {mine_back}
    assert shown(person="nobody-of-this-name") == set()
    assert list(translations_of(user=alice, filters=TranslationFilters(state=JobState.FAILED))) == [failed]


@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ("", {}),
        ("generator=nonsense&direction=up&state=dead&person=%20", {}),
        ("direction=sat2map&person=bob&state=failed", {
            "direction": Direction.SATELLITE_TO_MAP, "person": "bob", "state": JobState.FAILED,
        }),
        ("person=a%00b", {"person": "ab"}),
    ],
)  # fmt: skip
def test_filters_of_a_query_string(query: str, filters: dict[str, object]) -> None:
    assert TranslationFilters.from_query(QueryDict(query)) == TranslationFilters(**filters)  # type: ignore[arg-type]


def test_a_generator_in_a_query_string() -> None:
    wanted = uuid4()
    assert TranslationFilters.from_query(QueryDict(f"generator={wanted}")).generator == wanted


def test_one_query_whatever_the_number(
    alice: User, generator: Generator, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows(alice, generator, 30)
    for listed in (gallery(), translations_of(user=alice)):
        with django_assert_num_queries(1):
            assert {(row.owner.username, row.generator.title) for row in listed} == {("alice", "Negatives")}


def test_nobody_has_no_list() -> None:
    assert not translations_of(user=AnonymousUser())


def plan(rows_: object) -> str:
    """How the database means to find the first page."""
    return str(rows_[:24].explain())  # type: ignore[index]


def test_pages_come_from_indexes(alice: User, bob: User, generator: Generator) -> None:
    other = generator_import(source=generator_file("other"), publish=True)
    rows(alice, generator, 1500)
    rows(alice, generator, 1500, visibility="private")
    rows(bob, other, 1500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    for index, listed in (
        ("translator_gallery", gallery()),
        # at this size PostgreSQL may as well walk the whole gallery: either index is in the right order
        ("translator_gallery", gallery(filters=TranslationFilters(generator=other.pk))),
        ("translator_mine", translations_of(user=bob)),
    ):
        found = plan(listed)
        assert index in found, found
        # neither reads and sorts the whole table: that is how SQLite and PostgreSQL say it
        assert "TEMP B-TREE" not in found, found
        assert "Sort" not in found, found
