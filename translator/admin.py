"""The administration: publish and retire generators, moderate translations.

Its pages show no pictures; staff open those on the site itself, where they may look at anybody's.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.access import staff_of
from jobs.services import jobs_changed
from translator.models import Generator, Leftover, Translation
from translator.services import (
    GeneratorRejected,
    generator_make_default,
    generator_publish,
    generator_retire,
    translation_cancel,
    translation_delete,
)


@admin.register(Generator)
class GeneratorAdmin(admin.ModelAdmin[Generator]):
    """Generators come by ``manage.py generator_import`` and training; here they are described and offered."""

    list_display = [
        "title",
        "name",
        "version",
        "direction",
        "state",
        "is_default",
        "size_bytes",
        "created_at",
    ]
    list_filter = ["state", "direction"]
    search_fields = ["title", "name", "sha256"]
    actions = ["publish", "make_default", "retire"]
    readonly_fields = [
        "id", "name", "version", "direction", "state", "is_default", "card", "file", "sha256", "size_bytes",
        "sample_input", "sample_output", "created_at",
    ]  # fmt: skip

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows are made from files."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Generator | None = None) -> bool:
        """Results refer to it for ever; retire it instead."""
        return False

    def save_model(self, request: HttpRequest, obj: Generator, form: Any, change: bool) -> None:
        """Only what was edited: a worker may write the sample meanwhile."""
        obj.save(update_fields=form.changed_data)

    @admin.action(description="Publish (other versions retire)", permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[Generator]) -> None:
        """Offer them to everybody, the newest of a name last so that it is the one that stays."""
        for generator in queryset.order_by("version"):
            generator_publish(generator=generator)

    @admin.action(description="Make the default of its direction", permissions=["change"])
    def make_default(self, request: HttpRequest, queryset: QuerySet[Generator]) -> None:
        """Choose it for everybody who chooses none."""
        chosen, made = list(queryset), 0
        if len({generator.direction for generator in chosen}) < len(chosen):
            message = "A direction has one default: choose one generator of each at most."
            self.message_user(request, message, messages.ERROR)
            return
        for generator in chosen:
            try:
                generator_make_default(generator=generator, by=staff_of(request))
                made += 1
            except GeneratorRejected as refusal:
                self.message_user(request, str(refusal), messages.ERROR)
        self.message_user(request, f"Made the default: {made}.")

    @admin.action(description="Retire", permissions=["change"])
    def retire(self, request: HttpRequest, queryset: QuerySet[Generator]) -> None:
        """Offer them to nobody."""
        for generator in queryset:
            generator_retire(generator=generator)


@admin.register(Translation)
class TranslationAdmin(admin.ModelAdmin[Translation]):
    """Where jobs stand and why they failed. Rows are changed by services alone."""

    list_display = ["id", "state", "owner", "generator", "visibility", "attempt", "created_at", "finished_at"]
    list_filter = ["state", "visibility", "generator__direction", "created_at"]
    list_select_related = ["owner", "generator"]
    search_fields = ["=id", "owner__username", "error_code"]
    date_hierarchy = "created_at"
    show_full_result_count = False
    actions = ["cancel"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """People submit."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Translation | None = None) -> bool:
        """A form's save would overwrite what a worker writes."""
        return False

    @admin.action(description="Cancel", permissions=["delete"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Translation]) -> None:
        """Stop those that are queued or running."""
        cancelled = jobs_changed(jobs=queryset, change=lambda row: translation_cancel(translation=row))
        self.message_user(request, f"Cancelled: {cancelled}.")

    def delete_model(self, request: HttpRequest, obj: Translation) -> None:
        """With its files."""
        translation_delete(translation=obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """With their files."""
        for translation in queryset:
            translation_delete(translation=translation)


@admin.register(Leftover)
class LeftoverAdmin(admin.ModelAdmin[Leftover]):
    """Stored objects that are still to be deleted; many that stay say that the storage deletes nothing."""

    list_display = ["key", "since"]
    search_fields = ["key"]
    date_hierarchy = "since"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Services do it with the row that goes."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Leftover | None = None) -> bool:
        """Another key could be an object in use."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Leftover | None = None) -> bool:
        """The object would stay for ever."""
        return False
