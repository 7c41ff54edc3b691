"""People and their tokens in the administration."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from accounts.models import ApiToken, User


@admin.register(User)
class PersonAdmin(UserAdmin[User]):
    """Make staff, reset passwords, and lock people out by taking "active" away.

    Nobody is deleted here: deleting cascades over their translations, whose stored files have to go as well.
    """

    list_display = ("username", "email", "is_active", "is_staff", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    ordering = ("-date_joined",)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Never; see the class."""
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """Who has which token and when it was last used. Staff may revoke one; its owner alone makes one."""

    list_display = ("name", "user", "hint", "created_at", "last_used_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
    readonly_fields = ("name", "user", "hint", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The token itself is shown to its owner alone."""
        return False
