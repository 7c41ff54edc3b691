"""Small words and figures for templates."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import template
from django.core.paginator import Page
from django.templatetags.static import static

from jobs.models import QueuePause
from jobs.selectors import queue_pause_of
from translator.models import Direction

register = template.Library()


@register.filter
def percent(share: float) -> int:
    """0..1 as a whole number of per cent; 100 only when it is all."""
    return min(99, int(share * 100)) if share < 1 else 100


@register.filter
def duration(length: timedelta | None) -> str:
    """How long something took, to two parts at most: ``0.8 s``, ``42 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if length is None:
        return ""
    seconds = length.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, whole = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{whole} s"
    hours, minutes = divmod(minutes, 60)
    return f"{minutes} min {whole} s" if hours == 0 else f"{hours} h {minutes} min"


@register.filter
def span(seconds: float | None) -> str:
    """So many seconds, as `duration` says it."""
    return duration(None if seconds is None else timedelta(seconds=seconds))


@register.filter
def megabytes(size: int) -> str:
    """A file's size as people say it (decimal units, as on the form's limits)."""
    if size < 1_000_000:
        return f"{max(1, round(size / 1000))} kB"
    if size < 1_000_000_000:
        return f"{size / 1_000_000:.1f}".removesuffix(".0") + " MB"
    return f"{size / 1_000_000_000:.1f}".removesuffix(".0") + " GB"


@register.filter
def input_name(direction: str) -> str:
    """What goes into a generator of this direction."""
    return "Map" if direction == Direction.MAP_TO_SATELLITE else "Satellite image"


@register.filter
def output_name(direction: str) -> str:
    """What comes out of it."""
    return "Satellite image" if direction == Direction.MAP_TO_SATELLITE else "Map"


@register.filter
def place_name(stem: str) -> str:
    """A sample's file name as a title: ``old-town`` is ``Old town``."""
    return stem.replace("-", " ").replace("_", " ").capitalize()


@register.simple_tag
def sample_address(name: str) -> str:
    """Where a sample map's picture is."""
    return static(f"samples/{name}.png")


@register.inclusion_tag("components/queue_paused.html")
def queue_notice(queue: str) -> dict[str, QueuePause | None]:
    """Tell people whose work waits that the operator has paused this queue; nothing when it is not."""
    return {"pause": queue_pause_of(queue)}


@register.inclusion_tag("components/pager.html", takes_context=True)
def pager(
    context: dict[str, Any], page: Page[Any], before: str = "Newer", after: str = "Older"
) -> dict[str, Any]:
    """Links to the other pages of a list, keeping its filters; two words name its neighbours."""
    numbers = page.paginator.get_elided_page_range(page.number, on_each_side=1, on_ends=1)
    return {
        "request": context["request"],
        "page": page,
        "numbers": list(numbers),
        "before": before,
        "after": after,
    }
