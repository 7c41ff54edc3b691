"""manage.py doctor against deployments that are broken in one way each, with real servers behind them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink
from aiosmtpd.smtp import AuthResult
from botocore.exceptions import ClientError
from django.core.management import call_command
from pytest_django import Settings

from jobs.lifecycle import from_now
from jobs.models import Worker
from jobs.queues import queue_pause
from jobs.workers import worker_sign
from mapgan_site import policies
from mapgan_site.addresses import email
from mapgan_site.doctor import FAIL, OK, SKIP, WARN, Finding, site
from mapgan_site.doctor import services as parts
from storage.multipart import MultipartUploads
from tests.operations.conftest import Clients
from tests.support.broker import Broker
from tests.support.live import ROOT, clean_environment
from tests.support.postgres import Postgres
from tests.support.s3 import S3Server
from tests.support.waiting import free_ports
from translator.models import Generator

LATE = """
import datetime, runpy, sys, time
clock, real = time.time, datetime.datetime
class Ahead(real):
    @classmethod
    def now(cls, tz=None):
        return real.now(tz) + datetime.timedelta(hours=1)
    @classmethod
    def utcnow(cls):
        return real.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(hours=1)
time.time, datetime.datetime = (lambda: clock() + 3600), Ahead
sys.argv = ["manage.py", "doctor", "--json"]
runpy.run_path("manage.py", run_name="__main__")
"""


def doctor(
    tmp_path: Path, *, program: tuple[str, ...] = ("manage.py", "doctor", "--json"), **variables: str
) -> Any:
    """What it says of a deployment with these variables; status and findings by part."""
    environment = clean_environment(MAPGAN_VAR_DIR=str(tmp_path), **variables)
    ran = subprocess.run(
        [sys.executable, *program], env=environment, capture_output=True, text=True, cwd=ROOT
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    found = json.loads(ran.stdout)
    return ran.returncode, {each["part"]: each for each in found["findings"]}, ran.stdout + ran.stderr


def failed(findings: Iterator[Finding] | list[Finding]) -> list[Finding]:
    return [each for each in findings if each.status == FAIL]


# --- Whole deployments, as an operator runs it ----------------------------------------------------------


def test_a_production_without_its_settings(tmp_path: Path) -> None:
    for variables, name in (
        ({"MAPGAN_ENV": "production"}, "MAPGAN_SECRET_KEY"),
        ({"MAPGAN_STORAGE": "s3"}, "MAPGAN_S3_BUCKET"),
        ({"MAPGAN_STORGE": "s3"}, "MAPGAN_STORGE"),
    ):
        status, found, _ = doctor(tmp_path, **variables)
        assert status == 2
        assert name in found["settings"]["message"]


def test_nothing_runs_yet(tmp_path: Path) -> None:
    """An empty database, no broker, an S3 server and a mail server that nobody can reach."""
    port = str(free_ports(1)[0])
    status, found, said = doctor(
        tmp_path,
        EMAIL_URL=f"smtp://someone:hidden-mail@127.0.0.1:{port}",
        REDIS_URL=f"redis://:hidden-broker@127.0.0.1:{port}/0",
        MAPGAN_STORAGE="s3",
        MAPGAN_S3_BUCKET="maps",
        MAPGAN_S3_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        MAPGAN_S3_ACCESS_KEY_ID="k",
        MAPGAN_S3_SECRET_ACCESS_KEY="hidden-s3",
    )
    assert status == 1
    assert (
        "run `manage.py migrate`" in found["migrations"]["advice"].lower()
        or "migrate" in found["migrations"]["advice"]
    )
    for part, name in (("broker", "REDIS_URL"), ("storage", "MAPGAN_S3_ENDPOINT_URL"), ("mail", "EMAIL_URL")):
        assert found[part]["status"] == FAIL
        assert name in found[part]["message"] + found[part]["advice"], part
    assert "hidden" not in said
    assert port not in said


def test_databases_that_do_not_let_us_in(tmp_path: Path, postgres: Postgres) -> None:
    postgres.execute("CREATE ROLE keeper LOGIN PASSWORD 'right'")
    postgres.execute("CREATE DATABASE locked OWNER keeper")
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        row = admin.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        rules.write_text("host locked all 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
        admin.execute("SELECT pg_reload_conf()")
    address = f"127.0.0.1:{postgres.port}"
    for url, words in (
        (f"postgresql://keeper:wrong@{address}/locked", "refuses the user or the password"),
        (f"postgresql://keeper:right@{address}/nowhere", "no database of this name"),
        (f"postgresql://keeper:right@127.0.0.1:{free_ports(1)[0]}/locked", "does not answer"),
    ):
        status, found, said = doctor(tmp_path, DATABASE_URL=url)
        assert (status, found["database"]["status"]) == (1, FAIL)
        assert words in found["database"]["message"]
        assert "DATABASE_URL" in found["database"]["advice"]
        assert found["workers"]["status"] == SKIP
        assert "wrong" not in said
    _, found, _ = doctor(tmp_path, DATABASE_URL=f"postgresql://keeper:right@{address}/locked")
    assert found["database"]["status"] == OK


@pytest.mark.s3
def test_a_clock_that_is_an_hour_off(tmp_path: Path, postgres: Postgres, s3_server: S3Server) -> None:
    postgres.execute("CREATE DATABASE late")
    s3_server.make_bucket("late")
    variables = {"DATABASE_URL": postgres.url("late"), **s3_server.environment("late")}
    status, found, _ = doctor(tmp_path, program=("-c", LATE), **variables)
    assert status == 1
    assert found["clock"]["status"] == FAIL
    assert "60 minutes ahead of" in found["clock"]["message"]
    assert "NTP" in found["clock"]["advice"]
    _, found, _ = doctor(tmp_path, **variables)
    assert found["clock"]["status"] == OK
    assert "database's and the S3 server's" in found["clock"]["message"]


def test_a_command_says_what_is_wrong_instead_of_a_traceback(tmp_path: Path) -> None:
    nobody = f"postgresql://a:hidden@127.0.0.1:{free_ports(1)[0]}/x"
    port = str(free_ports(1)[0])
    environment = clean_environment(MAPGAN_VAR_DIR=str(tmp_path), DATABASE_URL=nobody, PORT=port)
    commands = (["manage.py", "migrate"], ["scripts/process.py", "prepare"], ["scripts/run.py"])
    for command in commands:
        ran = subprocess.run(
            [sys.executable, *command], env=environment, capture_output=True, text=True, cwd=ROOT
        )
        said = ran.stdout + ran.stderr
        assert ran.returncode in (1, 2)
        assert "DATABASE_URL" in said
        assert "Traceback" not in said
        assert "hidden" not in said


# --- Part by part ---------------------------------------------------------------------------------------


@pytest.mark.s3
def test_storages_that_do_not_let_us_in(
    s3_bucket: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (found,) = failed(parts.files())
    assert (found.part, "AWS_" in found.advice) == ("storage links", True), "browsers are not told of it"
    origin = settings.STORAGES["default"]["OPTIONS"]["endpoint_url"]
    settings.CONTENT_SECURITY_POLICY = policies.content_security_policy()
    policies.allow_images_from(settings.CONTENT_SECURITY_POLICY, origin)
    assert not failed(parts.files())
    assert {each.part for each in parts.files()} == {"storage", "storage links"}

    def changed(**options: str) -> list[Finding]:
        default = settings.STORAGES["default"]
        whole = {**default["OPTIONS"], **options}
        settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": whole}}
        found = failed(parts.files())
        settings.STORAGES = {**settings.STORAGES, "default": default}
        return found

    for options, name in (
        ({"secret_key": "wrong"}, "MAPGAN_S3_SECRET_ACCESS_KEY"),
        ({"access_key": "nobody"}, "MAPGAN_S3_ACCESS_KEY_ID"),
        ({"bucket_name": "no-such-bucket"}, "MAPGAN_S3_BUCKET"),
        ({"endpoint_url": f"http://127.0.0.1:{free_ports(1)[0]}"}, "MAPGAN_S3_ENDPOINT_URL"),
    ):
        (found,) = changed(**options)
        assert found.part == "storage"
        assert name in found.message + found.advice, options
        assert "wrong" not in found.message + found.advice

    refused = ClientError({"Error": {"Code": "AccessDenied"}}, "AbortMultipartUpload")
    monkeypatch.setattr(MultipartUploads, "try_out", Mock(side_effect=refused))
    (found,) = failed(parts.files())
    assert "rights in docs/storage.md" in found.advice, "a large file could not be stored"


@pytest.mark.s3
def test_a_link_that_this_machine_cannot_follow_is_a_warning(s3_bucket: str, settings: Settings) -> None:
    default = settings.STORAGES["default"]
    elsewhere = {**default["OPTIONS"], "public_endpoint_url": f"http://127.0.0.1:{free_ports(1)[0]}"}
    settings.STORAGES = {**settings.STORAGES, "default": {**default, "OPTIONS": elsewhere}}
    assert [(each.part, each.status) for each in parts.files()] == [("storage", OK), ("storage links", WARN)]


def test_a_folder_that_cannot_be_written(settings: Settings) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {**settings.STORAGES["default"], "OPTIONS": {"location": "/proc/nowhere/media"}},
    }
    (found,) = failed(parts.files())
    assert "MAPGAN_VAR_DIR" in found.message + found.advice
    settings.VAR_DIR = settings.TRAINING_WORK_DIR = Path("/proc/nowhere")
    assert [each.status for each in site.disks()] == [FAIL, FAIL]


def test_a_disk_that_is_full_or_too_small(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "ROOM_BYTES", 10**18)
    assert all("Make room" in each.advice for each in failed(site.disks()))
    monkeypatch.setattr(site, "ROOM_BYTES", 1)
    settings.DATASET_MAX_BYTES = 10**18
    assert [each.status for each in site.disks()] == [OK, WARN]


def test_brokers(broker: Broker, settings: Settings) -> None:
    assert not failed(parts.broker())
    with broker.client as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    (found,) = failed(parts.broker())
    assert "noeviction" in found.advice
    with broker.client as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("requirepass", "right")
    (found,) = failed(parts.broker())
    assert "REDIS_URL" in found.advice
    broker.kill()
    (found,) = failed(parts.broker())
    assert "does not answer" in found.message


def test_mail_servers(settings: Settings) -> None:
    controller = Controller(
        Sink(),
        hostname="127.0.0.1",
        port=free_ports(1)[0],
        auth_require_tls=False,
        auth_required=True,
        authenticator=lambda *given: AuthResult(success=given[-1].password == b"right", handled=False),
    )
    controller.start()

    def asked(url: str) -> list[Finding]:
        for name, value in email(url).items():
            setattr(settings, name, value)
        return list(parts.mail())

    try:
        host = f"127.0.0.1:{controller.port}"
        assert [each.status for each in asked(f"smtp://me:right@{host}")] == [OK]
        (found,) = asked(f"smtp://me:wrong@{host}")
        assert (found.status, found.advice) == (FAIL, "Look at EMAIL_URL.")
        (found,) = asked(f"smtps://me:right@{host}")
        assert (found.status, "scheme" in found.advice) == (FAIL, True)
    finally:
        controller.stop()
    assert [each.status for each in asked(f"smtp://{host}")] == [FAIL]
    settings.PRODUCTION = True
    assert [each.status for each in asked("console:")] == [WARN]


def test_who_does_not_work(clients: Clients) -> None:
    found = failed(site.workers(with_database=True))
    silent = {each.part for each in found}
    assert {"worker translate", "worker data", "worker train", "worker maintenance", "beat"} <= silent
    assert all("process.py" in each.advice for each in found)
    worker_sign(role="translate", queues=["translate"], first=True)
    assert "worker translate" not in {each.part for each in failed(site.workers(with_database=True))}
    Worker.objects.update(heartbeat_at=from_now(-120))
    assert "worker translate" in {each.part for each in failed(site.workers(with_database=True))}


def test_a_paused_queue_is_a_warning(clients: Clients, carol: Any) -> None:
    worker_sign(role="train", queues=["train"], first=True)
    queue_pause(queue="train", by=carol)
    (found,) = [each for each in site.workers(with_database=True) if each.part == "worker train"]
    assert (found.status, "paused" in found.message) == (WARN, True)


def test_generators_that_cannot_be_read(generator: Generator) -> None:
    assert not failed(site.generators(with_database=True))
    Generator.objects.update(sha256="0" * 64)
    (found,) = failed(site.generators(with_database=True))
    assert "damaged" in found.message
    Generator.objects.update(file="generators/gone.onnx")
    (found,) = failed(site.generators(with_database=True))
    assert "generator_import" in found.advice
    Generator.objects.update(state="retired", is_default=False)
    (found,) = failed(site.generators(with_database=True))
    assert "load_bundled" in found.advice


def test_settings_of_a_public_site(settings: Settings) -> None:
    settings.PRODUCTION, settings.DEBUG, settings.ALLOWED_HOSTS = True, True, ["*"]
    settings.HTTPS = False
    found = list(site.configuration())
    assert {"MAPGAN_DEBUG", "MAPGAN_ALLOWED_HOSTS", "MAPGAN_HTTPS", "MAPGAN_EMAIL_FROM"} <= {
        word.strip(".=,").partition("=")[0] for each in found for word in each.advice.split()
    }


def test_words_and_status_for_people_and_programs(clients: Clients) -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", stdout=out)
    assert ended.value.code == 1
    assert "FAILURE  broker: The broker does not answer." in out.getvalue()
    assert "-> " in out.getvalue()
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", stdout=out)
    assert json.loads(out.getvalue())["ok"] is False


def test_a_process_says_at_its_start_what_is_away(clients: Clients, caplog: pytest.LogCaptureFixture) -> None:
    from mapgan_site import startup

    startup._look()
    assert "Broker: The broker does not answer." in caplog.text
    assert "REDIS_URL" in caplog.text
