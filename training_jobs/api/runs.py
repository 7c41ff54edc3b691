"""Training runs: launch, list, look, steer, read their curves and their story."""

from __future__ import annotations

import uuid

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from training_jobs.api.base import JSON, StaffView, problems
from training_jobs.estimates import estimate
from training_jobs.models import TrainingRun
from training_jobs.run_selectors import curve_points, runs_filtered
from training_jobs.selectors import run_visible, runs_visible
from training_jobs.serializers.runs import (
    CurveQuerySerializer,
    CurvesSerializer,
    EstimateSerializer,
    ExtendSerializer,
    LaunchSerializer,
    NoteSerializer,
    RunDetailSerializer,
    RunFilterSerializer,
    RunSerializer,
)
from training_jobs.services.runs import (
    run_cancel,
    run_delete,
    run_extend,
    run_finish,
    run_pause,
    run_resume,
    run_start,
)
from translator.problems import Conflict

LOCATION = OpenApiParameter(
    "Location", OpenApiTypes.URI, location="header", response=[201], description="Where to watch it."
)


class RunsView(StaffView):
    """All of them."""

    @extend_schema(
        operation_id="training_runs_list",
        parameters=[RunFilterSerializer],
        responses={(200, JSON): RunSerializer(many=True), **problems(400, 401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List the training runs (staff)."""
        filters = RunFilterSerializer(data=request.query_params)
        filters.is_valid(raise_exception=True)
        return self.paginated(runs_filtered(request.user, filters.to_filters()), RunSerializer)

    @extend_schema(
        operation_id="training_runs_create",
        request=LaunchSerializer,
        parameters=[LOCATION],
        responses={201: RunDetailSerializer, **problems(400, 401, 403, 404, 415)},
    )
    def post(self, request: Request) -> Response:
        """Launch a training from a preset, or like another run (staff)."""
        form = LaunchSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        run = run_start(
            by=self.staff(),
            name=values["name"],
            dataset_version=values["dataset_version"],
            config=values["config"],
            cloned_from=values.get("clone"),
        )
        answer = self.shaped(run, RunDetailSerializer, status=201)
        answer["Location"] = str(answer.data["url"])
        return answer


class RunEstimateView(StaffView):
    """What one would cost."""

    @extend_schema(
        operation_id="training_run_estimate",
        request=LaunchSerializer,
        responses={200: EstimateSerializer, **problems(400, 401, 403, 404, 415)},
    )
    def post(self, request: Request) -> Response:
        """Say what a training would cost, after the newest run like it, and launch nothing (staff)."""
        form = LaunchSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        values = form.validated_data
        pairs = values["dataset_version"].pairs
        found = estimate(values["config"], runs_visible(request.user), pairs=pairs)
        return Response(EstimateSerializer(found).data)


class RunView(StaffView):
    """One run."""

    @extend_schema(operation_id="training_run", responses={200: RunDetailSerializer, **problems(401, 404)})
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Look at a training run (staff)."""
        return self.shaped(run_visible(user=request.user, run_id=run_id), RunDetailSerializer)

    @extend_schema(
        operation_id="training_run_delete",
        responses={204: OpenApiResponse(description="Deleted, with its files."), **problems(401, 403, 404)},
    )
    def delete(self, request: Request, run_id: uuid.UUID) -> Response:
        """Delete a run in any state, with its checkpoints and files (staff)."""
        run_delete(run=run_visible(user=request.user, run_id=run_id), by=self.staff())
        return Response(status=204)


class RunActionView(StaffView):
    """Steer one."""

    actions = {"pause": run_pause, "resume": run_resume, "finish": run_finish, "cancel": run_cancel}

    @extend_schema(
        operation_id="training_run_act",
        request=None,
        parameters=[OpenApiParameter("action", location="path", enum=list(actions))],
        responses={200: RunDetailSerializer, **problems(401, 403, 404, 409)},
    )
    def post(self, request: Request, run_id: uuid.UUID, action: str) -> Response:
        """Pause it, let it go on, end it early keeping what it has, or cancel it (staff)."""
        run = run_visible(user=request.user, run_id=run_id)
        if action not in self.actions:
            raise TrainingRun.DoesNotExist
        if not self.actions[action](run=run, by=self.staff()):
            raise Conflict("That is not possible in its state.")
        return self.shaped(run, RunDetailSerializer)


class RunExtendView(StaffView):
    """More steps."""

    @extend_schema(
        operation_id="training_run_extend",
        request=ExtendSerializer,
        responses={200: RunDetailSerializer, **problems(400, 401, 403, 404, 415)},
    )
    def post(self, request: Request, run_id: uuid.UUID) -> Response:
        """Give a run that has ended more steps; it goes on from its last checkpoint (staff)."""
        run = run_visible(user=request.user, run_id=run_id)
        form = ExtendSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        run_extend(run=run, by=self.staff(), steps=form.validated_data["steps"])
        return self.shaped(run_visible(user=request.user, run_id=run_id), RunDetailSerializer)


class RunCurvesView(StaffView):
    """Its curves."""

    @extend_schema(
        operation_id="training_run_curves",
        parameters=[CurveQuerySerializer],
        responses={200: CurvesSerializer, **problems(400, 401, 404)},
    )
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Read what a run logged, in a range of steps (staff)."""
        run = run_visible(user=request.user, run_id=run_id)
        query = CurveQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        first, last = wanted.get("first", 0), wanted.get("last")
        return Response(curve_points(run, first=first, last=last, points=wanted["points"]))


class RunNotesView(StaffView):
    """Its story."""

    @extend_schema(
        operation_id="training_run_notes",
        responses={(200, JSON): NoteSerializer(many=True), **problems(401, 404)},
    )
    def get(self, request: Request, run_id: uuid.UUID) -> Response:
        """Read what happened to a run and who did what, newest first (staff)."""
        run = run_visible(user=request.user, run_id=run_id)
        return self.paginated(run.notes.select_related("by").order_by("-id"), NoteSerializer)
