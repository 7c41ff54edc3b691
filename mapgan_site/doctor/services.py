"""The parts that are servers of their own: database, broker, storage, mail; and whether the clocks agree."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import redis
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.storage import storages
from django.core.mail import get_connection
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from jobs.selectors import database_now
from mapgan_site import presence, probes
from mapgan_site.doctor.finding import FAIL, OK, SKIP, WARN, Finding
from storage.errors import ObjectMissing, StorageError, StorageUnavailable, clock_ahead
from storage.s3 import PrivateS3Storage
from storage.trial import BEFORE_LINKS, trials

CLOCK_SECONDS = 30.0  # leases go by the database's clock, links and signatures by ours
LOOK_SECONDS = 5.0
STORED = "An object was stored, read, found and removed."

DATABASE_SILENT = "The database does not answer."
DATABASE_FULL = "The database takes no more connections."
DATABASE_WORDS = (
    ("password authentication failed", "The database refuses the user or the password.", "DATABASE_URL"),
    ("no password supplied", "The database wants a password.", "DATABASE_URL"),
    ("role", "The database does not know this user.", "DATABASE_URL"),
    ("does not exist", "There is no database of this name.", "the name at the end of DATABASE_URL"),
    ("too many", DATABASE_FULL, "its max_connections"),
    ("certificate", "The database's certificate is not accepted.", "sslmode and sslrootcert in DATABASE_URL"),
    (
        "unable to open",
        "The database file cannot be opened.",
        "DATABASE_URL and the rights of MAPGAN_VAR_DIR",
    ),
    ("readonly", "The database cannot be written to.", "the rights of MAPGAN_VAR_DIR"),
)


def database_words(error: BaseException) -> tuple[str, str]:
    """What is wrong, and what to look at. The driver's own text may hold addresses, and is not repeated."""
    text = str(error).lower()
    for sign, words, where in DATABASE_WORDS:
        if sign in text:
            return words, f"Look at {where}."
    return DATABASE_SILENT, "Look at the host and port in DATABASE_URL, and at the server."


def database() -> Iterator[Finding]:
    """It lets us in, and has the tables of this version."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        plan = MigrationExecutor(connection)
        missing = len(plan.migration_plan(plan.loader.graph.leaf_nodes()))
    except (DatabaseError, OSError) as error:
        message, advice = database_words(error)
        yield Finding("database", FAIL, message, advice)
        yield Finding("migrations", SKIP, "Not known without the database.")
        return
    yield Finding("database", OK, f"It answers ({connection.display_name}).")
    if settings.PRODUCTION and connection.vendor == "sqlite":
        advice = "Set DATABASE_URL to a PostgreSQL server when more than one machine works."
        yield Finding("database", WARN, "It is SQLite, a file of this machine.", advice)
    if missing:
        advice = "Run `manage.py migrate`."
        yield Finding("migrations", FAIL, f"{missing} migrations are not applied.", advice)
    else:
        yield Finding("migrations", OK, "Every one is applied.")


def broker() -> Iterator[Finding]:
    """It lets us in, and would lose nothing."""
    with presence.client(LOOK_SECONDS) as server:
        problem = probes.broker_problem(server)
    if problem is None:
        yield Finding("broker", OK, "It answers.")
        return
    advice = "Look at REDIS_URL (or REDIS_URL_FILE) and at the server."
    if settings.EMBEDDED_BROKER:
        advice = "REDIS_URL is not set: `make run` starts a broker of its own, or set it to a Redis server."
    if "noeviction" in problem:
        advice = "In the server REDIS_URL names: `maxmemory-policy noeviction`, and `appendonly yes`."
    yield Finding("broker", FAIL, problem, advice)


def files() -> Iterator[Finding]:
    """An object can be stored, read, listed, linked to and removed, in parts, too."""
    storage = storages["default"]
    is_s3 = isinstance(storage, PrivateS3Storage)
    done: list[str] = []
    try:
        for step in trials(storage, link_seconds=settings.FILE_LINK_SECONDS):
            done.append(step)  # noqa: PERF402 - what was done before one failed counts
    except StorageError as error:
        if BEFORE_LINKS not in done:
            yield _refused(error, is_s3=is_s3)
            return
        yield Finding("storage", OK, STORED)
        # browsers may see another network than this machine
        status = WARN if isinstance(error, StorageUnavailable) else FAIL
        yield replace(_refused(error, is_s3=is_s3), part="storage links", status=status)
        return
    yield Finding("storage", OK, STORED)
    if isinstance(storage, PrivateS3Storage):
        yield _shown(storage)


def _shown(storage: PrivateS3Storage) -> Finding:
    """Whether browsers, which follow a link as we did, may show what is there."""
    parts = urlsplit(storage.url("doctor"))
    if f"{parts.scheme}://{parts.netloc}" in settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]["img-src"]:
        return Finding("storage links", OK, "A signed link works.")
    words = "A signed link works, but leads where the site's pages do not allow pictures from."
    advice = "Look at MAPGAN_S3_ADDRESSING_STYLE, MAPGAN_S3_REGION and AWS_ variables of this process."
    return Finding("storage links", FAIL, words, advice)


def _refused(error: StorageError, *, is_s3: bool) -> Finding:
    """The storage's own words for the operator: what fails, a colon, what to look at."""
    if isinstance(error, ObjectMissing) and not is_s3:
        words = "The folder of files cannot be written to."
        return Finding("storage", FAIL, words, "Look at the owner and the rights of MAPGAN_VAR_DIR.")
    message, _, advice = (" ".join(getattr(error, "__notes__", [])) or str(error)).partition(": ")
    other = "Look at MAPGAN_STORAGE, the MAPGAN_S3_ variables and MAPGAN_VAR_DIR."
    return Finding("storage", FAIL, message.rstrip(".") + ".", advice[:1].upper() + advice[1:] or other)


def mail() -> Iterator[Finding]:
    """The server lets us in. Nothing is sent."""
    if "smtp" not in settings.EMAIL_BACKEND:
        words = "Mail is printed and sent to nobody: nobody can reset a password."
        advice = "Set EMAIL_URL to an SMTP server."
        yield (
            Finding("mail", WARN, words, advice)
            if settings.PRODUCTION
            else Finding("mail", OK, "It is printed.")
        )
        return
    try:
        server = get_connection()
        server.open()
        server.close()
    except smtplib.SMTPAuthenticationError:
        yield Finding("mail", FAIL, "The mail server refuses the name or the password.", "Look at EMAIL_URL.")
    except (OSError, smtplib.SMTPException):
        advice = "Look at the host, port and scheme in EMAIL_URL (smtp:, smtp+tls: or smtps:)."
        yield Finding("mail", FAIL, "The mail server does not answer as it should.", advice)
    else:
        yield Finding("mail", OK, "The mail server lets us in.")


def clocks(*, with_database: bool) -> Iterator[Finding]:
    """Ours against those of the servers."""
    ahead: dict[str, float] = {}
    if with_database and connection.vendor != "sqlite":  # SQLite's clock is ours
        ahead["the database's"] = time.time() - database_now().timestamp()
    try:
        with presence.client(LOOK_SECONDS) as server:
            seconds, micros = server.time()
            ahead["the broker's"] = time.time() - (seconds + micros / 1e6)
    except (redis.RedisError, OSError):
        pass  # said elsewhere
    storage = storages["default"]
    if isinstance(storage, PrivateS3Storage):
        ahead["the S3 server's"] = _ahead_of_s3(storage)
    worst = max(ahead, key=lambda name: abs(ahead[name]), default="")
    if not worst:
        yield Finding("clock", SKIP, "There is no other clock to compare it with.")
    elif abs(ahead[worst]) <= CLOCK_SECONDS:
        yield Finding("clock", OK, f"It agrees with {' and '.join(ahead)}.")
    else:
        way = "ahead of" if ahead[worst] > 0 else "behind"
        words = f"This machine's clock is {_span(ahead[worst])} {way} {worst}."
        yield Finding("clock", FAIL, words, "Set the clocks of all machines right: switch NTP (chrony) on.")


def _span(seconds: float) -> str:
    return f"{abs(seconds):.0f} s" if abs(seconds) < 120 else f"{abs(seconds) / 60:.0f} minutes"


def _ahead_of_s3(storage: PrivateS3Storage) -> float:
    """From the Date of any answer, a refusal's included; 0 when there is none."""
    config = Config(connect_timeout=LOOK_SECONDS, read_timeout=LOOK_SECONDS, retries={"max_attempts": 0})
    try:
        answer = storage.client(config).head_bucket(Bucket=storage.bucket_name)
        return clock_ahead(dict(answer["ResponseMetadata"]["HTTPHeaders"]))
    except ClientError as error:
        return clock_ahead(error.response.get("ResponseMetadata", {}).get("HTTPHeaders"))
    except BotoCoreError:
        return 0.0
