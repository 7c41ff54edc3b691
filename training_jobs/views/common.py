"""What the views of training share."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.conf import settings
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from accounts.access import staff_of, staff_only
from training_jobs.models import TrainingRun
from training_jobs.selectors import may_train, run_visible

__all__ = ["run_of", "staff_of", "staff_only", "whole_archives"]


def whole_archives(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Let staff send a whole archive with a form, as a browser without script does; it goes to the disk."""

    def limit(request: HttpRequest) -> int:
        return settings.DATASET_MAX_BYTES + 2**20 if may_train(request.user) else 0

    setattr(view, "body_limit", limit)  # noqa: B010 - for mapgan_site.middleware.BodySizeMiddleware
    return view


def run_of(request: HttpRequest, run_id: uuid.UUID) -> TrainingRun:
    """The run of an address.

    Raises:
        Http404: there is none, or none for this person.
    """
    try:
        return run_visible(user=request.user, run_id=run_id)
    except TrainingRun.DoesNotExist:
        raise Http404 from None
