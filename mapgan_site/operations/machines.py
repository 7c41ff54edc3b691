"""What machines ask: /metrics by a token, from a network, or for staff; for anybody else there is nothing."""

from __future__ import annotations

import ipaddress
import logging
import secrets

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST

from accounts.access import is_staff
from mapgan_site.operations.metrics import exposition

logger = logging.getLogger(__name__)


def client_address(request: HttpRequest) -> str:
    """Who asks, as far as the proxies of ours tell; a header beyond theirs is anybody's word."""
    hops = settings.TRUSTED_PROXIES
    told = [each.strip() for each in request.headers.get("X-Forwarded-For", "").split(",") if each.strip()]
    if hops and len(told) >= hops:
        return told[-hops]
    return str(request.META.get("REMOTE_ADDR", ""))


def is_known_machine(request: HttpRequest) -> bool:
    """It shows the token, or is in a network that may."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    if settings.METRICS_TOKEN and scheme.lower() == "bearer":
        return secrets.compare_digest(given.strip().encode(), settings.METRICS_TOKEN.encode())
    try:
        address = ipaddress.ip_address(client_address(request))
    except ValueError:  # a Unix socket's other end has none
        return False
    return any(address in network for network in settings.METRICS_NETWORKS)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format; 404 for strangers, 503 without the database."""
    person = getattr(request, "user", AnonymousUser())
    if not (is_known_machine(request) or is_staff(person)):
        raise Http404
    try:
        return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
    except (DatabaseError, OSError) as error:
        logger.warning("metrics: the database does not answer: %s", error)
        return HttpResponse("The database does not answer.\n", status=503, content_type="text/plain")
