"""Training's rows for staff: to look at, and to help; files are made and removed by services only."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from training_jobs.models import Dataset, DatasetVersion, Sweep, SweepNote, Trial, Upload


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


@admin.register(Sweep)
class SweepAdmin(ReadOnlyAdmin, admin.ModelAdmin[Sweep]):
    """Searches for better settings."""

    list_display = (
        "name", "state", "method", "pruner", "size", "concurrency", "dataset_version", "created_by",
        "created_at", "finished_at",
    )  # fmt: skip
    list_filter = ("state", "method", "pruner")
    search_fields = ("name", "dataset_version__dataset__name", "problem")
    list_select_related = ("dataset_version__dataset", "created_by")
    date_hierarchy = "created_at"


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin, admin.ModelAdmin[Trial]):
    """What sweeps tried."""

    list_display = ("sweep", "number", "values", "run", "pruned_step", "refusal", "held", "again")
    list_filter = ("held", "again", "sweep__state")
    search_fields = ("sweep__name", "run__name", "refusal")
    list_select_related = ("sweep", "run")


@admin.register(SweepNote)
class SweepNoteAdmin(ReadOnlyAdmin, admin.ModelAdmin[SweepNote]):
    """Who did what to a sweep, and what it did by itself."""

    list_display = ("at", "sweep", "kind", "by", "message")
    list_filter = ("kind",)
    search_fields = ("sweep__name", "message", "by__username")
    list_select_related = ("sweep", "by")
    date_hierarchy = "at"
