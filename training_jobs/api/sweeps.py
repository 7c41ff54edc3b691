"""Sweeps: begin, list, look, steer, and the ranking of their runs."""

from __future__ import annotations

import uuid
from typing import Any, cast

from django.db.models import QuerySet, prefetch_related_objects
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from training_jobs.api.base import JSON, StaffView, problems
from training_jobs.api.runs import LOCATION
from training_jobs.models import Sweep
from training_jobs.serializers.sweeps import (
    SweepDeleteSerializer,
    SweepSerializer,
    SweepStartSerializer,
    SweepUpdateSerializer,
    TrialSerializer,
)
from training_jobs.services.sweeps import (
    sweep_cancel,
    sweep_delete,
    sweep_extend,
    sweep_pause,
    sweep_resume,
    sweep_retry,
    sweep_start,
)
from training_jobs.sweep_selectors import sweep_table, sweep_visible, sweeps_visible
from translator.problems import Conflict


class SweepsView(StaffView):
    """All of them."""

    @extend_schema(
        operation_id="sweeps_list",
        responses={(200, JSON): SweepSerializer(many=True), **problems(401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List the sweeps, newest first (staff)."""
        return self.paginated(sweeps_visible(request.user), SweepSerializer)

    @extend_schema(
        operation_id="sweeps_create",
        request=SweepStartSerializer,
        parameters=[LOCATION],
        responses={201: SweepSerializer, **problems(400, 401, 403, 404, 415)},
    )
    def post(self, request: Request) -> Response:
        """Begin a sweep; its first runs are launched within seconds (staff)."""
        form = SweepStartSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        sweep = sweep_start(
            by=self.staff(),
            name=values["name"],
            dataset_version=values["dataset_version"],
            config=values["config"],
            plan=form.plan(),
        )
        answer = self.shaped(sweep_visible(user=request.user, sweep_id=sweep.pk), SweepSerializer, status=201)
        answer["Location"] = str(answer.data["url"])
        return answer


class SweepView(StaffView):
    """One sweep."""

    @extend_schema(operation_id="sweep", responses={200: SweepSerializer, **problems(401, 404)})
    def get(self, request: Request, sweep_id: uuid.UUID) -> Response:
        """Look at a sweep (staff)."""
        return self.shaped(sweep_visible(user=request.user, sweep_id=sweep_id), SweepSerializer)

    @extend_schema(
        operation_id="sweep_update",
        request=SweepUpdateSerializer,
        responses={200: SweepSerializer, **problems(400, 401, 403, 404, 415)},
    )
    def patch(self, request: Request, sweep_id: uuid.UUID) -> Response:
        """Change how many runs there are, in all and at once (staff)."""
        sweep = sweep_visible(user=request.user, sweep_id=sweep_id)
        form = SweepUpdateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        numbers = {"size": sweep.size, "concurrency": sweep.concurrency, **form.validated_data}
        sweep_extend(sweep=sweep, by=self.staff(), **numbers)
        return self.shaped(sweep_visible(user=request.user, sweep_id=sweep_id), SweepSerializer)

    @extend_schema(
        operation_id="sweep_delete",
        parameters=[SweepDeleteSerializer],
        responses={204: OpenApiResponse(description="Deleted."), **problems(400, 401, 403, 404)},
    )
    def delete(self, request: Request, sweep_id: uuid.UUID) -> Response:
        """Delete a sweep in any state; its runs stay unless they are to go with it (staff)."""
        sweep = sweep_visible(user=request.user, sweep_id=sweep_id)
        form = SweepDeleteSerializer(data=request.query_params)
        form.is_valid(raise_exception=True)
        sweep_delete(sweep=sweep, by=self.staff(), with_runs=form.validated_data["with_runs"])
        return Response(status=204)


class SweepActionView(StaffView):
    """Steer one."""

    actions = {"pause": sweep_pause, "resume": sweep_resume, "cancel": sweep_cancel, "retry": sweep_retry}

    @extend_schema(
        operation_id="sweep_act",
        request=None,
        parameters=[OpenApiParameter("action", location="path", enum=list(actions))],
        responses={200: SweepSerializer, **problems(401, 403, 404, 409)},
    )
    def post(self, request: Request, sweep_id: uuid.UUID, action: str) -> Response:
        """Pause it with its runs, let it go on, cancel it, or try its failed runs again (staff)."""
        sweep = sweep_visible(user=request.user, sweep_id=sweep_id)
        if action not in self.actions:
            raise Sweep.DoesNotExist
        if not self.actions[action](sweep=sweep, by=self.staff()):
            raise Conflict("That is not possible in its state.")
        return self.shaped(sweep_visible(user=request.user, sweep_id=sweep_id), SweepSerializer)


class TrialsView(StaffView):
    """Its runs."""

    @extend_schema(
        operation_id="sweep_trials",
        responses={(200, JSON): TrialSerializer(many=True), **problems(401, 404)},
    )
    def get(self, request: Request, sweep_id: uuid.UUID) -> Response:
        """Read what a sweep tried, the best first by the rule for the best checkpoint (staff)."""
        rows = sweep_table(sweep_visible(user=request.user, sweep_id=sweep_id))
        runs = [row.trial.run for row in rows if row.trial.run is not None]
        prefetch_related_objects(runs, "dataset_version__dataset", "created_by")
        return self.paginated(cast("QuerySet[Any]", rows), TrialSerializer)  # a list does as well
