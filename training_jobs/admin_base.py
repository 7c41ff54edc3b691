"""What pages of the administration share."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from accounts.models import User


def person(request: HttpRequest) -> User:
    """Who is there; nobody gets in here without an account."""
    assert isinstance(request.user, User)  # noqa: S101 - for the types
    return request.user


class LoggedByServices:
    """The services write the log: of what they did, not of what was asked of them."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Not once more."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Not once more, and not of what stays."""


class ReadOnlyAdmin:
    """No adding, changing or deleting past the services, which know of the files."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Rows come with files."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Rows are changed by services alone."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Files would stay behind."""
        return False
