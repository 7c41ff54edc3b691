"""Error pages: ours, without a way to fail themselves."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.test import Client, override_settings
from django.urls import path

from mapgan_site.urls import urlpatterns as site
from tests.pages.helpers import text_of


def forbidden(request: HttpRequest) -> None:
    raise PermissionDenied("This belongs to somebody else.")


def suspicious(request: HttpRequest) -> None:
    raise SuspiciousOperation


def broken(request: HttpRequest) -> None:
    raise ZeroDivisionError


urlpatterns = [path("403/", forbidden), path("400/", suspicious), path("500/", broken), *site]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/403/", 403, "This belongs to somebody else."),
        ("/400/", 400, "makes no sense"),
        ("/404/", 404, "not on the map"),
        ("/500/", 500, "our fault"),
    ],
)
@pytest.mark.parametrize("who", ["alice", "nobody"])
def test_pages(
    alice_client: Client, anonymous_client: Client, who: str, address: str, status: int, words: str
) -> None:
    client = alice_client if who == "alice" else anonymous_client
    client.raise_request_exception = False
    with override_settings(ROOT_URLCONF=__name__, DEBUG=False):
        response = client.get(address)
    assert response.status_code == status
    assert words in text_of(response)
    assert 'class="site-header"' in response.content.decode()


@pytest.mark.parametrize("name", ["400", "403", "403_csrf", "404", "413", "429", "500", "503"])
def test_they_need_no_request_and_no_database(name: str) -> None:
    html = render_to_string(f"{name}.html")
    assert html.count("<h1") == 1
    assert "noindex" in html
