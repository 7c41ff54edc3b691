"""Environment readers: what they take, and that everything else raises with the variable's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from mapgan_site.env import Env, read_env_file, read_environment


def env(**variables: str) -> Env:
    return Env(variables)


@pytest.mark.parametrize("value", ["true", "True", "1", "yes", "on", " on "])
def test_boolean_true(value: str) -> None:
    assert env(X=value).boolean("X", default=False) is True


@pytest.mark.parametrize("value", ["false", "FALSE", "0", "no", "off"])
def test_boolean_false(value: str) -> None:
    assert env(X=value).boolean("X", default=True) is False


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (lambda e: e.boolean("X", default=True), "tru"),
        (lambda e: e.boolean("X", default=True), "2"),
        (lambda e: e.integer("X", 1), "1.5"),
        (lambda e: e.integer("X", 1), "0x10"),
        (lambda e: e.integer("X", 1), "\u0661"),
        (lambda e: e.integer("X", 1, least=1), "0"),
        (lambda e: e.integer("X", 1, most=10), "11"),
        (lambda e: e.number("X", 1), "fast"),
        (lambda e: e.number("X", 1), "nan"),
        (lambda e: e.number("X", 1, most=5), "inf"),
        (lambda e: e.number("X", 1), "-1"),
        (lambda e: e.choice("X", ("local", "s3"), default="local"), "S3"),
        (lambda e: e.listing("X"), "a,,b"),
        (lambda e: e.listing("X"), "a,"),
        (lambda e: e.secret("X"), ""),
    ],
)
def test_garbled_values_raise_with_the_name(read: Callable[[Env], Any], value: str, tmp_path: Path) -> None:
    variables = {"X": value} if value else {"X_FILE": str(tmp_path / "missing")}
    with pytest.raises(ImproperlyConfigured, match=r"\bX"):
        read(Env(variables))


def test_empty_means_not_set() -> None:
    empty = env(X="", Y="  ")
    assert empty.boolean("X", default=True) is True
    assert empty.integer("Y", 7) == 7
    assert empty.listing("X", ("a",)) == ["a"]
    assert empty.text("Z", "default") == "default"


def test_listing_and_numbers() -> None:
    given = env(HOSTS="a.org, b.org", N="+12", SECONDS="0.5")
    assert given.listing("HOSTS") == ["a.org", "b.org"]
    assert given.integer("N", 1) == 12
    assert given.number("SECONDS", 1) == 0.5


def test_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hidden\n")
    assert env(KEY_FILE=str(file)).secret("KEY") == "hidden"
    assert env(KEY="plain").secret("KEY") == "plain"


def test_secret_both_ways_raises() -> None:
    with pytest.raises(ImproperlyConfigured, match="KEY or KEY_FILE"):
        env(KEY="a", KEY_FILE="/b").secret("KEY")


def test_empty_secret_file_raises(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("\n")
    with pytest.raises(ImproperlyConfigured, match="KEY_FILE"):
        env(KEY_FILE=str(file)).secret("KEY")


def test_unknown_variables_raise() -> None:
    given = env(MAPGAN_STORAGE="s3", MAPGAN_STORGE="s3", OTHER="x")
    given.text("MAPGAN_STORAGE")
    with pytest.raises(ImproperlyConfigured, match="MAPGAN_STORGE"):
        given.refuse_unknown("MAPGAN_")


def test_env_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text('# comment\n\nA=1\nB = has = signs "and quotes" $HOME\nC=\n')
    environ = {"A": "already"}
    read_env_file(file, environ)
    assert environ == {"A": "already", "B": 'has = signs "and quotes" $HOME', "C": ""}


@pytest.mark.parametrize("line", ["NOVALUE", "export A=1", "1A=2", "=x"])
def test_garbled_env_file_names_the_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / ".env"
    file.write_text(f"A=1\n{line}\n")
    with pytest.raises(ImproperlyConfigured, match=r"\.env, line 2"):
        read_env_file(file, {})


def test_which_env_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default, other = tmp_path / ".env", tmp_path / "other"
    default.write_text("FROM=default")
    other.write_text("FROM=other")
    monkeypatch.delenv("MAPGAN_ENV_FILE", raising=False)
    assert read_environment(default)["FROM"] == "default"
    assert "FROM" not in read_environment(tmp_path / "none")
    monkeypatch.setenv("MAPGAN_ENV_FILE", str(other))
    assert read_environment(default)["FROM"] == "other"
    monkeypatch.setenv("MAPGAN_ENV_FILE", "")
    assert "FROM" not in read_environment(default)
    monkeypatch.setenv("MAPGAN_ENV_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured, match="MAPGAN_ENV_FILE"):
        read_environment(default)
