"""The same system on PostgreSQL, another Redis server and S3, in production mode: only variables differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil
import requests

from tests.support.broker import Broker
from tests.support.live import ROOT, LiveStack
from tests.support.postgres import Postgres
from tests.support.s3 import S3Server
from tests.support.waiting import wait_until

BUCKET = "production"


def test_a_translation_on_production_parts(
    live_stacks: Callable[..., LiveStack], postgres: Postgres, s3_server: S3Server, tmp_path: Path
) -> None:
    postgres.execute("CREATE DATABASE production")
    s3_server.make_bucket(BUCKET)
    broker = Broker(tmp_path / "redis.sock")
    broker.start()
    (tmp_path / "database-url").write_text(postgres.url("production"))
    try:
        stack = live_stacks(
            MAPGAN_ENV="production",
            MAPGAN_SECRET_KEY="0123456789" * 6,
            MAPGAN_ALLOWED_HOSTS="maps.example.org",
            MAPGAN_TRUSTED_PROXIES="1",
            DATABASE_URL_FILE=str(tmp_path / "database-url"),
            REDIS_URL=f"unix://{broker.socket}",
            **s3_server.environment(BUCKET),
        )
        _translate(stack, s3_server)
        assert stack._process is not None
        names = {process.name() for process in psutil.Process(stack._process.pid).children(recursive=True)}
        assert not {name for name in names if "valkey" in name}, "no broker of its own where one is given"
        assert not (stack.var / "db.sqlite3").exists()
        assert not (stack.var / "media").exists()
        assert not (stack.var / "secret_key").exists()
    finally:
        broker.close()


def _translate(stack: LiveStack, s3_server: S3Server) -> None:
    """Through the proxy's eyes: HTTPS outside, plain HTTP inside."""
    session = requests.Session()
    session.headers.update({"Host": "maps.example.org"})
    answer = session.get(f"{stack.url}/gallery/", allow_redirects=False, timeout=20)
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://maps.example.org/gallery/")
    session.headers["X-Forwarded-Proto"] = "https"
    answer = session.get(f"{stack.url}/gallery/", timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert s3_server.endpoint_url in answer.headers["Content-Security-Policy"]

    session.headers["Authorization"] = f"Bearer {stack.add_user('prod-alice')}"
    generator = session.get(f"{stack.url}/api/v1/generators/", timeout=20).json()["results"][0]
    image = next((ROOT / "samples").glob("*.png"))
    with image.open("rb") as file:
        made = session.post(
            f"{stack.url}/api/v1/translations/",
            data={"generator": generator["id"], "visibility": "private"},
            files={"image": file},
            timeout=30,
        )
    assert made.status_code == 202, made.text
    address = f"{stack.url}/api/v1/translations/{made.json()['id']}/"

    def finished() -> dict[str, str] | None:
        found = session.get(address, timeout=20).json()
        return found if found["status"] in ("succeeded", "failed") else None

    found = wait_until(finished, seconds=90, what="the translation", every=0.3)
    assert found["status"] == "succeeded", stack.logs()
    path = "/" + found["result_url"].split("/", 3)[3]
    redirect = session.get(stack.url + path, allow_redirects=False, timeout=20)
    assert redirect.status_code == 302
    link = redirect.headers["Location"]
    assert link.startswith(f"{s3_server.endpoint_url}/{BUCKET}/")
    picture = requests.get(link, timeout=20)  # the signature is the key: no other header
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert requests.get(link.partition("?")[0], timeout=20).status_code == 403, "no signature, no file"
    assert requests.get(link.replace("Signature=", "Signature=0"), timeout=20).status_code == 403
