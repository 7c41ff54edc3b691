"""What pages of the administration share."""

from __future__ import annotations

from django.http import HttpRequest


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
