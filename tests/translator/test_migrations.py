"""Migrations that change rows."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

BEFORE = ("translator", "0002_idempotency_digest")


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_of_two_published_versions_the_newer_stays() -> None:
    try:
        MigrationExecutor(connection).migrate([BEFORE])
        apps = MigrationExecutor(connection).loader.project_state([BEFORE]).apps
        rows = apps.get_model("translator", "Generator").objects
        for version in (1, 2):
            rows.create(
                name="roads", version=version, title="Roads", direction="map2sat", state="published",
                file=f"{version}", sha256=f"{version}", size_bytes=1,
            )  # fmt: skip
    finally:
        forward = MigrationExecutor(connection)
        forward.migrate(forward.loader.graph.leaf_nodes())
    states = dict(rows.values_list("version", "state"))
    assert states == {1: "retired", 2: "published"}
