"""Pictures leave through the view, with headers that make them harmless."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import User
from tests.pages.helpers import text_of
from tests.translator.factories import opened, translated
from translator.models import Generator


def body(response: object) -> bytes:
    return b"".join(response.streaming_content)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["original", "result"])
def test_shown_or_saved(alice_client: Client, alice: User, generator: Generator, kind: str) -> None:
    row = translated(alice, generator)
    shown = alice_client.get(f"/translations/{row.pk}/files/{kind}/")
    assert shown["Content-Type"] == "image/png"
    assert shown["X-Content-Type-Options"] == "nosniff"
    assert shown["Content-Disposition"].startswith("inline")
    assert "private" in shown["Cache-Control"]
    assert opened(body(shown)).shape == (32, 48, 3)
    saved = alice_client.get(f"/translations/{row.pk}/files/{kind}/?download=1")
    assert saved["Content-Disposition"].startswith("attachment")
    body(saved)


def test_a_browser_that_has_it_is_told_so(alice_client: Client, alice: User, generator: Generator) -> None:
    address = f"/translations/{translated(alice, generator).pk}/files/result-thumbnail/"
    first = alice_client.get(address)
    assert first["Content-Type"] == "image/webp"
    body(first)
    assert alice_client.get(address, headers={"If-None-Match": first["ETag"]}).status_code == 304


def test_a_lost_file_is_a_404(alice_client: Client, alice: User, generator: Generator) -> None:
    row = translated(alice, generator)
    (Path(settings.MEDIA_ROOT) / row.result).unlink()
    assert alice_client.get(f"/translations/{row.pk}/files/result/").status_code == 404


def test_a_storage_that_is_away_is_a_503(alice_client: Client, alice: User, generator: Generator) -> None:
    row = translated(alice, generator)
    folder = (Path(settings.MEDIA_ROOT) / row.result).parent
    folder.rename(folder.with_name("away"))
    folder.write_text("not a folder")
    response = alice_client.get(f"/translations/{row.pk}/files/result/")
    assert response.status_code == 503
    assert response["Retry-After"]
    assert "try again" in text_of(response)
