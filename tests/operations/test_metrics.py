"""/metrics and /readyz: figures from the rows, for those who may have them, with labels that stay few."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from accounts.models import User
from jobs import lifecycle
from jobs.queues import queue_pause
from jobs.workers import worker_sign
from mapgan_site.operations import metrics
from notifications.services import endpoint_create, endpoint_test
from tests.operations.conftest import Clients
from tests.support.live import ROOT, clean_environment
from tests.support.waiting import free_ports
from tests.translator.factories import submitted, translated
from translator.models import Generator, Translation

pytestmark = pytest.mark.database
TOKEN = {"HTTP_AUTHORIZATION": "Bearer open-sesame"}


@pytest.fixture(autouse=True)
def _settings(settings: Settings) -> None:
    """A token, and nothing remembered of another test."""
    settings.METRICS_TOKEN = "open-sesame"
    metrics.remembered.forget()


def scraped(client: Client) -> dict[str, dict[tuple[str, ...], float]]:
    """Name -> label values -> value, read by Prometheus' own parser."""
    answer = client.get("/metrics", **TOKEN)
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.content.decode())
    return {
        family.name: {tuple(sample.labels.values()): sample.value for sample in family.samples}
        for family in families
    }


def test_figures_are_those_of_the_rows(
    clients: Clients, alice: User, carol: User, generator: Generator
) -> None:
    worker_sign(role="translate", queues=["translate"], first=True)
    done, waiting, running = (make(alice, generator) for make in (translated, submitted, submitted))
    Translation.objects.filter(pk=waiting.pk).update(queued_at=lifecycle.from_now(-300))
    lifecycle.claim(Translation, running.pk, "gone:1")
    Translation.objects.filter(pk=running.pk).update(
        heartbeat_at=lifecycle.from_now(-90), lease_expires_at=lifecycle.from_now(-30)
    )
    queue_pause(queue="train", by=carol)
    endpoint = endpoint_create(by=carol, name="x", url="https://8.8.8.8/", kinds=[])[0]
    endpoint_test(endpoint=endpoint, by=carol)
    found = scraped(clients["nobody"])
    assert found["mapgan_queue_waiting"]["translate",] == 1
    assert 295 < found["mapgan_queue_oldest_seconds"]["translate",] < 330
    assert found["mapgan_queue_paused"] | {("train",): 0} == dict.fromkeys(found["mapgan_queue_paused"], 0)
    assert found["mapgan_queue_paused"]["train",] == 1
    assert found["mapgan_queue_workers"]["translate",] == 1
    assert found["mapgan_workers"]["translate",] == 1
    assert found["mapgan_worker_heartbeat_age_seconds"]["translate",] < 40
    assert 85 < found["mapgan_job_heartbeat_age_seconds"]["translation",] < 130
    assert found["mapgan_job_leases_expired"]["translation",] == 1
    states = {state: value for (kind, state), value in found["mapgan_jobs"].items() if kind == "translation"}
    assert states == {"queued": 1, "running": 1, "succeeded": 1, "failed": 0, "cancelled": 0}
    assert ("translation", "0.9") in found["mapgan_job_duration_seconds"]
    done.refresh_from_db()
    assert found["mapgan_storage_bytes"]["results",] == done.result_bytes
    assert found["mapgan_notifications_pending"] == {("mail",): 0, ("webhook",): 1}


def test_more_rows_cost_no_more_questions_and_no_more_labels(
    clients: Clients,
    alice: User,
    generator: Generator,
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    first = len(clients["nobody"].get("/metrics", **TOKEN).content.splitlines())
    row = submitted(alice, generator)
    rows = [
        Translation(owner=alice, generator=generator, original="x", original_thumbnail="x", seed=1, **sizes)
        for sizes in [{"width": row.width, "height": 1, "source_format": "PNG", "source_bytes": 1}] * 400
    ]
    Translation.objects.bulk_create(rows)
    metrics.remembered.forget()
    with django_assert_max_num_queries(60):  # type: ignore[attr-defined]
        assert scraped(clients["nobody"])["mapgan_queue_waiting"]["translate",] == 401
    assert len(clients["nobody"].get("/metrics", **TOKEN).content.splitlines()) == first


def test_who_may_scrape(clients: Clients, settings: Settings) -> None:
    for name, client in clients.items():
        assert client.get("/metrics").status_code == (200 if name == "carol" else 404), name
        assert client.get("/metrics", HTTP_AUTHORIZATION="Bearer wrong").status_code == (
            200 if name == "carol" else 404
        )
        assert client.get("/metrics", **TOKEN).status_code == 200
        assert client.post("/metrics").status_code in (404, 405)
    settings.METRICS_TOKEN = ""
    for header in ("Bearer ", "Bearer", ""):
        assert clients["nobody"].get("/metrics", HTTP_AUTHORIZATION=header).status_code == 404


def test_a_network_that_may_scrape(clients: Clients, settings: Settings) -> None:
    settings.METRICS_NETWORKS = [ipaddress.ip_network("10.0.0.0/8")]
    nobody = clients["nobody"]
    assert nobody.get("/metrics", REMOTE_ADDR="10.2.3.4").status_code == 200
    assert nobody.get("/metrics", REMOTE_ADDR="192.0.2.1").status_code == 404
    forged = {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "10.2.3.4"}
    assert nobody.get("/metrics", **forged).status_code == 404, "without a proxy of ours, a header is nothing"
    settings.TRUSTED_PROXIES = 1
    proxied = {"REMOTE_ADDR": "10.0.0.9", "HTTP_X_FORWARDED_FOR": "10.2.3.4, 192.0.2.1"}
    assert nobody.get("/metrics", **proxied).status_code == 404, (
        "what the proxy saw counts, not what it was told"
    )
    proxied["HTTP_X_FORWARDED_FOR"] = "192.0.2.1, 10.2.3.4"
    assert nobody.get("/metrics", **proxied).status_code == 200


def test_machines_ask_under_any_name_and_in_plain_http(clients: Clients, settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    by_address = {"HTTP_HOST": "10.1.2.3:8000"}
    for path in ("/healthz", "/readyz"):
        assert clients["nobody"].get(path, **by_address).status_code == 200, path
    assert clients["nobody"].get("/metrics", **TOKEN, **by_address).status_code == 200
    assert clients["nobody"].get("/gallery/", **by_address).status_code == 400


def test_ready_means_the_tables_are_there(client: Client, db: None, tmp_path: Path) -> None:
    assert client.get("/readyz").json() == {"status": "ready"}
    code = (
        "import json, django; django.setup()\n"
        "from django.test import Client\n"
        "answer = Client().get('/readyz', HTTP_HOST='10.0.0.1')\n"
        "print(answer.status_code, answer.json()['message'])"
    )
    nobody = f"postgresql://someone:hidden@127.0.0.1:{free_ports(1)[0]}/maps"
    for variables, words in (
        ({}, "503 The database lacks tables of this version: run migrate."),
        ({"DATABASE_URL": nobody}, "503 The database does not answer."),
    ):
        own = {"DJANGO_SETTINGS_MODULE": "mapgan_site.settings", "MAPGAN_VAR_DIR": str(tmp_path), **variables}
        asked = subprocess.run(
            [sys.executable, "-c", code],
            env=clean_environment(**own),
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert asked.stdout.strip() == words, asked.stderr
        assert "hidden" not in asked.stderr
