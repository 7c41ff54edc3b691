"""The translate form."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from translator.forms import SubmitForm
from translator.services import StorageError
from translator.views.common import go, is_htmx

CHOICES = ("sample", "generator", "visibility")  # what survives a detour over the sign-in page


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def submit(request: HttpRequest) -> HttpResponse:
    """Show the form; accept a picture; go to the translation it became.

    With htmx the answer to a refused submission is only the messages, so that the browser keeps the file
    that was chosen. Without it the whole page comes back with every choice but the file, which no server
    can fill in.
    """
    user = request.user
    if not user.is_authenticated:
        return _sign_in_first(request)
    if request.method != "POST":
        initial = {name: request.GET[name] for name in CHOICES if name in request.GET}
        return _show(request, SubmitForm(user=user, initial=initial))
    form = SubmitForm(request.POST, request.FILES, user=user)
    status = 422
    if form.is_valid():
        try:
            translation = form.submit()
        except StorageError as error:
            form.add_error(None, str(error))
            status = 503
        else:
            if translation is not None:
                return go(request, reverse("translator:detail", args=[translation.pk]))
    return _show(request, form, status)


def _show(request: HttpRequest, form: SubmitForm, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "max_bytes": settings.TRANSLATION_MAX_BYTES,
        "max_pixels": settings.TRANSLATION_MAX_PIXELS,
        "max_megapixels": settings.TRANSLATION_MAX_PIXELS / 1e6,
    }
    template = "translator/_submit_errors.html" if is_htmx(request) else "translator/submit.html"
    response = render(request, template, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    if status == 503:
        response["Retry-After"] = "30"
    return response


def _sign_in_first(request: HttpRequest) -> HttpResponse:
    """To the sign-in page and back, with the choices; a script that holds a file is told instead."""
    if is_htmx(request):
        return render(request, "translator/_session_ended.html", status=401)
    chosen = request.POST if request.method == "POST" else request.GET
    query = urlencode({name: chosen[name] for name in CHOICES if chosen.get(name)})
    return redirect_to_login(f"{request.path}?{query}" if query else request.path)
