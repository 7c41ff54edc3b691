"""Who may open a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache

from accounts.models import User
from jobs.errors import JobGone

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


@contextmanager
def gone_is_404() -> Iterator[None]:
    """Who acts on what is deleted at that moment finds nothing, as a moment later."""
    try:
        yield
    except JobGone:
        raise Http404 from None


def is_staff(user: User | AnonymousUser) -> bool:
    """Whether this person runs the site."""
    return bool(user.is_active and user.is_staff)


def staff_only(view: View[P]) -> View[P]:
    """404 for anybody else, signed in or not: nobody learns that there is something. Kept by no cache.

    A job that is deleted while somebody acts on it is a 404, as it is a moment later.
    """

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not is_staff(request.user):
            raise Http404
        with gone_is_404():
            return view(request, *args, **kwargs)

    return never_cache(wrapped)


def staff_of(request: HttpRequest) -> User:
    """The person, whom `staff_only` has let in."""
    if not isinstance(request.user, User):
        raise Http404
    return request.user
