"""Runs, checkpoints and the jobs around them in the administration: to look at, and to help."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from jobs.services import jobs_changed
from training_jobs.admin_base import ReadOnlyAdmin, person
from training_jobs.models import (
    Checkpoint,
    CurveChunk,
    Evaluation,
    Publication,
    RunNote,
    TimeLapse,
    TrainingRun,
)
from training_jobs.services.checkpoints import checkpoints_pin
from training_jobs.services.evaluations import evaluation_cancel, evaluation_retry
from training_jobs.services.publications import publication_cancel, publication_retry
from training_jobs.services.timelapses import timelapse_cancel, timelapse_retry


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnlyAdmin, admin.ModelAdmin[TrainingRun]):
    """Trainings; what is done to them is done on their pages, which know what follows."""

    list_display = (
        "name", "state", "step", "wish", "attempt", "resumed_step", "error_code", "worker", "heartbeat_at",
        "dataset_version", "created_by", "created_at",
    )  # fmt: skip
    list_filter = ("state", "wish", "created_at")
    search_fields = ("name", "dataset_version__dataset__name", "error_code", "error_message")
    list_select_related = ("dataset_version__dataset", "created_by")
    date_hierarchy = "created_at"


@admin.register(RunNote)
class RunNoteAdmin(ReadOnlyAdmin, admin.ModelAdmin[RunNote]):
    """Who did what to a run, and what it did by itself."""

    list_display = ("at", "run", "kind", "by", "step", "message")
    list_filter = ("kind",)
    search_fields = ("run__name", "message", "by__username")
    list_select_related = ("run", "by")
    date_hierarchy = "at"


@admin.register(CurveChunk)
class CurveChunkAdmin(ReadOnlyAdmin, admin.ModelAdmin[CurveChunk]):
    """Logged steps, packed."""

    list_display = ("run", "first_step", "last_step", "rows")
    search_fields = ("run__name",)
    list_select_related = ("run",)


@admin.register(Checkpoint)
class CheckpointAdmin(ReadOnlyAdmin, admin.ModelAdmin[Checkpoint]):
    """Stored checkpoints; they are deleted on the run's page, which knows what depends on them."""

    list_display = ("run", "step", "size_bytes", "pinned", "attempt", "measured", "created_at")
    list_filter = ("pinned", "created_at")
    search_fields = ("run__name", "weights_sha256")
    list_select_related = ("run",)
    date_hierarchy = "created_at"
    actions = ("pin", "unpin")

    @admin.display(boolean=True, description="Measured")
    def measured(self, checkpoint: Checkpoint) -> bool:
        """While it trained."""
        return bool(checkpoint.measures)

    @admin.action(description="Pin (retention leaves them alone)", permissions=["view"])
    def pin(self, request: HttpRequest, queryset: QuerySet[Checkpoint]) -> None:
        """Keep them."""
        self._pin(request, queryset, pinned=True)

    @admin.action(description="No longer pinned", permissions=["view"])
    def unpin(self, request: HttpRequest, queryset: QuerySet[Checkpoint]) -> None:
        """Let retention decide."""
        self._pin(request, queryset, pinned=False)

    def _pin(self, request: HttpRequest, queryset: QuerySet[Checkpoint], *, pinned: bool) -> None:
        chosen = list(queryset.select_related("run"))
        changed = checkpoints_pin(checkpoints=chosen, by=person(request), pinned=pinned)
        self.message_user(request, f"Changed: {changed}.")


class JobAdmin(ReadOnlyAdmin):
    """What jobs around checkpoints share."""

    @admin.action(description="Cancel", permissions=["view"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Stop those that are queued or running."""
        done = jobs_changed(jobs=queryset, change=lambda job: self.stop(job, person(request)))
        messages.info(request, f"Cancelled: {done}.")

    @admin.action(description="Try again", permissions=["view"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Queue those that failed or were cancelled."""
        done = jobs_changed(jobs=queryset, change=lambda job: self.again(job, person(request)))
        messages.info(request, f"Queued again: {done}.")

    def stop(self, job: Any, by: User) -> bool:
        """One of them, by its service."""
        raise NotImplementedError

    def again(self, job: Any, by: User) -> bool:
        """One of them, by its service."""
        raise NotImplementedError


@admin.register(Evaluation)
class EvaluationAdmin(JobAdmin, admin.ModelAdmin[Evaluation]):
    """Checkpoints measured on demand."""

    list_display = ("checkpoint", "tiles", "state", "error_code", "worker", "created_by", "created_at")
    search_fields = ("checkpoint__run__name", "error_code", "error_message")
    list_filter = ("state", "created_at")
    list_select_related = ("checkpoint__run", "created_by")
    date_hierarchy = "created_at"
    actions = ("cancel", "retry")

    def stop(self, job: Evaluation, by: User) -> bool:
        """By the service."""
        return evaluation_cancel(evaluation=job, by=by)

    def again(self, job: Evaluation, by: User) -> bool:
        """Not while another one is at the same."""
        return evaluation_retry(evaluation=job, by=by)


@admin.register(Publication)
class PublicationAdmin(JobAdmin, admin.ModelAdmin[Publication]):
    """Checkpoints on their way to the translator."""

    list_display = (
        "title", "name", "direction", "state", "generator", "everyone", "error_code", "created_by",
        "created_at",
    )  # fmt: skip
    list_filter = ("state", "direction", "everyone", "created_at")
    search_fields = ("title", "name", "checkpoint__run__name", "error_code")
    list_select_related = ("generator", "created_by")
    date_hierarchy = "created_at"
    actions = ("cancel", "retry")

    def stop(self, job: Publication, by: User) -> bool:
        """By the service."""
        return publication_cancel(publication=job, by=by)

    def again(self, job: Publication, by: User) -> bool:
        """Not without its checkpoint."""
        return publication_retry(publication=job, by=by)


@admin.register(TimeLapse)
class TimeLapseAdmin(JobAdmin, admin.ModelAdmin[TimeLapse]):
    """Samples of runs over time."""

    list_display = ("run", "direction", "state", "frames", "size_bytes", "last_step", "created_at")
    list_filter = ("state", "direction")
    search_fields = ("run__name", "error_code")
    list_select_related = ("run",)
    actions = ("cancel", "retry")

    def stop(self, job: TimeLapse, by: User) -> bool:
        """By the service."""
        return timelapse_cancel(timelapse=job, by=by)

    def again(self, job: TimeLapse, by: User) -> bool:
        """By the service."""
        return timelapse_retry(timelapse=job, by=by)
