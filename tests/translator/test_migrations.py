"""Migrations that change rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from translator.models import Generator

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


@contextmanager
def generators_before(migration: str) -> Iterator[Any]:
    """The rows' manager as this migration finds it, to make some with; at the end all migrations have run."""
    target = ("translator", migration)
    try:
        MigrationExecutor(connection).migrate([target])
        apps = MigrationExecutor(connection).loader.project_state([target]).apps
        yield apps.get_model("translator", "Generator").objects
    finally:
        forward = MigrationExecutor(connection)
        forward.migrate(forward.loader.graph.leaf_nodes())


def row(name: str, version: int, state: str = "published", direction: str = "map2sat") -> dict[str, Any]:
    """What a generator needed from the beginning."""
    key = f"{name}-{version}"
    return {
        "name": name, "version": version, "title": name, "direction": direction, "state": state,
        "file": key, "sha256": key, "size_bytes": 1,
    }  # fmt: skip


def test_of_two_published_versions_the_newer_stays() -> None:
    with generators_before("0002_idempotency_digest") as rows:
        for version in (1, 2):
            rows.create(**row("roads", version))
    assert dict(rows.values_list("version", "state")) == {1: "retired", 2: "published"}


def test_the_first_published_of_each_direction_becomes_its_default() -> None:
    with generators_before("0005_leftovers") as rows:
        rows.create(**row("a", 1, "retired"))
        rows.create(**row("b", 2, "trial"))
        rows.create(**row("d", 1))
        rows.create(**row("c", 3))
        rows.create(**row("z", 1, direction="sat2map"))
    assert set(Generator.objects.filter(is_default=True).values_list("name", flat=True)) == {"c", "z"}
