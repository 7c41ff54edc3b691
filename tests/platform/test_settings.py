"""The two modes, each in a process of its own: what production insists on, and that it is clean then."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.broker import Broker
from tests.support.live import ROOT, clean_environment
from tests.support.s3 import S3Server

SECRET = "a-secret-of-this-test-" + "0123456789abcdefghijklmnop" * 2
PRODUCTION = {
    "MAPGAN_ENV": "production",
    "MAPGAN_SECRET_KEY": SECRET,
    "MAPGAN_ALLOWED_HOSTS": "maps.example.org",
    "MAPGAN_TRUSTED_PROXIES": "1",
}


def run(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A Python process in a clean environment."""
    return subprocess.run(
        [sys.executable, *command],
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )


def settings_of(var: Path, *names: str, **variables: str) -> dict[str, Any]:
    """The named settings as a process with these variables sees them."""
    code = (
        "import json\nfrom mapgan_site import settings\n"
        f"print(json.dumps({{name: getattr(settings, name, None) for name in {names!r}}}, default=str))"
    )
    result = run("-c", code, MAPGAN_VAR_DIR=str(var), **variables)
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout))


def refusal(var: Path, **variables: str) -> str:
    """What a process with these variables says before it ends."""
    result = run("-c", "import mapgan_site.settings", MAPGAN_VAR_DIR=str(var), **variables)
    assert result.returncode == 1
    assert "ImproperlyConfigured" in result.stderr
    return result.stderr.strip().splitlines()[-1]


def test_a_laptop_needs_no_variable(tmp_path: Path) -> None:
    names = (
        "DEBUG",
        "SECRET_KEY",
        "ALLOWED_HOSTS",
        "SESSION_COOKIE_SECURE",
        "SECURE_SSL_REDIRECT",
        "STORAGE",
    )
    found = settings_of(tmp_path, *names, "CELERY_BROKER_URL", "EMBEDDED_BROKER")
    assert found["SECRET_KEY"] == (tmp_path / "secret_key").read_text()
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert not found["DEBUG"]
    assert "*" not in found["ALLOWED_HOSTS"]
    assert not found["SESSION_COOKIE_SECURE"]
    assert not found["SECURE_SSL_REDIRECT"]
    assert found["EMBEDDED_BROKER"]


def test_production_is_strict(tmp_path: Path) -> None:
    names = ("DEBUG", "SECRET_KEY", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT")
    found = settings_of(tmp_path, *names, "SECURE_HSTS_SECONDS", "SECURE_PROXY_SSL_HEADER", **PRODUCTION)
    assert found.pop("SECRET_KEY") == SECRET
    assert found.pop("DEBUG") is False
    assert found.pop("SECURE_HSTS_SECONDS") >= 31_536_000
    assert found.pop("SECURE_PROXY_SSL_HEADER") == ["HTTP_X_FORWARDED_PROTO", "https"]
    assert all(found.values())
    assert not (tmp_path / "secret_key").exists()


@pytest.mark.parametrize("missing", ["MAPGAN_SECRET_KEY", "MAPGAN_ALLOWED_HOSTS"])
def test_production_has_no_defaults_for(missing: str, tmp_path: Path) -> None:
    assert missing in refusal(tmp_path, **{**PRODUCTION, missing: ""})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MAPGAN_ENV", "prod"),
        ("MAPGAN_DEBUG", "maybe"),
        ("MAPGAN_STORAGE", "disk"),
        ("MAPGAN_MAX_UPLOAD_MB", "20MB"),
        ("MAPGAN_LOG_LEVEL", "LOUD"),
        ("MAPGAN_MAX_UPLOAD", "20"),
        ("MAPGAN_JOB_LEASE_SECONDS", "12"),
        ("MAPGAN_TRUSTED_PROXIES", "-1"),
        ("DATABASE_URL", "mysql://host/name"),
        ("REDIS_URL", "http://host"),
        ("EMAIL_URL", "mail.example.org"),
        ("PORT", "http"),
    ],
)
def test_an_unknown_value_or_variable_stops_the_start(variable: str, value: str, tmp_path: Path) -> None:
    assert variable in refusal(tmp_path, **{variable: value})


def test_s3_needs_its_bucket_and_key(tmp_path: Path) -> None:
    s3 = {"MAPGAN_STORAGE": "s3", "MAPGAN_S3_BUCKET": "maps"}
    assert "needs MAPGAN_S3_BUCKET" in refusal(tmp_path, MAPGAN_STORAGE="s3")
    said = refusal(tmp_path, **s3, MAPGAN_S3_ACCESS_KEY_ID="k")
    assert "MAPGAN_S3_SECRET_ACCESS_KEY is missing" in said
    assert "MAPGAN_S3_PREFIX" in refusal(tmp_path, **s3, MAPGAN_S3_PREFIX="../others")
    assert "MAPGAN_S3_ENCRYPTION" in refusal(tmp_path, **s3, MAPGAN_S3_KMS_KEY_ID="key")
    assert settings_of(tmp_path, "STORAGE", **s3) == {"STORAGE": "s3"}, "the machine's role has the key"


def test_proxy_headers_are_ignored_by_default(tmp_path: Path) -> None:
    found = settings_of(tmp_path, "SECURE_PROXY_SSL_HEADER", "ALLAUTH_TRUSTED_PROXY_COUNT")
    assert found == {"SECURE_PROXY_SSL_HEADER": None, "ALLAUTH_TRUSTED_PROXY_COUNT": 0}


def test_secrets_from_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(SECRET + "\n")
    (tmp_path / "database").write_text("postgresql://u:p@h/n\n")
    variables = {**PRODUCTION, "MAPGAN_SECRET_KEY": "", "MAPGAN_SECRET_KEY_FILE": str(tmp_path / "key")}
    files = {"DATABASE_URL_FILE": str(tmp_path / "database")}
    found = settings_of(tmp_path, "SECRET_KEY", "DATABASES", **variables, **files)
    assert found["SECRET_KEY"] == SECRET
    assert found["DATABASES"]["default"]["PASSWORD"] == "p"


@pytest.mark.s3
def test_check_deploy_is_clean_in_production(tmp_path: Path, s3_server: S3Server) -> None:
    s3_server.make_bucket("check-deploy")
    broker = Broker(tmp_path / "broker.sock")
    broker.start()
    try:
        variables = {**PRODUCTION, **s3_server.environment("check-deploy"), "MAPGAN_VAR_DIR": str(tmp_path)}
        checked = run("manage.py", "check", "--deploy", "--fail-level", "INFO", **variables)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "no issues (0 silenced)" in checked.stdout
        wrong = {**variables, "MAPGAN_S3_SECRET_ACCESS_KEY": "wrong"}
        checked = run("manage.py", "check", "--deploy", **wrong)
        assert "MAPGAN_S3_SECRET_ACCESS_KEY does not belong" in checked.stderr
    finally:
        broker.close()


def test_check_deploy_names_what_is_missing(tmp_path: Path) -> None:
    missing = {"MAPGAN_S3_BUCKET": "b", "MAPGAN_S3_ACCESS_KEY_ID": "k", "MAPGAN_S3_SECRET_ACCESS_KEY": "s"}
    nobody = {"MAPGAN_STORAGE": "s3", "MAPGAN_S3_ENDPOINT_URL": "http://127.0.0.1:9", **missing}
    checked = run("manage.py", "check", "--deploy", MAPGAN_VAR_DIR=str(tmp_path), **PRODUCTION, **nobody)
    assert checked.returncode == 0, "a service that is away must not keep a site from starting"
    assert "mapgan.W001) The broker does not answer: look at REDIS_URL" in checked.stderr
    assert "REDIS_URL" in checked.stderr
    assert "mapgan.W002) The S3 server does not answer: look at MAPGAN_S3_ENDPOINT_URL" in checked.stderr


def test_a_fresh_clone_migrates_and_is_told_about_generators(tmp_path: Path) -> None:
    migrated = run("manage.py", "migrate", "-v", "0", MAPGAN_VAR_DIR=str(tmp_path))
    assert migrated.returncode == 0, migrated.stderr
    checked = run("manage.py", "check", "--database", "default", MAPGAN_VAR_DIR=str(tmp_path))
    assert "mapgan.W003) No generator is published" in checked.stderr
    assert "load_bundled" in checked.stderr
    plain = run("manage.py", "check", MAPGAN_VAR_DIR=str(tmp_path))
    assert "no issues" in plain.stdout, "a plain check looks at no service"
