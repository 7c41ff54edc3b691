"""Checkpoints, what they score on demand, and what is published of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from training_jobs.api.base import JSON, StaffView, problems
from training_jobs.exams import TRAINING, exams_of
from training_jobs.models import Checkpoint
from training_jobs.publish_form import BOTH
from training_jobs.selectors import (
    checkpoint_visible,
    checkpoints_all,
    evaluations_visible,
    publication_visible,
    publications_visible,
)
from training_jobs.serializers.checkpoints import (
    CardSerializer,
    CheckpointFilterSerializer,
    CheckpointSerializer,
    EvaluateSerializer,
    EvaluationSerializer,
    OfferSerializer,
    PinSerializer,
    PublicationSerializer,
    PublishSerializer,
)
from training_jobs.services.checkpoints import checkpoints_delete, checkpoints_pin
from training_jobs.services.evaluations import evaluation_cancel, evaluation_retry, evaluations_request
from training_jobs.services.publications import (
    Offer,
    both_directions,
    directions_of,
    publication_cancel,
    publication_describe,
    publication_offer,
    publication_retry,
    publications_request,
)
from translator.models import GeneratorState
from translator.problems import Conflict
from translator.services import CardText

CARD = ("title", "description", "limits", "attribution")
OVER = "That is not possible in the state it is in."


class CheckpointsView(StaffView):
    """All of them."""

    @extend_schema(
        operation_id="checkpoints_list",
        parameters=[CheckpointFilterSerializer],
        responses={(200, JSON): CheckpointSerializer(many=True), **problems(400, 401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List checkpoints, those of the newest run first (staff)."""
        rows = checkpoints_all(request.user)
        run = _run_wanted(request)
        if run:
            rows = rows.filter(run=run)
        pages = self.pagination_class()
        page: list[Checkpoint] = pages.paginate_queryset(rows, self.request, view=self) or []
        context = {"request": request, "best": _best(page)}
        return pages.get_paginated_response(CheckpointSerializer(page, many=True, context=context).data)


class CheckpointView(StaffView):
    """One checkpoint."""

    @extend_schema(operation_id="checkpoint", responses={200: CheckpointSerializer, **problems(401, 404)})
    def get(self, request: Request, checkpoint_id: uuid.UUID) -> Response:
        """Look at a checkpoint (staff)."""
        return _shown(request, checkpoint_visible(user=request.user, checkpoint_id=checkpoint_id))

    @extend_schema(
        operation_id="checkpoint_update",
        request=PinSerializer,
        responses={200: CheckpointSerializer, **problems(400, 401, 404, 415)},
    )
    def patch(self, request: Request, checkpoint_id: uuid.UUID) -> Response:
        """Pin it, so that retention leaves it alone, or no longer (staff)."""
        checkpoint = checkpoint_visible(user=request.user, checkpoint_id=checkpoint_id)
        form = PinSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        checkpoints_pin(checkpoints=[checkpoint], by=self.staff(), pinned=form.validated_data["pinned"])
        return _shown(request, checkpoint)

    @extend_schema(
        operation_id="checkpoint_delete",
        responses={204: OpenApiResponse(description="Deleted, with its files."), **problems(400, 401, 404)},
    )
    def delete(self, request: Request, checkpoint_id: uuid.UUID) -> Response:
        """Delete it with its files; refused while it is published or a run goes on from it (staff)."""
        checkpoint = checkpoint_visible(user=request.user, checkpoint_id=checkpoint_id)
        checkpoints_delete(checkpoints=[checkpoint], by=self.staff())
        return Response(status=204)


class CheckpointEvaluationsView(StaffView):
    """Evaluations of one checkpoint."""

    @extend_schema(
        operation_id="checkpoint_evaluate",
        request=EvaluateSerializer,
        responses={202: EvaluationSerializer, **problems(400, 401, 404, 409, 415)},
    )
    def post(self, request: Request, checkpoint_id: uuid.UUID) -> Response:
        """Have it measured on held-out tiles, beside any training (staff)."""
        checkpoint = checkpoint_visible(user=request.user, checkpoint_id=checkpoint_id)
        form = EvaluateSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        made = evaluations_request(
            checkpoints=[checkpoint], by=self.staff(), tiles=form.validated_data["tiles"]
        )
        if not made:
            raise Conflict("It is being measured on as many tiles already.")
        return self.shaped(made[0], EvaluationSerializer, status=202)


class CheckpointPublicationsView(StaffView):
    """Publications of one checkpoint."""

    @extend_schema(
        operation_id="checkpoint_publish",
        request=PublishSerializer,
        responses={(202, JSON): PublicationSerializer(many=True), **problems(400, 401, 404, 415)},
    )
    def post(self, request: Request, checkpoint_id: uuid.UUID) -> Response:
        """Have it exported, compared with its network, and offered; one direction or both (staff)."""
        checkpoint = checkpoint_visible(user=request.user, checkpoint_id=checkpoint_id)
        form = PublishSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        offer = Offer(**form.validated_data)
        offers = both_directions(offer, directions_of(checkpoint)) if offer.direction == BOTH else [offer]
        made = publications_request(checkpoint=checkpoint, by=self.staff(), offers=offers)
        shaped = PublicationSerializer(made, many=True, context={"request": request})
        return Response(shaped.data, status=202)


class EvaluationsView(StaffView):
    """All of them."""

    @extend_schema(
        operation_id="evaluations_list",
        parameters=[CheckpointFilterSerializer],
        responses={(200, JSON): EvaluationSerializer(many=True), **problems(400, 401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List evaluations, newest first (staff)."""
        rows, run = evaluations_visible(request.user), _run_wanted(request)
        return self.paginated(rows.filter(checkpoint__run=run) if run else rows, EvaluationSerializer)


class EvaluationView(StaffView):
    """One evaluation."""

    @extend_schema(operation_id="evaluation", responses={200: EvaluationSerializer, **problems(401, 404)})
    def get(self, request: Request, evaluation_id: uuid.UUID) -> Response:
        """Look at an evaluation (staff)."""
        return self.shaped(evaluations_visible(request.user).get(pk=evaluation_id), EvaluationSerializer)


class EvaluationCancelView(StaffView):
    """Stop an evaluation."""

    @extend_schema(
        operation_id="evaluation_cancel",
        request=None,
        responses={200: EvaluationSerializer, **problems(401, 404, 409)},
    )
    def post(self, request: Request, evaluation_id: uuid.UUID) -> Response:
        """Cancel an evaluation (staff)."""
        evaluation = evaluations_visible(request.user).get(pk=evaluation_id)
        if not evaluation_cancel(evaluation=evaluation, by=self.staff()):
            raise Conflict(OVER)
        return self.shaped(evaluation, EvaluationSerializer)


class EvaluationRetryView(StaffView):
    """Try an evaluation again."""

    @extend_schema(
        operation_id="evaluation_retry",
        request=None,
        responses={202: EvaluationSerializer, **problems(401, 404, 409)},
    )
    def post(self, request: Request, evaluation_id: uuid.UUID) -> Response:
        """Try a failed or cancelled evaluation again (staff)."""
        evaluation = evaluations_visible(request.user).get(pk=evaluation_id)
        if not evaluation_retry(evaluation=evaluation, by=self.staff()):
            raise Conflict(OVER)
        return self.shaped(evaluation, EvaluationSerializer, status=202)


class PublicationsView(StaffView):
    """All of them."""

    @extend_schema(
        operation_id="publications_list",
        parameters=[CheckpointFilterSerializer],
        responses={(200, JSON): PublicationSerializer(many=True), **problems(400, 401, 404)},
    )
    def get(self, request: Request) -> Response:
        """List publications, newest first (staff)."""
        rows, run = publications_visible(request.user), _run_wanted(request)
        return self.paginated(rows.filter(checkpoint__run=run) if run else rows, PublicationSerializer)


class PublicationView(StaffView):
    """One publication."""

    @extend_schema(operation_id="publication", responses={200: PublicationSerializer, **problems(401, 404)})
    def get(self, request: Request, publication_id: uuid.UUID) -> Response:
        """Look at a publication (staff)."""
        found = publication_visible(user=request.user, publication_id=publication_id)
        return self.shaped(found, PublicationSerializer)

    @extend_schema(
        operation_id="publication_update",
        request=CardSerializer,
        responses={200: PublicationSerializer, **problems(400, 401, 404, 415)},
    )
    def patch(self, request: Request, publication_id: uuid.UUID) -> Response:
        """Change what its card says, before it is a generator and after (staff)."""
        found = publication_visible(user=request.user, publication_id=publication_id)
        form = CardSerializer(data=request.data, partial=True)
        form.is_valid(raise_exception=True)
        now: dict[str, str] = {name: getattr(found, name) for name in CARD}
        text = CardText(**{**now, **form.validated_data})
        publication_describe(publication=found, by=self.staff(), text=text)
        return self.shaped(found, PublicationSerializer)


class PublicationOfferView(StaffView):
    """Who is offered a publication's generator."""

    @extend_schema(
        operation_id="publication_offer",
        request=OfferSerializer,
        responses={200: PublicationSerializer, **problems(400, 401, 404, 415)},
    )
    def post(self, request: Request, publication_id: uuid.UUID) -> Response:
        """Offer its generator to staff, to everybody or to nobody; also how one rolls back (staff)."""
        found = publication_visible(user=request.user, publication_id=publication_id)
        form = OfferSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        state = GeneratorState(form.validated_data["state"])
        publication_offer(publication=found, by=self.staff(), state=state)
        return self.shaped(found, PublicationSerializer)


class PublicationCancelView(StaffView):
    """Stop a publication."""

    @extend_schema(
        operation_id="publication_cancel",
        request=None,
        responses={200: PublicationSerializer, **problems(401, 404, 409)},
    )
    def post(self, request: Request, publication_id: uuid.UUID) -> Response:
        """Cancel a publication (staff)."""
        found = publication_visible(user=request.user, publication_id=publication_id)
        if not publication_cancel(publication=found, by=self.staff()):
            raise Conflict(OVER)
        return self.shaped(found, PublicationSerializer)


class PublicationRetryView(StaffView):
    """Try a publication again."""

    @extend_schema(
        operation_id="publication_retry",
        request=None,
        responses={202: PublicationSerializer, **problems(401, 404, 409)},
    )
    def post(self, request: Request, publication_id: uuid.UUID) -> Response:
        """Try a failed or cancelled publication again (staff)."""
        found = publication_visible(user=request.user, publication_id=publication_id)
        if not publication_retry(publication=found, by=self.staff()):
            raise Conflict(OVER)
        return self.shaped(found, PublicationSerializer, status=202)


def _run_wanted(request: Request) -> uuid.UUID | None:
    filters = CheckpointFilterSerializer(data=request.query_params)
    filters.is_valid(raise_exception=True)
    run: uuid.UUID | None = filters.validated_data.get("run")
    return run


def _shown(request: Request, checkpoint: Checkpoint) -> Response:
    context = {"request": request, "best": _best([checkpoint])}
    return Response(CheckpointSerializer(checkpoint, context=context).data)


def _best(shown: Iterable[Checkpoint]) -> dict[uuid.UUID, list[str]]:
    """Directions by the ids of those that are their run's best in them."""
    found: dict[uuid.UUID, list[str]] = {}
    runs: dict[uuid.UUID, list[Checkpoint]] = {}
    rows = Checkpoint.objects.filter(run__in={each.run_id for each in shown}).only("run_id", "measures")
    for row in rows.order_by("step"):
        runs.setdefault(row.run_id, []).append(row)
    for checkpoints in runs.values():
        for exam in exams_of(checkpoints, []):
            directions: Any = {name for row in exam.figures.values() for name in row}
            for direction in sorted(directions) if exam.key == TRAINING else []:
                order = exam.ranked(direction)
                if len(order) > 1:
                    found.setdefault(order[0], []).append(direction)
    return found
