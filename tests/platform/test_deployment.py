"""What docker-compose.yml, the Dockerfile and the scripts beside them promise; linters see their form."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from jobs.child import GRACE_SECONDS
from mapgan_site.env import Env
from scripts import process
from tests.support.live import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if "build" in each}
TARGETS = {"web", "translate", "translate-gpu", "train", "train-gpu"}
SECONDS = re.compile(r"(\d+)s")


def test_every_role_has_a_service_in_each_whole_profile() -> None:
    for profile in ("cpu", "gpu"):
        roles = {each["command"][0] for each in OURS.values() if profile in each["profiles"]}
        assert roles == set(process.ROLES)


def test_a_site_and_its_workers_are_all_of_it_and_nothing_twice() -> None:
    for kind in ("cpu", "gpu"):
        parts = [
            name
            for name, each in OURS.items()
            for profile in each["profiles"]
            if profile in ("site", f"workers-{kind}")
        ]
        assert sorted(parts) == sorted(name for name, each in OURS.items() if kind in each["profiles"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_is_closed(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["restart"] in ("unless-stopped", "on-failure:5")
    assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
    assert "privileged" not in service
    assert bool(service.get("ports")) == (name == "caddy"), "the proxy alone is reached from outside"
    assert COMPOSE["networks"]["services"]["internal"] is True
    secret = {"password", "secret", "key", "token"}
    for variable, value in service.get("environment", {}).items():
        if secret & set(variable.lower().split("_")) and value:
            assert variable.endswith("_FILE"), f"{variable}: a secret belongs in a file"


def test_databases_are_in_nobodys_way_out() -> None:
    for name in ("postgres", "redis", "seaweedfs", "bucket"):
        assert SERVICES[name]["networks"] == ["services"]


def test_workers_die_before_what_everybody_needs() -> None:
    scores = {name: each.get("oom_score_adj", 0) for name, each in SERVICES.items()}
    workers = [score for name, score in scores.items() if name.startswith(("translate", "data", "train"))]
    assert max(scores[name] for name in ("postgres", "redis", "seaweedfs")) < scores["web"] < 0 < min(workers)
    assert scores["train"] > scores["translate"]


def test_nothing_is_killed_while_it_saves() -> None:
    for name in ("train", "train-gpu", "data"):
        match = SECONDS.fullmatch(SERVICES[name]["stop_grace_period"])
        assert match
        assert int(match[1]) > GRACE_SECONDS + 20


def test_requests_under_way_are_answered_when_the_site_stops() -> None:
    environment = OURS["web"]["environment"]
    match = re.fullmatch(r"\$\{MAPGAN_WEB_GRACE_SECONDS:-(\d+)\}", environment["MAPGAN_WEB_GRACE_SECONDS"])
    stop = SECONDS.fullmatch(OURS["web"]["stop_grace_period"])
    assert match
    assert stop
    assert 20 <= int(match[1]) < int(stop[1])


def test_a_database_that_is_only_being_made_is_not_ready() -> None:
    """The image's first server listens on its Unix socket alone, fills the data folder and ends."""
    command = SERVICES["postgres"]["healthcheck"]["test"]
    assert command[command.index("--host") + 1] == "127.0.0.1"


def test_mail_comes_from_the_site() -> None:
    sender = "${MAPGAN_EMAIL_FROM:-MapGAN <mapgan@${SITE_HOST:-localhost}>}"
    assert all(each["environment"]["MAPGAN_EMAIL_FROM"] == sender for each in OURS.values())


def test_prepare_is_more_patient_than_restarts_are() -> None:
    waits = SERVICES["prepare"]["environment"]["MAPGAN_PREPARE_WAIT_SECONDS"]
    assert waits == "${MAPGAN_PREPARE_WAIT_SECONDS:-600}"


def test_the_broker_keeps_what_it_is_given() -> None:
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_the_dockerfile_has_the_targets_that_services_ask_for() -> None:
    stages = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert set(stages) >= TARGETS
    for service in OURS.values():
        target = service["build"]["target"]
        assert target in TARGETS
        assert service["image"].endswith(f"-{target}")


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_each_image_says_whether_it_is_well_and_is_nobody(target: str) -> None:
    text = (ROOT / "Dockerfile").read_text()
    stage = text[text.index(f" AS {target}\n") :]
    stage = stage[: stage.find("\nFROM ")] if "\nFROM " in stage else stage
    assert re.search(rf'^HEALTHCHECK .*"{target.removesuffix("-gpu")}"\]$', stage, re.MULTILINE)
    users = re.findall(r"^USER (\S+)$", stage, re.MULTILINE)
    assert not users or users[-1] == "10001:10001"


def test_no_secret_of_a_clone_gets_into_an_image() -> None:
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    assert next(rule for rule in rules if not rule.startswith("#")) == "*"
    allowed = {rule.removeprefix("!").partition("/")[0] for rule in rules if rule.startswith("!")}
    assert not allowed & {".env", ".git", "secrets", "tests", "var", "deploy"}


def test_every_package_gets_into_an_image() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["build-backend"][
        "module-name"
    ]
    rules = (ROOT / ".dockerignore").read_text().splitlines()
    for name in {*packages, *(path.parent.name for path in ROOT.glob("*/apps.py")), "templates", "static"}:
        assert f"!{name}" in rules


@pytest.fixture
def secrets_folder(tmp_path: Path) -> Path:
    """What ``deploy/make-secrets`` makes in a clone of its own."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "make-secrets", tmp_path / "deploy")
    subprocess.run(["sh", str(tmp_path / "deploy" / "make-secrets")], check=True, capture_output=True)
    return tmp_path / "secrets"


def test_secrets_are_what_the_services_expect(secrets_folder: Path) -> None:
    files = {path.name: path.read_text().strip() for path in secrets_folder.iterdir()}
    expected = {each["file"].rpartition("/")[2] for each in COMPOSE["secrets"].values()}
    assert set(files) == expected == set(COMPOSE["secrets"])
    assert stat.S_IMODE(secrets_folder.stat().st_mode) == 0o700
    assert len(files["secret_key"]) >= 50
    assert files["postgres_password"] in files["database_url"]
    assert files["redis_url"] == f"redis://:{files['redis.conf'].removeprefix('requirepass ')}@redis:6379/0"
    identity = json.loads(files["s3.json"])["identities"][0]
    assert identity["credentials"] == [
        {"accessKey": files["s3_access_key_id"], "secretKey": files["s3_secret_access_key"]}
    ]
    assert Env({"X_FILE": str(secrets_folder / "secret_key")}).secret("X") == files["secret_key"]


def test_what_docker_compose_starts_is_written_down(secrets_folder: Path) -> None:
    """Every service has a profile: without one, `docker compose up`, `pull` and `stop` select nothing."""
    assert all(each["profiles"] for each in SERVICES.values())
    file = secrets_folder.parent / ".env"
    assert "COMPOSE_PROFILES=cpu" in file.read_text().splitlines()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_secrets_are_made_once(secrets_folder: Path) -> None:
    before = {path.name: path.read_text() for path in secrets_folder.iterdir()}
    (secrets_folder / "redis_url").unlink()
    script = secrets_folder.parent / "deploy" / "make-secrets"
    said = subprocess.run(["sh", str(script)], check=True, capture_output=True, text=True).stdout
    assert said.startswith("1 secrets made")
    assert {path.name: path.read_text() for path in secrets_folder.iterdir()} == before
