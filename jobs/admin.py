"""Workers and pauses in the administration: to look at. Processes and the page of workers write them."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from jobs.models import QueuePause, Worker


class _LookOnly:
    """What processes and services write is not edited by hand."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never: pauses are an audit trail, and a worker's row comes back."""
        return False


@admin.register(QueuePause)
class QueuePauseAdmin(_LookOnly, admin.ModelAdmin[QueuePause]):
    """Who paused and resumed which queue."""

    list_display = ("queue", "paused_at", "paused_by", "resumed_at", "resumed_by", "reason")
    list_filter = ("queue",)
    list_select_related = ("paused_by", "resumed_by")
    search_fields = ("reason", "paused_by__username")
    date_hierarchy = "paused_at"


@admin.register(Worker)
class WorkerAdmin(_LookOnly, admin.ModelAdmin[Worker]):
    """Processes that signed within the last day."""

    list_display = ("name", "role", "hostname", "device", "version", "started_at", "heartbeat_at")
    list_filter = ("role", "version")
    search_fields = ("name", "hostname", "device")
