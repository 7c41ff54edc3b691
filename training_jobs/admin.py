"""Training's rows for staff: to look at, and to help; files are made and removed by services only."""

from __future__ import annotations

from django.contrib import admin

from training_jobs.admin_base import ReadOnlyAdmin
from training_jobs.admin_datasets import DatasetAdmin, DatasetVersionAdmin, UploadAdmin, UploadChunkAdmin
from training_jobs.admin_runs import (
    CheckpointAdmin,
    EvaluationAdmin,
    PublicationAdmin,
    TimeLapseAdmin,
    TrainingRunAdmin,
)
from training_jobs.models import Sweep, SweepNote, Trial

__all__ = [
    "CheckpointAdmin", "DatasetAdmin", "DatasetVersionAdmin", "EvaluationAdmin", "PublicationAdmin",
    "TimeLapseAdmin", "TrainingRunAdmin", "UploadAdmin", "UploadChunkAdmin",
]  # fmt: skip


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
