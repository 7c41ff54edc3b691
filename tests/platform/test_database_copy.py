"""From a laptop's SQLite file to PostgreSQL: every row as it was, or none."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from tests.support.live import ROOT, clean_environment
from tests.support.postgres import Postgres

# What people and machines made, with times finer than a millisecond, and rows that refer to each other.
FILL = """
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.db import SessionStore
from translator.models import Generator, Translation
from accounts.models import ApiToken
user = get_user_model().objects.create_user("ada", "ada@example.org", "a-long-password")
session = SessionStore(); session["a"] = 1; session.save()
ApiToken.objects.create(user=user, name="laptop", token_hash="d" * 64, hint="mg")
generator = Generator.objects.first()
Translation.objects.create(
    owner=user, generator=generator, filename="Größe 東京.png", width=3, height=2, source_bytes=9, seed=1
)
"""
SHOW = """
import hashlib, json
from django.apps import apps
rows = {}
for model in apps.get_models(include_auto_created=True):
    fields = [field.attname for field in model._meta.concrete_fields]
    rows_of = model._base_manager.values_list(*fields)
    values = sorted(json.dumps(row, default=repr, sort_keys=True) for row in rows_of)
    rows[model._meta.label] = [len(values), hashlib.sha256(repr(values).encode()).hexdigest()]
print(json.dumps(rows))
"""


def manage(
    var: Path, *arguments: str, check: bool = True, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=clean_environment(MAPGAN_VAR_DIR=str(var), **variables),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=check,
    )


def shown(var: Path, **variables: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(manage(var, "shell", "-v", "0", "-c", SHOW, **variables).stdout)
    return found


def test_a_site_moves_to_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    manage(tmp_path, "prepare")
    manage(tmp_path, "shell", "-v", "0", "-c", FILL)
    postgres.execute("CREATE DATABASE moved")
    target = {"DATABASE_URL": postgres.url("moved")}
    copy = ("database_copy", "--from", str(tmp_path / "db.sqlite3"))

    refused = manage(tmp_path, *copy, check=False, **target)
    assert "not the same migrations" in refused.stderr

    manage(tmp_path, "migrate", "-v", "0", **target)
    manage(tmp_path, *copy, **target)
    before = shown(tmp_path)
    assert before["translator.Translation"][0] == 1
    assert shown(tmp_path, **target) == before, "every value of every row"

    with psycopg.connect(postgres.url("moved")) as moved:
        following = moved.execute("SELECT nextval(pg_get_serial_sequence('accounts_user', 'id'))")
        assert following.fetchone() == (3,), "numbers go on after those that came"

    refused = manage(tmp_path, *copy, check=False, **target)
    assert "holds 2 users" in refused.stderr
    with sqlite3.connect(tmp_path / "db.sqlite3") as file:  # what PostgreSQL cannot hold
        file.execute("UPDATE accounts_user SET first_name = char(0) WHERE username = 'ada'")
    refused = manage(tmp_path, *copy, "--replace", check=False, **target)
    assert "Nothing was copied: the database does not take user" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert shown(tmp_path, **target) == before
    with sqlite3.connect(tmp_path / "db.sqlite3") as file:
        file.execute("UPDATE accounts_user SET first_name = 'Ada' WHERE username = 'ada'")
    manage(tmp_path, *copy, "--replace", **target)
    with psycopg.connect(postgres.url("moved")) as moved:
        names = moved.execute("SELECT first_name FROM accounts_user ORDER BY id").fetchall()
        assert names == [("",), ("Ada",)]
