"""Updating, backing up and restoring in containers: the scripts of deploy/, asked for real."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import yaml

from tests.support.engine import Engine
from tests.support.live import ROOT, clean_environment
from tests.support.postgres import Postgres
from tests.support.processes import spawn
from tests.support.s3 import S3Server

SERVERS = "bucket postgres redis seaweedfs"
OURS = "prepare web caddy beat maintenance tensorboard translate-gpu data train-gpu"
WHOLE = f"{SERVERS} {OURS}"
BUCKET = "saved"


def test_an_update_migrates_before_anything_stops(tmp_path: Path) -> None:
    engine = Engine(tmp_path, WHOLE)
    assert engine.run("deploy/up").returncode == 0
    assert engine.asked == [
        "docker compose run --rm prepare",
        "docker compose up --detach --no-deps prepare",
        "docker compose up --detach --no-deps web",
        "docker compose up --detach --remove-orphans",
    ]


def test_a_migration_that_fails_leaves_the_old_site_alone(tmp_path: Path) -> None:
    engine = Engine(tmp_path, WHOLE)
    assert engine.run("deploy/up", ENGINE_PREPARE="1").returncode != 0
    assert engine.asked == ["docker compose run --rm prepare"]


def test_a_machine_of_workers_migrates_nothing(tmp_path: Path) -> None:
    engine = Engine(tmp_path, "translate-gpu data train-gpu")
    assert engine.run("deploy/up").returncode == 0
    assert engine.asked == ["docker compose up --detach --remove-orphans"]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with one commit and deploy/ec2/tag."""
    folder = tmp_path / "clone"
    (folder / "deploy" / "ec2").mkdir(parents=True)
    shutil.copy(ROOT / "deploy" / "ec2" / "tag", folder / "deploy" / "ec2")
    git(folder, "init", "--quiet")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "-m", "a")
    return folder


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


def checked_out(clone: Path) -> tuple[int, str]:
    ran = subprocess.run(
        ["sh", str(clone / "deploy" / "ec2" / "tag")],
        env=os.environ | {"TAG_FILE": str(clone / "told")},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, (ran.stdout or ran.stderr).strip()


def test_two_tags_on_one_commit(clone: Path) -> None:
    status, said = checked_out(clone)
    assert (status, "No release is checked out" in said) == (1, True)
    for tag in ("v1.2.10-rc1", "v1.2.9", "nightly", "v1.2.10", "v1.2.10-rc2"):
        git(clone, "tag", tag)
    assert checked_out(clone) == (0, "v1.2.10")
    (clone / "told").write_text("v1.2.10-rc1\n")
    assert checked_out(clone) == (0, "v1.2.10-rc1"), "what the workflow deployed"
    (clone / "told").write_text("v1.1.0\n")
    assert checked_out(clone) == (0, "v1.2.10"), "it is not what is checked out any more"


# --- Backup and restore, with a real database and real objects ------------------------------------------


@pytest.fixture
def engine(tmp_path: Path, postgres: Postgres, s3_server: S3Server) -> Iterator[Engine]:
    """One machine with everything, and a site that was prepared."""
    postgres.execute("CREATE ROLE mapgan SUPERUSER LOGIN")
    postgres.execute("CREATE DATABASE mapgan OWNER mapgan")
    s3_server.make_bucket(BUCKET)
    made = Engine(
        tmp_path,
        WHOLE,
        DATABASE_URL=postgres.url("mapgan"),
        ENGINE_POSTGRES=str(postgres.programs),
        PGHOST="127.0.0.1",
        PGPORT=str(postgres.port),
        **s3_server.environment(BUCKET),
    )
    yield made
    for name in databases(postgres):
        postgres.execute(f"DROP DATABASE {name} WITH (FORCE)")
    postgres.execute("DROP ROLE mapgan")


def databases(postgres: Postgres) -> list[str]:
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        rows = admin.execute("SELECT datname FROM pg_database WHERE datname LIKE 'mapgan%'")
        return [str(row[0]) for row in rows]


def manage(engine: Engine, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=engine.environment | {"MAPGAN_VAR_DIR": str(engine.folder / "var")},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    return ran.stdout


def objects(s3_server: S3Server) -> dict[str, int]:
    listed = s3_server.client().list_objects_v2(Bucket=BUCKET).get("Contents", [])
    return {each["Key"]: each["Size"] for each in listed}


@pytest.mark.s3
def test_what_was_saved_comes_back(
    engine: Engine, postgres: Postgres, s3_server: S3Server, tmp_path: Path
) -> None:
    manage(engine, "prepare")
    stored = objects(s3_server)
    assert stored
    saved = tmp_path / "backup"
    for _ in range(2):  # the second one sends nothing again
        ran = engine.run("deploy/backup", str(saved))
        assert ran.returncode == 0, ran.stderr
    assert "0 copied" in ran.stdout
    assert (saved / "database.dump").stat().st_mode & 0o077 == 0

    with psycopg.connect(postgres.url("mapgan"), autocommit=True) as site:
        site.execute("DELETE FROM translator_generator")
    for key in stored:
        s3_server.client().delete_object(Bucket=BUCKET, Key=key)

    broken = tmp_path / "broken.dump"
    broken.write_bytes((saved / "database.dump").read_bytes()[:20_000])
    assert engine.run("deploy/restore", str(broken)).returncode != 0
    assert not [line for line in engine.asked if " stop " in line], "a dump that cannot be read stops nothing"

    ran = engine.run("deploy/restore", str(saved))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert objects(s3_server) == stored
    with psycopg.connect(postgres.url("mapgan")) as site:
        row = site.execute("SELECT count(*) FROM translator_generator").fetchone()
        assert row == (len(list((ROOT / "generators").glob("*.onnx"))),)
    (before,) = [name for name in databases(postgres) if name.startswith("mapgan_before_")]
    assert before in ran.stdout
    (stop,) = [line for line in engine.asked if " stop " in line]
    assert stop.split()[3:] == OURS.split()
    assert "docker compose run --rm bucket" in engine.asked, "on a new machine there is none"
    assert engine.asked[-1] == "docker compose up --detach --remove-orphans"


def test_a_database_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    server = Postgres()
    process = spawn(
        [sys.executable, "scripts/process.py", "prepare"],
        env=clean_environment(
            DATABASE_URL=server.url(), MAPGAN_PREPARE_WAIT_SECONDS="120", MAPGAN_VAR_DIR=str(tmp_path / "var")
        )
        | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        said = [process.stdout.readline().decode() for _ in range(2)]
        assert "The database does not answer. Waiting for it" in said[1], said
        server.start()
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 0, output.decode()
        assert b"with the password" in output
    finally:
        process.kill()
        process.wait()
        server.close()


@pytest.mark.s3
def test_the_bucket_is_there_or_the_service_fails(s3_server: S3Server) -> None:
    """The very command of docker-compose.yml, against a real server."""
    service = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["bucket"]
    command = service["command"][0].replace("$$", "$")
    for name, port in (("master", 9333), ("filer", 8888)):
        assert f"seaweedfs:{port}" in command
        command = command.replace(f"seaweedfs:{port}", s3_server.address(name))

    def make(bucket: str) -> int:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"BUCKET": bucket, "PATH": path}
        return subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True).returncode

    assert make("made-by-compose") == 0
    assert make("made-by-compose") == 0, "it is there already"
    names = [each["Name"] for each in s3_server.client().list_buckets()["Buckets"]]
    assert "made-by-compose" in names
    assert make("No_Bucket") != 0
