"""The web process: what it imports, the headers it sends, what it refuses before reading it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.services import api_token_create
from storage.s3 import PrivateS3Storage
from tests.support.broker import Broker, forget_connections
from tests.support.live import ROOT, clean_environment

PATHS = (
    "/",
    "/translate/",
    "/translations/",
    "/gallery/",
    "/account/",
    "/accounts/login/",
    "/admin/",
    "/admin/translator/generator/",
    "/api/v1/generators/",
    "/api/schema/",
    "/api/docs/",
    "/healthz",
    "/training/runs/new/",
    "/training/sweeps/new/",
    "/training/runs/compare/",
)
VISITS = (
    f"""
PATHS = {PATHS!r}
"""
    + """
import json, sys
from django.core.management import call_command
from mapgan_site.wsgi import application
call_command("migrate", verbosity=0)
call_command("collectstatic", verbosity=0, interactive=False)
from accounts.models import User
from django.test import Client
User.objects.create_superuser("carol", "", "carol-password")
statuses = {}
for signed_in in (False, True):
    client = Client(SERVER_NAME="localhost")
    if signed_in:
        client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    for path in PATHS:
        statuses[f"{path} {signed_in}"] = client.get(path).status_code
heavy = sorted({name.partition(".")[0] for name in sys.modules}
               & {"tensorflow", "keras", "jax", "onnxruntime", "onnx", "torch", "optuna"})
print(json.dumps({"statuses": statuses, "heavy": heavy, "inference": "mapgan.inference" in sys.modules}))
"""
)


def test_the_web_process_imports_no_framework(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", VISITS],
        env=clean_environment(MAPGAN_VAR_DIR=str(tmp_path)),
        capture_output=True,
        text=True,
        timeout=200,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["heavy"] == []
    assert not found["inference"]
    assert {path: status for path, status in found["statuses"].items() if status >= 500} == {}
    assert found["statuses"]["/translate/ True"] == found["statuses"]["/admin/ True"] == 200


def policy(header: str) -> dict[str, list[str]]:
    """Directive -> sources."""
    return {name: sources for name, *sources in (part.split() for part in header.split(";"))}


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/gallery/", "/healthz", "/nowhere/"])
def test_content_security_policy(anonymous_client: Client, path: str) -> None:
    response = anonymous_client.get(path)
    sent = policy(response["Content-Security-Policy"])
    assert sent["default-src"] == sent["script-src"] == sent["style-src"] == ["'self'"]
    assert sent["img-src"] == ["'self'", "data:", "blob:"]
    assert sent["frame-ancestors"] == sent["object-src"] == ["'none'"]
    assert sent["form-action"] == ["'self'"]
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"


def test_swagger_alone_may_style_inline(anonymous_client: Client) -> None:
    sent = policy(anonymous_client.get("/api/docs/")["Content-Security-Policy"])
    assert sent["style-src"] == ["'self'", "'unsafe-inline'"]
    assert sent["script-src"] == ["'self'"]


def test_pictures_may_come_from_the_s3_server(tmp_path: Path) -> None:
    code = "from mapgan_site.settings import *; print(CONTENT_SECURITY_POLICY['DIRECTIVES']['img-src'])"
    variables = {
        "MAPGAN_VAR_DIR": str(tmp_path),
        "MAPGAN_STORAGE": "s3",
        "MAPGAN_S3_BUCKET": "maps",
        "MAPGAN_S3_ACCESS_KEY_ID": "k",
        "MAPGAN_S3_SECRET_ACCESS_KEY": "s",
    }
    for more, origin in (
        ({"MAPGAN_S3_ENDPOINT_URL": "http://s3:8333"}, "http://s3:8333"),
        (
            {
                "MAPGAN_S3_ENDPOINT_URL": "http://s3:8333",
                "MAPGAN_S3_PUBLIC_ENDPOINT_URL": "https://files.example.org",
            },
            "https://files.example.org",
        ),
        (
            {"MAPGAN_S3_ENDPOINT_URL": "https://s3.example.org", "MAPGAN_S3_ADDRESSING_STYLE": "virtual"},
            "https://maps.s3.example.org",
        ),
        ({"MAPGAN_S3_REGION": "eu-west-1"}, "https://maps.s3.eu-west-1.amazonaws.com"),
    ):
        result = subprocess.run(
            [sys.executable, "-c", code],
            env=clean_environment(**variables, **more),
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        )
        assert f"'{origin}'" in result.stdout, more


def test_links_are_signed_for_the_address_that_browsers_know() -> None:
    options = {"bucket_name": "maps", "access_key": "k", "secret_key": "s", "signature_version": "s3v4"}
    common = {**options, "region_name": "us-east-1", "addressing_style": "path", "querystring_expire": 60}
    inside = PrivateS3Storage(**common, endpoint_url="http://s3:8333")
    outside = PrivateS3Storage(
        **common, endpoint_url="http://s3:8333", public_endpoint_url="https://files.example.org"
    )
    assert inside.url("a/b.png").startswith("http://s3:8333/maps/a/b.png?")
    link = outside.url("a/b.png", parameters={"ResponseContentType": "image/png"})
    assert link.startswith("https://files.example.org/maps/a/b.png?")
    assert "X-Amz-Expires=60" in link
    assert "response-content-type=image%2Fpng" in link


@pytest.mark.parametrize("path", ["/translate/", "/api/v1/translations/", "/accounts/login/"])
def test_a_body_that_is_too_large_is_refused_unread(
    anonymous_client: Client, settings: Settings, path: str
) -> None:
    class Untouched:
        def read(self, *_: object) -> bytes:
            raise AssertionError("The body was read.")

        readline = read

    length = str(settings.REQUEST_MAX_BYTES + 1)
    response = anonymous_client.generic("POST", path, **{"CONTENT_LENGTH": length, "wsgi.input": Untouched()})
    assert response.status_code == 413
    assert "20 MB" in response.content.decode()
    if path.startswith("/api/"):
        assert response["Content-Type"] == "application/problem+json"
        assert response.json()["status"] == 413
        assert response.json()["code"] == "too_large"


def test_a_chunked_body_is_refused(anonymous_client: Client) -> None:
    response = anonymous_client.post("/api/v1/translations/", headers={"transfer-encoding": "chunked"})
    assert response.status_code == 411
    assert response.json()["code"] == "length_required"


@pytest.mark.parametrize(
    "path",
    ["/account/", "/accounts/password/change/", "/accounts/email/", "/gallery/", "/nowhere/", "/admin/"],
)
def test_pages_of_somebody_we_know_are_kept_by_no_cache(alice_client: Client, path: str) -> None:
    assert "no-store" in alice_client.get(path)["Cache-Control"]


def test_the_api_varies_by_who_asks(anonymous_client: Client, alice: User) -> None:
    _, token = api_token_create(user=alice, name="test")
    answer = anonymous_client.get("/api/v1/translations/", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert "Authorization" in answer["Vary"]
    assert "Authorization" in anonymous_client.get("/api/v1/gallery/")["Vary"]


def test_old_sessions_are_cleared(client: Client, alice: User) -> None:
    from celery import current_app
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    Session.objects.create(session_key="old", expire_date=timezone.now() - timezone.timedelta(days=1))
    current_app.loader.import_default_modules()  # as a worker does
    task = current_app.conf.beat_schedule["clear-sessions"]["task"]
    current_app.tasks[task].apply(throw=True)
    assert not Session.objects.filter(session_key="old").exists()
    assert client.get("/account/").status_code == 200


def test_admin_signs_in_through_the_site(anonymous_client: Client) -> None:
    response = anonymous_client.get("/admin/login/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/accounts/login/")


def test_publishing_from_a_new_thread_reaches_the_broker(broker: Broker) -> None:
    """gunicorn's request threads are not the one that imported the Celery app."""
    failures: list[BaseException] = []

    def publish() -> None:
        from celery import current_app

        try:
            current_app.send_task("translator.translate", args=["x"], queue="translate", retry=False)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            failures.append(error)

    thread = threading.Thread(target=publish)
    thread.start()
    thread.join()
    assert failures == []
    assert broker.queued("translate") == 1


def test_publishing_to_a_dead_broker_fails_at_once(settings: Settings) -> None:
    import time

    from celery import current_app
    from kombu.exceptions import OperationalError

    forget_connections()
    started = time.monotonic()
    with pytest.raises(OperationalError):
        current_app.send_task("translator.translate", args=["x"], retry=False)
    assert time.monotonic() - started < 1.5
