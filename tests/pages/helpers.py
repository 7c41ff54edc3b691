"""Reading pages in tests."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

from django.http import HttpResponse

HTMX = {"HX-Request": "true"}


def text_of(response: HttpResponse | Any) -> str:
    """What a person reads: without tags, white space made single."""
    html = response.content.decode()
    html = re.sub(r"<(script|style|noscript|template)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def links_of(response: HttpResponse | Any) -> set[str]:
    """Where its links and forms lead."""
    return set(re.findall(r'(?:href|action)="([^"]+)"', response.content.decode()))
