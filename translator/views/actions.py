"""What people do to a translation, and staff to a generator. POST only, then back to a page."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import gone_is_404, staff_of, staff_only
from translator.models import Generator, Translation, Visibility
from translator.selectors import translation_managed, translation_owned
from translator.services import (
    GeneratorRejected,
    UploadRejected,
    generator_make_default,
    translation_cancel,
    translation_delete,
    translation_retry,
    translation_set_visibility,
)
from translator.views.common import fetch, storage_errors


@never_cache
@require_POST
@gone_is_404()
def cancel(request: HttpRequest, translation_id: uuid.UUID) -> HttpResponse:
    """Stop it; one that ended in the meantime stays as it is."""
    translation = fetch(translation_managed, request, translation_id)
    if not translation_cancel(translation=translation):
        messages.info(request, "It had already finished.")
    return redirect("translator:detail", translation.pk)


@never_cache
@require_POST
@gone_is_404()
def retry(request: HttpRequest, translation_id: uuid.UUID) -> HttpResponse:
    """Queue a failed or cancelled one again."""
    translation = fetch(translation_owned, request, translation_id)
    if not translation_retry(translation=translation):
        messages.info(request, "Only a failed or cancelled translation can be tried again.")
    return redirect("translator:detail", translation.pk)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@storage_errors
def delete(request: HttpRequest, translation_id: uuid.UUID) -> HttpResponse:
    """Ask (for browsers without a script), then delete with all its files."""
    translation = fetch(translation_managed, request, translation_id)
    if request.method != "POST":
        return render(request, "translator/delete.html", {"translation": translation})
    own = translation.owner_id == request.user.pk
    translation_delete(translation=translation)
    messages.success(request, "The translation and its files are deleted.")
    return redirect("translator:mine" if own else "translator:gallery")


@never_cache
@require_POST
def visibility(request: HttpRequest, translation_id: uuid.UUID) -> HttpResponse:
    """Share it with everybody, or hide it again."""
    translation = fetch(translation_managed, request, translation_id)
    wanted = request.POST.get("visibility", "")
    try:
        translation_set_visibility(translation=translation, visibility=wanted, by=request.user)  # type: ignore[arg-type]
    except (UploadRejected, PermissionDenied) as refusal:
        messages.error(request, str(refusal))
    else:
        messages.success(request, _told(translation, by_owner=translation.owner_id == request.user.pk))
    return redirect("translator:detail", translation.pk)


def _told(translation: Translation, *, by_owner: bool) -> str:
    """What its visibility means now."""
    if translation.visibility == Visibility.PRIVATE:
        return f"Only {'you' if by_owner else 'its owner'} and the staff of this site can see it now."
    if translation.is_public:
        return "Everybody can see it now, in the gallery too."
    return "Everybody will see it, in the gallery too, once it is done."


@staff_only
@require_POST
def make_default(request: HttpRequest, generator_id: uuid.UUID) -> HttpResponse:
    """Choose this generator for everybody who chooses none."""
    generator = get_object_or_404(Generator, pk=generator_id)
    try:
        generator_make_default(generator=generator, by=staff_of(request))
    except GeneratorRejected as refusal:
        messages.error(request, str(refusal))
    else:
        direction = generator.get_direction_display().lower()
        messages.success(request, f"{generator.title} is the default for {direction} now.")
    return redirect("translator:generators")
