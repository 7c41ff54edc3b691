"""What the views of training share."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from django.conf import settings
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache

from accounts.models import User
from training_jobs.models import TrainingRun
from training_jobs.selectors import may_train, run_visible
from translator.views.common import P, View

M = TypeVar("M", bound=Model)


def staff_only(view: View[P]) -> View[P]:
    """404 for anybody else, signed in or not: nobody learns that there is something. Kept by no cache."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not may_train(request.user):
            raise Http404
        return view(request, *args, **kwargs)

    return never_cache(wrapped)


def whole_archives(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let staff send a whole archive with a form, as a browser without script does; it goes to the disk."""

    def limit(request: HttpRequest) -> int:
        return settings.DATASET_MAX_BYTES + 2**20 if may_train(request.user) else 0

    setattr(view, "body_limit", limit)  # noqa: B010 - for mapgan_site.middleware.BodySizeMiddleware
    return view


def staff_of(request: HttpRequest) -> User:
    """The person, whom `staff_only` has let in."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user


def run_of(request: HttpRequest, run_id: uuid.UUID) -> TrainingRun:
    """The run of an address.

    Raises:
        Http404: there is none, or none for this person.
    """
    try:
        return run_visible(user=request.user, run_id=run_id)
    except TrainingRun.DoesNotExist:
        raise Http404 from None
