"""DATABASE_URL, REDIS_URL, EMAIL_URL: what each part becomes, and refusals that show no password."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from mapgan_site import addresses


def test_postgresql() -> None:
    url = (
        "postgresql://map:p%40ss%2Fw%3Ard@db.example.org:5433/map%20s?sslmode=verify-full&sslrootcert=/ca.pem"
    )
    database = addresses.database(url)
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["USER"], database["PASSWORD"]) == ("map", "p@ss/w:rd")
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example.org", "5433", "map s")
    tls = {"sslmode": "verify-full", "sslrootcert": "/ca.pem"}
    assert database["OPTIONS"] == {**addresses.POSTGRES_PATIENCE, **tls}
    assert (database["CONN_MAX_AGE"], database["CONN_HEALTH_CHECKS"]) == (60, True)


def test_postgresql_with_a_pool_and_time_limits() -> None:
    use = addresses.PostgresUse(pool=8, timeout=60)
    database = addresses.database("postgresql://db/maps?connect_timeout=9", use=use)
    assert database["CONN_MAX_AGE"] == 0, "Django refuses both"
    options = database["OPTIONS"]
    assert options["pool"]["max_size"] == 8
    assert options["connect_timeout"] == "9"
    assert "statement_timeout=60s" in options["options"]
    assert "idle_in_transaction_session_timeout=60s" in options["options"]


def test_postgresql_on_a_socket() -> None:
    database = addresses.database("postgresql:///maps?host=/run/postgresql")
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("/run/postgresql", "", "maps")


def test_sqlite_waits_for_its_lock() -> None:
    database = addresses.database("sqlite:////data/my%20maps.sqlite3")
    assert database["NAME"] == Path("/data/my maps.sqlite3")
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]


@pytest.mark.parametrize(
    ("url", "client", "celery"),
    [
        ("redis://:pw@r:6380/2", "redis://:pw@r:6380/2", "redis://:pw@r:6380/2"),
        ("unix:///run/r.sock", "unix:///run/r.sock", "redis+socket:///run/r.sock"),
        ("redis+socket:///run/r.sock", "unix:///run/r.sock", "redis+socket:///run/r.sock"),
        ("rediss://r/0", "rediss://r/0?ssl_cert_reqs=required", "rediss://r/0?ssl_cert_reqs=required"),
        ("rediss://r?ssl_ca_certs=/c", *["rediss://r?ssl_ca_certs=/c&ssl_cert_reqs=required"] * 2),
    ],
)
def test_redis(url: str, client: str, celery: str) -> None:
    assert addresses.redis(url) == (client, celery)


def test_email() -> None:
    assert addresses.email("console:")["EMAIL_BACKEND"].endswith("console.EmailBackend")
    mail = addresses.email("smtp+tls://me%40example.org:s3cret@mail.example.org")
    assert (mail["EMAIL_HOST"], mail["EMAIL_PORT"]) == ("mail.example.org", 587)
    assert (mail["EMAIL_HOST_USER"], mail["EMAIL_HOST_PASSWORD"]) == ("me@example.org", "s3cret")
    assert (mail["EMAIL_USE_TLS"], mail["EMAIL_USE_SSL"]) == (True, False)
    assert addresses.email("smtps://m")["EMAIL_PORT"] == 465


@pytest.mark.parametrize(
    ("parse", "variable", "url"),
    [
        (addresses.database, "DATABASE_URL", "mysql://u:hidden@h/n"),
        (addresses.database, "DATABASE_URL", "postgresql://u:hidden@h"),
        (addresses.database, "DATABASE_URL", "postgresql://u:hidden@h:port/n"),
        (addresses.database, "DATABASE_URL", "postgresql://u:hidden@h/n?sslmod=require"),
        (addresses.database, "DATABASE_URL", "postgresql://u:hid#den@h/n"),
        (addresses.database, "DATABASE_URL", "postgresql://u:hidden@h/n?sslmode=a&sslmode=b"),
        (addresses.database, "DATABASE_URL", "postgresql://u:hidden@h/n?host=/run"),
        (addresses.database, "DATABASE_URL", "sqlite:///relative"),
        (addresses.database, "DATABASE_URL", "sqlite://hidden/relative"),
        (addresses.redis, "REDIS_URL", "memcached://:hidden@h"),
        (addresses.redis, "REDIS_URL", "redis://:hidden@h/name"),
        (addresses.redis, "REDIS_URL", "redis://:hidden@"),
        (addresses.redis, "REDIS_URL", "redis://:hidden@h?timeout=3"),
        (addresses.redis, "REDIS_URL", "unix://hidden"),
        (addresses.email, "EMAIL_URL", "mailto:hidden@h"),
        (addresses.email, "EMAIL_URL", "smtp://:hidden@"),
    ],
)
def test_refused_without_showing_the_password(parse: Callable[[str], Any], variable: str, url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=variable) as refused:
        parse(url)
    assert "hidden" not in str(refused.value)


def test_origin() -> None:
    assert addresses.origin("https://s3.example.org:9000/", variable="X") == "https://s3.example.org:9000"
    for url in ("s3.example.org", "https://u:p@h", "https://h/path", "https://h?x=1", "ftp://h"):
        with pytest.raises(ImproperlyConfigured, match="X"):
            addresses.origin(url, variable="X")
