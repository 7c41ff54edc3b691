"""Pages of notifications: one's own wishes, endpoints of webhooks, and what was sent. For staff."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import staff_of, staff_only
from notifications import services
from notifications.forms import EndpointForm, PreferenceForm
from notifications.models import Delivery, Endpoint
from notifications.selectors import (
    deliveries_visible,
    delivery_visible,
    endpoint_visible,
    endpoints_visible,
    preference_of,
)
from notifications.sources import KINDS

PAGE_SIZE = 25


@staff_only
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """Endpoints, and everything that was sent lately."""
    page = Paginator(deliveries_visible(request.user), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "endpoints": endpoints_visible(request.user),
        "preference": preference_of(staff_of(request)),
        "page": page,
    }
    return render(request, "notifications/overview.html", context)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: HttpRequest) -> HttpResponse:
    """What mail one wants."""
    user = staff_of(request)
    form = PreferenceForm(request.POST or None, instance=preference_of(user), label_suffix="")
    if request.method != "POST":
        return render(request, "notifications/preferences.html", {"form": form})
    if not form.is_valid():
        return render(request, "notifications/preferences.html", {"form": form}, status=422)
    services.preference_save(user=user, **form.cleaned_data)
    messages.success(request, "Saved.")
    return redirect("notifications:overview")


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def endpoint_new(request: HttpRequest) -> HttpResponse:
    """A new endpoint. Its secret is in this answer only: it is shown nowhere again."""
    form = EndpointForm(request.POST if request.method == "POST" else None)
    if request.method != "POST" or not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return render(request, "notifications/endpoint_new.html", {"form": form}, status=status)
    endpoint, secret = services.endpoint_create(by=staff_of(request), **form.cleaned_data)
    return _show(request, endpoint, secret=secret)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def endpoint(request: HttpRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    """One endpoint: edit it, and see what was sent to it."""
    row = _endpoint(request, endpoint_id)
    if request.method != "POST":
        return _show(request, row)
    form = EndpointForm(request.POST, instance=_endpoint(request, endpoint_id))
    if not form.is_valid():
        return _show(request, row, form=form, status=422)
    services.endpoint_update(endpoint=row, **form.cleaned_data)
    messages.success(request, "Saved.")
    return redirect(row)


@staff_only
@require_POST
def endpoint_secret(request: HttpRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    """Another secret, shown in this answer only."""
    row = _endpoint(request, endpoint_id)
    return _show(request, row, secret=services.endpoint_new_secret(endpoint=row))


@staff_only
@require_POST
def endpoint_test(request: HttpRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    """Send a test; the maintenance worker does so within seconds."""
    row = _endpoint(request, endpoint_id)
    services.endpoint_test(endpoint=row, by=staff_of(request))
    messages.success(request, "A test is on its way. The log below shows how it went in some seconds.")
    return redirect(row)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def endpoint_delete(request: HttpRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    """Ask, then delete it with its log."""
    row = _endpoint(request, endpoint_id)
    if request.method != "POST":
        return render(request, "notifications/endpoint_delete.html", {"endpoint": row})
    services.endpoint_delete(endpoint=row)
    messages.success(request, f"{row.name} is deleted.")
    return redirect("notifications:overview")


@staff_only
@require_POST
def redeliver(request: HttpRequest, delivery_id: uuid.UUID) -> HttpResponse:
    """Send one webhook again."""
    try:
        row = delivery_visible(user=request.user, delivery_id=delivery_id)
    except Delivery.DoesNotExist:
        raise Http404 from None
    if services.delivery_redeliver(delivery=row):
        messages.success(request, "It is sent again within seconds.")
    else:
        messages.info(request, "It is on its way already, or went by mail.")
    back = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts=None) and back.startswith("/")
    return redirect(back if safe else "notifications:overview")


def _endpoint(request: HttpRequest, endpoint_id: uuid.UUID) -> Endpoint:
    try:
        return endpoint_visible(user=request.user, endpoint_id=endpoint_id)
    except Endpoint.DoesNotExist:
        raise Http404 from None


def _show(request: HttpRequest, row: Endpoint, *, status: int = 200, **more: Any) -> HttpResponse:
    deliveries = deliveries_visible(request.user).filter(endpoint=row)
    context = {
        "endpoint": row,
        "form": EndpointForm(instance=row),
        "kinds": [KINDS[name].words for name in row.kinds if name in KINDS],
        "page": Paginator(deliveries, PAGE_SIZE).get_page(request.GET.get("page")),
        **more,
    }
    return render(request, "notifications/endpoint.html", context, status=status)
