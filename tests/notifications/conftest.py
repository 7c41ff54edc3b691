"""Fixtures of the tests of notifications: a receiver of webhooks, a mail server, and runs that end."""

from __future__ import annotations

import http.server
import ipaddress
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from mapgan.presets import preset
from notifications.models import Endpoint
from notifications.services import endpoint_create
from notifications.sources import KINDS
from tests.pages.conftest import clients
from training_jobs.models import Dataset, DatasetVersion, TrainingRun

__all__ = ["clients"]


@dataclass
class Receiver:
    """A web server that keeps what it is sent and answers as it is told.

    Attributes:
        answers: statuses to give, the last one for ever.
    """

    port: int = 0
    answers: list[int] = field(default_factory=lambda: [200])
    body: bytes = b"thanks"
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook?key=1"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    """It listens on this machine, which the settings allow here."""
    settings.WEBHOOK_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]
    told = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.heard.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(told.answers.pop(0) if len(told.answers) > 1 else told.answers[0])
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_: Any) -> None:
            """Quietly."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield told
        server.shutdown()


@pytest.fixture
def endpoint(carol: User, receiver: Receiver) -> Endpoint:
    """It hears everything."""
    return endpoint_create(by=carol, name="Chat", url=receiver.url, kinds=list(KINDS))[0]


@pytest.fixture
def ended_run(carol: User) -> Callable[..., TrainingRun]:
    """Make a run that ended just now; by Carol, unless the fields say otherwise."""
    dataset = Dataset.objects.create(name="Town", created_by=carol)
    version = DatasetVersion.objects.create(
        dataset=dataset, number=1, source="upload", state="succeeded", archive="a", report="r"
    )

    def make(state: str = "succeeded", **fields: Any) -> TrainingRun:
        values = {
            "name": "First",
            "created_by": carol,
            "attempt": 1,
            "step": 200,
            "finished_at": timezone.now(),
            **fields,
        }
        return TrainingRun.objects.create(
            dataset_version=version, config=preset("draft").to_dict(), state=state, **values
        )

    return make
