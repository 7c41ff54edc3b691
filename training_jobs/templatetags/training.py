"""Small parts of training's tables."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import template

register = template.Library()


@register.inclusion_tag("components/sort_head.html")
def sort_head(
    title: str, name: str, sort: str, address: str, *, better: str = "", default: bool = False
) -> dict[str, Any]:
    """The head of a column that sorts its table.

    Args:
        sort: how the table is sorted now: a column's name, with ``-`` before it for the other way round.
        address: of the page with the table, and where on it.
        better: ``higher``: its first use puts large values first.
        default: the table is sorted by this one when nobody asks.
    """
    first = f"-{name}" if better == "higher" else name
    other = name if better == "higher" else f"-{name}"
    shown = sort or (name if default else "")
    page, _, place = address.partition("#")
    return {
        "title": title,
        "better": {"higher": "↑", "lower": "↓"}.get(better, ""),
        "href": f"{page}?{urlencode({'sort': other if shown == first else first})}#{place}",
        "direction": {name: "ascending", f"-{name}": "descending"}.get(shown, ""),
    }
