"""The account page with its API tokens, and what is said when a form's security token is out of date."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from accounts.forms import ApiTokenForm
from accounts.models import ApiToken
from accounts.services import api_token_create, api_token_revoke


def _show(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    context.setdefault("form", ApiTokenForm(label_suffix=""))
    context["tokens"] = ApiToken.objects.filter(user=request.user.pk)
    return render(request, "accounts/profile.html", context, status=status)


@never_cache
@require_safe
@login_required
def profile(request: HttpRequest) -> HttpResponse:
    """Who one is here, and one's API tokens."""
    return _show(request)


@never_cache
@require_POST
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token and show it in this answer only: it is kept nowhere, so a redirect would lose it."""
    if not request.user.is_authenticated:
        away = redirect_to_login(reverse("accounts:profile"))
        return HttpResponseClientRedirect(away.url) if getattr(request, "htmx", False) else away
    form = ApiTokenForm(request.POST, label_suffix="")
    if not form.is_valid():
        return _show(request, status=422, form=form)
    row, token = api_token_create(user=request.user, name=form.cleaned_data["name"])
    return _show(request, new_token=token, new_token_row=row)


@never_cache
@require_POST
def token_revoke(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    """Make a token worthless at once. Another's token is as good as none."""
    if not request.user.is_authenticated or not api_token_revoke(user=request.user, token_id=token_id):
        raise Http404
    messages.success(request, "The token is revoked. Programs that use it are refused from now on.")
    return redirect("accounts:profile")


@never_cache
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form came without a valid security token, most often after signing in or out in another tab.

    A script that holds a chosen file gets a new token and a message, so that one more press is enough.
    Handing out a token is safe: another site can send requests in someone's name but not read the answer.
    """
    token = get_token(request)
    if request.headers.get("HX-Target") == "form-feedback":
        return render(request, "accounts/_csrf_renewed.html", {"token": token}, status=403)
    if request.headers.get("HX-Request") == "true":
        response = HttpResponse(status=403)
        response["HX-Refresh"] = "true"
        return response
    return render(request, "403_csrf.html", {"reason": reason}, status=403)
