"""Queue lengths for an auto-scaling group: counted from the rows, sent by the real client over a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.models import User
from jobs.models import NEVER, JobState
from jobs.queues import queue_pause
from mapgan_site import cloudwatch
from tests.platform.test_settings import settings_of
from tests.translator.factories import published, submitted, translated
from translator.models import Translation


@dataclass
class Heard:
    """What a server at CloudWatch's address was sent, and what it answers."""

    status: int = 200
    requests: list[tuple[str, bytes]] = field(default_factory=list)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """A server in the place of CloudWatch's; the client speaks its real protocol to it."""
    heard = Heard()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.requests.append((self.headers["Authorization"] or "", body))
            self.send_response(heard.status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "role")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-this-machine")
    yield heard
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.django_db
def test_what_waits_and_what_runs(alice: User, carol: User) -> None:
    generator = published()
    translated(alice, generator)
    waiting, running, held = (submitted(alice, generator) for _ in range(3))
    Translation.objects.filter(pk=running.pk).update(state=JobState.RUNNING)
    Translation.objects.filter(pk=held.pk).update(not_before=NEVER)
    assert waiting.state == JobState.QUEUED
    lengths = cloudwatch.queue_lengths()
    assert lengths["translate"] == (1, 1), "what is done, and what is held, waits for nobody"
    assert lengths["train"] == (0, 0)
    queue_pause(queue="translate", by=carol)
    assert cloudwatch.queue_lengths()["translate"] == (0, 1), "no machine is started for a paused queue"


@pytest.mark.django_db
def test_they_are_sent(alice: User, settings: Settings, endpoint: Heard) -> None:
    settings.CLOUDWATCH_NAMESPACE = "MapGAN/test"
    submitted(alice, published())
    assert cloudwatch.publish_queue_lengths()
    ((authorization, body),) = endpoint.requests
    assert "/us-east-1/monitoring/aws4_request" in authorization
    for word in (b"MapGAN/test", b"Backlog", b"Waiting", b"translate", b"train", b"Count"):
        assert word in body


@pytest.mark.django_db
def test_an_amazon_that_refuses_harms_nothing(
    settings: Settings, endpoint: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    settings.CLOUDWATCH_NAMESPACE = "MapGAN/test"
    endpoint.status = 403
    assert not cloudwatch.publish_queue_lengths()
    assert "MAPGAN_CLOUDWATCH_NAMESPACE" in caplog.text


def test_nothing_is_published_unless_asked_for(tmp_path: Path) -> None:
    name = "publish-queue-lengths"
    assert name not in settings_of(tmp_path, "CELERY_BEAT_SCHEDULE")["CELERY_BEAT_SCHEDULE"]
    asked = settings_of(tmp_path, "CELERY_BEAT_SCHEDULE", MAPGAN_CLOUDWATCH_NAMESPACE="MapGAN")
    assert asked["CELERY_BEAT_SCHEDULE"][name]["options"]["queue"] == "maintenance"
