"""Notifications in the administration: to look at. Endpoints are edited on their own pages; secrets are shown
nowhere."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from notifications.models import Delivery, Endpoint, Event, Preference


class _LookOnly:
    """Rows are written by services alone."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Never: an event that is gone would be found and told again."""
        return False


@admin.register(Event)
class EventAdmin(_LookOnly, admin.ModelAdmin[Event]):
    """What happened."""

    list_display = ("kind", "title", "owner", "happened_at", "created_at")
    list_filter = ("kind",)
    list_select_related = ("owner",)
    search_fields = ("title", "reason", "about")
    date_hierarchy = "happened_at"


@admin.register(Delivery)
class DeliveryAdmin(_LookOnly, admin.ModelAdmin[Delivery]):
    """How telling went."""

    list_display = ("event", "endpoint", "user", "state", "attempts", "next_attempt_at", "delivered_at")
    list_filter = ("state", "endpoint")
    list_select_related = ("event", "endpoint", "user")
    search_fields = ("event__title", "user__username", "endpoint__name")
    date_hierarchy = "created_at"


@admin.register(Endpoint)
class EndpointAdmin(_LookOnly, admin.ModelAdmin[Endpoint]):
    """Where webhooks go."""

    list_display = ("name", "url", "is_active", "failing_since", "created_by", "created_at")
    list_filter = ("is_active",)
    list_select_related = ("created_by",)
    search_fields = ("name", "url")
    exclude = ("secret", "old_secret")


@admin.register(Preference)
class PreferenceAdmin(admin.ModelAdmin[Preference]):
    """What mail people want; staff may help."""

    list_display = ("user", "scope", "on_finish", "on_failure", "on_alarm")
    list_filter = ("scope",)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    autocomplete_fields = ("user",)
