"""Training's rows for staff: to look at, and to help; files are made and removed by services only."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from training_jobs.models import Dataset, DatasetVersion, Upload


class ReadOnlyAdmin:
    """No adding, changing or deleting past the services, which know of the files."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Rows come with files."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A version never changes; what is said of a dataset has a page of its own."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Files would stay behind."""
        return False


@admin.register(Dataset)
class DatasetAdmin(ReadOnlyAdmin, admin.ModelAdmin[Dataset]):
    """Datasets."""

    list_display = ("name", "licence", "ground_resolution", "created_by", "created_at")
    search_fields = ("name", "description", "attribution")
    list_select_related = ("created_by",)


@admin.register(DatasetVersion)
class DatasetVersionAdmin(ReadOnlyAdmin, admin.ModelAdmin[DatasetVersion]):
    """Versions and how their examination went."""

    list_display = (
        "dataset",
        "number",
        "state",
        "source",
        "location",
        "archive_bytes",
        "worker",
        "created_at",
    )
    list_filter = ("state", "source")
    search_fields = ("dataset__name", "location", "error_code", "archive_sha256")
    list_select_related = ("dataset",)
    date_hierarchy = "created_at"


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin, admin.ModelAdmin[Upload]):
    """Files on their way in."""

    list_display = ("filename", "owner", "size", "received", "touched_at")
    search_fields = ("filename", "owner__username")
    list_select_related = ("owner",)
