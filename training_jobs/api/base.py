"""What the views of training's API share: staff alone gets in, refusals of the services become problems."""

from __future__ import annotations

from typing import Any, Never

from django.core.exceptions import ObjectDoesNotExist
from django.http import Http404
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from training_jobs.presentation import Use, as_uses
from training_jobs.selectors import may_train
from training_jobs.services import DatasetInUse, DatasetRefused, UploadConflict, UploadRefused
from training_jobs.services.runs import RunRefused
from translator.api.base import JSON, ApiView, Responses, problems
from translator.problems import Conflict, problem

__all__ = ["JSON", "Responses", "StaffView", "problems"]


class IsStaff(BasePermission):
    """Whoever may train."""

    def has_permission(self, request: Request, view: object) -> bool:
        """See `may_train`."""
        return may_train(request.user)


class StaffView(ApiView):
    """A view for staff. For anybody else, signed in or not, there is nothing here (404), as on the pages.

    Selectors' ``DoesNotExist`` are 404, services' refusals 400 with the field at fault, conflicts 409.
    """

    permission_classes = [IsStaff]

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> Never:
        """Nobody learns that there is something."""
        raise Http404

    def handle_exception(self, exc: Exception) -> Response:
        """A problem for every error; see `translator.problems`."""
        if isinstance(exc, DatasetInUse):
            uses = [self._use(each) for each in as_uses(exc.users).shown]
            return problem(409, str(exc), "in_use", errors=uses)
        return super().handle_exception(_translated(exc))

    def _use(self, use: Use) -> dict[str, str]:
        """What needs a dataset, with its page."""
        page = self.request.build_absolute_uri(use.url) if use.url else ""
        return {"field": "", "code": use.what.replace(" ", "_"), "message": f"{use.name} {page}".strip()}

    def staff(self) -> User:
        """The person, whom the permission has let in."""
        user = self.request.user
        if not isinstance(user, User):
            raise Http404
        return user


def _translated(error: Exception) -> Exception:
    """What the services and selectors of training raise, in the words of the API."""
    if isinstance(error, ObjectDoesNotExist):
        return Http404()
    if isinstance(error, DatasetRefused | RunRefused):
        return _invalid(error.field, str(error), "refused")
    if isinstance(error, UploadConflict):
        return Conflict(str(error))
    if isinstance(error, UploadRefused):
        return _invalid("", str(error), error.code)
    return error


def _invalid(field: str, message: str, code: str) -> ValidationError:
    path = (
        field.replace("split_", "split.", 1) if field.startswith("split_") else field
    )  # an object in the API
    detail: dict[str, Any] = {path or "non_field_errors": [message]}
    return ValidationError(detail, code)
