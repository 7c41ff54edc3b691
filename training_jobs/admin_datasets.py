"""Datasets, versions and uploads in the administration: to look at, and to help by the services."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, F, Q, QuerySet, Sum
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from jobs.services import jobs_changed
from training_jobs.admin_base import LoggedByServices, ReadOnlyAdmin, person
from training_jobs.models import Dataset, DatasetVersion, Upload, UploadChunk
from training_jobs.services import (
    About,
    DatasetRefused,
    dataset_delete,
    dataset_update,
    upload_discard,
    version_cancel,
    version_delete,
    version_retry,
)
from training_jobs.services.uploads import AWAITED


class VersionInline(ReadOnlyAdmin, admin.TabularInline[DatasetVersion, Dataset]):
    """A dataset's versions, with links."""

    model = DatasetVersion
    fields = readonly_fields = (
        "number", "state", "source", "location", "split_kind", "archive_bytes", "created_at",
    )  # fmt: skip
    show_change_link = True


@admin.register(Dataset)
class DatasetAdmin(LoggedByServices, admin.ModelAdmin[Dataset]):
    """What is said of a dataset can be changed here as on its own page; its pictures never."""

    list_display = (
        "name", "version_count", "stored", "licence", "attribution", "ground_resolution", "created_by",
        "created_at",
    )  # fmt: skip
    list_filter = ("licence", "created_at")
    search_fields = ("=id", "name", "description", "attribution", "licence")
    list_select_related = ("created_by",)
    date_hierarchy = "created_at"
    fields = (
        "name", "description", "attribution", "licence", "ground_resolution", "id", "created_by",
        "created_at",
    )  # fmt: skip
    readonly_fields = ("id", "created_by", "created_at")
    inlines = (VersionInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dataset]:
        """With what lists show of the versions."""
        rows = super().get_queryset(request)
        return rows.annotate(_versions=Count("versions"), _bytes=Sum("versions__archive_bytes"))

    @admin.display(description="versions", ordering="_versions")
    def version_count(self, dataset: Dataset) -> int:
        """How many there are."""
        return int(getattr(dataset, "_versions", 0))

    @admin.display(description="stored", ordering="_bytes")
    def stored(self, dataset: Dataset) -> str:
        """Size of all archives."""
        return filesizeformat(getattr(dataset, "_bytes", 0) or 0)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A dataset comes with pictures."""
        return False

    def save_model(self, request: HttpRequest, obj: Dataset, form: Any, change: bool) -> None:
        """By the service; the form has seen to the name."""
        values = form.cleaned_data
        about = About(**{name: values[name] for name in About.__dataclass_fields__})
        dataset_update(dataset=Dataset.objects.get(pk=obj.pk), by=person(request), about=about)

    def delete_model(self, request: HttpRequest, obj: Dataset) -> None:
        """With its versions and files."""
        self.delete_queryset(request, Dataset.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Dataset]) -> None:
        """With their versions and files, those that nothing uses."""
        for dataset in queryset:
            try:
                dataset_delete(dataset=dataset, by=person(request))
            except DatasetRefused as refusal:
                self.message_user(request, f"{dataset}: {refusal}", messages.ERROR)


@admin.register(DatasetVersion)
class DatasetVersionAdmin(LoggedByServices, ReadOnlyAdmin, admin.ModelAdmin[DatasetVersion]):
    """Versions: how their examination went, what was found, how they are divided."""

    list_display = (
        "dataset", "number", "state", "pairs", "findings", "source", "location", "split_kind", "size",
        "attempt", "worker", "created_by", "created_at",
    )  # fmt: skip
    list_display_links = ("dataset", "number")
    list_filter = ("state", "source", "split_kind", "error_code", "created_at")
    search_fields = ("=id", "dataset__name", "location", "error_code", "error_message", "archive_sha256")
    list_select_related = ("dataset", "created_by")
    date_hierarchy = "created_at"
    show_full_result_count = False
    actions = ("cancel", "retry")

    @admin.display(description="findings")
    def findings(self, version: DatasetVersion) -> str:
        """Errors, warnings and notices."""
        found = version.summary.get("findings")
        return " / ".join(str(found[kind]) for kind in ("error", "warning", "notice")) if found else "-"

    @admin.display(description="size", ordering="archive_bytes")
    def size(self, version: DatasetVersion) -> str:
        """Of the archive."""
        return filesizeformat(version.archive_bytes) if version.archive_bytes else "-"

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """By the service, if nothing uses it."""
        return admin.ModelAdmin.has_delete_permission(self, request)

    @admin.action(description="Stop the examination", permissions=["delete"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[DatasetVersion]) -> None:
        """Those that are queued or running."""
        stopped = jobs_changed(
            jobs=queryset, change=lambda version: version_cancel(version=version, by=person(request))
        )
        self.message_user(request, f"Stopped: {stopped}.")

    @admin.action(description="Examine again", permissions=["delete"])
    def retry(self, request: HttpRequest, queryset: QuerySet[DatasetVersion]) -> None:
        """Those that failed or were cancelled."""
        queued = jobs_changed(
            jobs=queryset, change=lambda version: version_retry(version=version, by=person(request))
        )
        self.message_user(request, f"Queued again: {queued}.")

    def delete_model(self, request: HttpRequest, obj: DatasetVersion) -> None:
        """With its files; the only one stays."""
        self.delete_queryset(request, DatasetVersion.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[DatasetVersion]) -> None:
        """With their files, those that nothing uses."""
        for version in queryset:
            try:
                version_delete(version=version, by=person(request))
            except DatasetRefused as refusal:
                self.message_user(request, f"{version}: {refusal}", messages.ERROR)


class Completeness(admin.SimpleListFilter):
    """Whether every byte is there."""

    title = "completeness"
    parameter_name = "complete"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Both."""
        return [("yes", "Complete"), ("no", "On its way")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Upload]) -> QuerySet[Upload]:
        """Those."""
        complete = Q(received=F("size"))
        chosen = {"yes": complete, "no": ~complete}.get(self.value() or "")
        return queryset if chosen is None else queryset.filter(chosen)


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin, admin.ModelAdmin[Upload]):
    """Files on their way in; one that nobody will finish can be removed with its bytes."""

    list_display = ("filename", "owner", "is_complete", "share", "whole", "created_at", "touched_at")
    list_filter = (Completeness, "touched_at")
    search_fields = ("=id", "filename", "owner__username")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"

    @admin.display(boolean=True, description="complete")
    def is_complete(self, upload: Upload) -> bool:
        """Every byte is there."""
        return upload.is_complete

    @admin.display(description="here")
    def share(self, upload: Upload) -> str:
        """How much of it has come."""
        return f"{100 * upload.received // upload.size} %"

    @admin.display(description="size", ordering="size")
    def whole(self, upload: Upload) -> str:
        """Of the whole file."""
        return filesizeformat(upload.size)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """By the service."""
        return admin.ModelAdmin.has_delete_permission(self, request)

    def delete_model(self, request: HttpRequest, obj: Upload) -> None:
        """With its bytes."""
        self.delete_queryset(request, Upload.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Upload]) -> None:
        """With their bytes, those that no dataset is being made of."""
        for upload in queryset:
            if not upload_discard(upload=upload):
                self.message_user(request, f"{upload}: {AWAITED}", messages.ERROR)


@admin.register(UploadChunk)
class UploadChunkAdmin(ReadOnlyAdmin, admin.ModelAdmin[UploadChunk]):
    """The pieces of uploads; they go with these."""

    list_display = ("upload", "offset", "size", "key")
    search_fields = ("=upload__id", "upload__filename", "key")
    list_select_related = ("upload",)
    show_full_result_count = False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Only with the upload, whose page asks for this."""
        url = request.resolver_match.url_name if request.resolver_match else ""
        return url in ("training_upload_delete", "training_upload_changelist")
