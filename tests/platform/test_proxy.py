"""The proxy of docker-compose.yml, asked for real: whose word counts, and files under the site's name."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from allauth.account.adapter import get_adapter
from django.test import RequestFactory
from pytest_django import Settings

from mapgan_site.policies import s3_storage
from storage.s3 import PrivateS3Storage
from tests.support.live import ROOT
from tests.support.processes import spawn
from tests.support.s3 import S3Server
from tests.support.waiting import answers, free_ports, wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no Caddy from a wheel")

BUCKET = "proxied"
KEYS = ("access_key", "secret_key")


class Site:
    """In the place of the web process: keeps the headers that the proxy sent."""

    def __init__(self) -> None:
        """It listens."""
        self.headers: list[dict[str, str]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.headers.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.close()


@pytest.fixture
def proxy(tmp_path: Path, site: Site) -> Iterator[Callable[..., str]]:
    """Starts Caddy with our file and these variables; returns where it listens."""
    text = (ROOT / "deploy" / "Caddyfile").read_text()
    assert "web:8000" in text
    file = tmp_path / "Caddyfile"
    file.write_text(text.replace("web:8000", f"127.0.0.1:{site.server.server_port}"))
    with ExitStack() as stack:

        def start(**variables: str) -> str:
            (port,) = free_ports(1)
            own = {
                "BUCKET": BUCKET,
                "FILES_UPSTREAM": "127.0.0.1:9",
                "REQUEST_LIMIT": "32MiB",
                "SITE_ADDRESS": f"http://localhost:{port}",
                "TRUSTED_NETWORKS": "192.0.2.0/24",
                "XDG_DATA_HOME": str(tmp_path / "data"),
                "XDG_CONFIG_HOME": str(tmp_path / "config"),
            }
            command = [str(Path(sys.executable).parent / "caddy"), "run", "--config", str(file)]
            with (tmp_path / "caddy.log").open("ab") as log:
                process = spawn(
                    [*command, "--adapter", "caddyfile"],
                    env={**os.environ, **own, **variables},
                    stdout=log,
                    stderr=log,
                )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            wait_until(lambda: answers(port), seconds=30, what="Caddy")
            return f"http://localhost:{port}"

        yield start


def test_a_strangers_word_on_who_asks_is_dropped(proxy: Callable[..., str], site: Site) -> None:
    address = proxy()
    said = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    requests.get(f"{address}/gallery/", headers=said, timeout=20)
    (seen,) = site.headers
    assert seen["x-forwarded-for"] == "127.0.0.1"
    assert seen["x-forwarded-proto"] == "http"


def test_a_load_balancers_word_counts(proxy: Callable[..., str], site: Site, settings: Settings) -> None:
    """And what comes through both is what MAPGAN_TRUSTED_PROXIES=2 wants."""
    address = proxy(TRUSTED_NETWORKS="10.0.0.0/8 127.0.0.0/8 ::1/128")
    said = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    requests.get(f"{address}/accounts/login/", headers=said, timeout=20)
    (seen,) = site.headers
    assert seen["x-forwarded-proto"] == "https"
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    request = RequestFactory().get("/", headers={"X-Forwarded-For": seen["x-forwarded-for"]})
    assert get_adapter().get_client_ip(request) == "203.0.113.9"


def test_the_s3_server_is_not_shown_who_is_signed_in(proxy: Callable[..., str], site: Site) -> None:
    """Browsers and programs send both on to the same host; S3 servers refuse a second signature."""
    address = proxy(FILES_UPSTREAM=f"127.0.0.1:{site.server.server_port}")
    signed_in = {"Authorization": "Bearer token", "Cookie": "sessionid=secret"}
    requests.get(f"{address}/{BUCKET}/results/1.png", headers=signed_in, timeout=20)
    (seen,) = site.headers
    assert not {"authorization", "cookie"} & set(seen)
    assert seen["host"] == address.removeprefix("http://"), "the host is part of the signature"


def test_figures_are_not_for_the_world(proxy: Callable[..., str], site: Site) -> None:
    address = proxy()
    assert requests.get(f"{address}/metrics", timeout=20).status_code == 404
    assert site.headers == []


def test_files_come_under_the_sites_name_and_may_do_nothing_there(
    proxy: Callable[..., str], site: Site, s3_server: S3Server, tmp_path: Path
) -> None:
    s3_server.make_bucket(BUCKET)
    s3_server.client().put_object(Bucket=BUCKET, Key="results/1.html", Body=b"<script>alert(1)</script>")
    address = proxy(FILES_UPSTREAM=s3_server.endpoint_url.removeprefix("http://"))
    s3 = {
        "bucket_name": BUCKET,
        "endpoint_url": s3_server.endpoint_url,
        "public_endpoint_url": address,
        "region_name": "us-east-1",
        "addressing_style": "path",
        **{key: getattr(s3_server, key) for key in KEYS},
        **dict.fromkeys(("location", "encryption", "kms_key"), ""),
    }
    storage = PrivateS3Storage(**s3_storage(s3, link_seconds=60)["OPTIONS"])
    link = storage.link("results/1.html", content_type="text/html", disposition="inline", seconds=60)
    assert link.startswith(f"{address}/{BUCKET}/")
    answer = requests.get(link, timeout=20)
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert requests.get(link.partition("?")[0], timeout=20).status_code == 403, "no signature, no file"
    assert requests.put(link, data=b"x", timeout=20).status_code == 405
    assert requests.get(f"{address}/{BUCKET}", timeout=20).status_code == 200, "the site's, as any other"
    assert len(site.headers) == 1
    assert "Signature" not in (tmp_path / "caddy.log").read_text(), "a link is a key"
