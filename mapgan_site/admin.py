"""What people did in the administration, and anywhere to datasets and runs (`services.audit` of training)."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest


@admin.register(LogEntry)
class LogEntryAdmin(admin.ModelAdmin[LogEntry]):
    """Who made, changed and deleted what; nobody edits it."""

    list_display = ("action_time", "user", "content_type", "object_repr", "action_flag", "words")
    list_filter = ("action_flag", "content_type")
    list_select_related = ("user", "content_type")
    search_fields = ("object_repr", "change_message", "user__username")
    date_hierarchy = "action_time"

    @admin.display(description="what")
    def words(self, entry: LogEntry) -> str:
        """What was done, in words."""
        return entry.get_change_message()

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: LogEntry | None = None) -> bool:
        """Never."""
        return False
