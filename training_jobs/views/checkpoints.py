"""Checkpoints of a run: the table, what is done with chosen ones, side by side, and how many are kept."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from training_jobs import side_by_side
from training_jobs.checkpoint_forms import EvaluateForm, RetentionForm
from training_jobs.checkpoint_table import KNOWN, table_context
from training_jobs.models import Checkpoint, Evaluation, TrainingRun
from training_jobs.selectors import (
    checkpoint_visible,
    checkpoints_visible,
    evaluations_of,
    evaluations_visible,
    run_visible,
)
from training_jobs.services.checkpoints import (
    checkpoints_delete,
    checkpoints_pin,
    deleting_refused,
    deleting_warning,
    retention_change,
    retention_preview,
)
from training_jobs.services.evaluations import (
    evaluation_cancel,
    evaluation_retry,
    evaluations_cancel,
    evaluations_request,
)
from training_jobs.services.runs import RunRefused
from training_jobs.views.common import staff_of, staff_only
from translator.downloads import object_response
from translator.views.common import storage_errors

CHOSEN = "checkpoint"  # the field that names them


@staff_only
@require_safe
def table(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """The table as a fragment; nothing when the page shows it as it is (``known``)."""
    context = table_context(_run(request, run_id), request.GET)
    if request.GET.get(KNOWN) == context["known"]:
        return HttpResponse(status=204)
    return render(request, "training/_checkpoints.html", context)


@staff_only
@require_safe
@storage_errors
def thumbnail(request: HttpRequest, checkpoint_id: uuid.UUID, direction: str) -> HttpResponseBase:
    """Some of what it drew, small."""
    try:
        checkpoint = checkpoint_visible(user=request.user, checkpoint_id=checkpoint_id)
    except Checkpoint.DoesNotExist:
        raise Http404 from None
    key = checkpoint.thumbnails.get(direction) or checkpoint.sheets.get(direction)
    if not key:
        raise Http404
    name = f"step-{checkpoint.step}-{direction}.webp"
    return object_response(request, key, content_type="image/webp", filename=name)


@staff_only
@require_POST
def act(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Do something with the chosen checkpoints of a run."""
    run, user = _run(request, run_id), staff_of(request)
    chosen = _chosen(request, run)
    action = request.POST.get("action", "")
    if action == "stop":
        count = evaluations_cancel(run=run, by=user)
        messages.info(request, f"{count:,} evaluation{'' if count == 1 else 's'} cancelled.")
        return _back(run)
    if action == "evaluate-all":
        chosen, action = list(run.checkpoints.all()), "evaluate"
    if not chosen:
        messages.info(request, "Choose checkpoints first, by the boxes at the beginning of their rows.")
        return _back(run)
    if action == "compare":
        return _compare(request, chosen)
    if action == "delete":
        return _question(request, run, chosen)  # no address: it could not name hundreds of them
    if action in ("pin", "unpin"):
        checkpoints_pin(checkpoints=chosen, by=user, pinned=action == "pin")
    elif action == "evaluate":
        _evaluate(request, chosen)
    else:
        raise Http404
    return _back(run)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
@storage_errors
def delete(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Ask, then delete the chosen ones with their files."""
    run = _run(request, run_id)
    chosen = _chosen(request, run)
    if not chosen:
        messages.info(request, "These checkpoints are not there any more.")
        return _back(run)
    if request.method == "POST":
        try:
            freed = checkpoints_delete(checkpoints=chosen, by=staff_of(request))
        except RunRefused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _freed(len(freed.steps), freed.bytes))
        return _back(run)
    return _question(request, run, chosen)


@staff_only
@require_safe
def compare(request: HttpRequest) -> HttpResponse:
    """Several checkpoints side by side, of one run or of runs on the same version of a dataset."""
    ids = [found for text in request.GET.getlist(CHOSEN) if (found := _uuid(text))]
    chosen = checkpoints_visible(user=request.user, checkpoint_ids=ids)
    if not chosen:
        raise Http404
    shown, problem = chosen[: side_by_side.MOST], ""
    if len({each.run.dataset_version_id for each in shown}) > 1:
        shown = [each for each in shown if each.run.dataset_version_id == shown[0].run.dataset_version_id]
        problem = "Checkpoints of runs on other data are left out: their figures would not compare."
    elif len(chosen) > len(shown):
        problem = f"At most {side_by_side.MOST} are shown; the first ones of your choice are here."
    runs = list({each.run_id: each.run for each in shown}.values())
    exams = side_by_side.shared_exams(shown, evaluations_of(shown))
    exam = next((each for each in exams if each.key == request.GET.get("exam")), exams[0] if exams else None)
    context = {
        "chosen": shown,
        "runs": runs,
        "problem": problem,
        "same_tiles": side_by_side.comparable(runs),
        "exams": exams,
        "exam": exam,
        "sides": side_by_side.sides_of(shown, exam),
        "others": _others(shown),
        "query": urlencode([(CHOSEN, str(each.pk)) for each in shown]),
    }
    return render(request, "training/checkpoints_compare.html", context)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
@storage_errors
def retention(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """How many are kept: say it, see what would go, do it."""
    run = _run(request, run_id)
    form = RetentionForm(request.POST if request.method == "POST" else None, run=run)
    context: dict[str, Any] = {"run": run, "form": form}
    if request.method == "POST" and form.is_valid():
        try:
            going = retention_preview(run=run, retention=form.retention())
            if request.POST.get("confirmed") or not going:
                freed = retention_change(run=run, by=staff_of(request), retention=form.retention())
                gone = f" {_freed(len(freed.steps), freed.bytes)}" if freed.steps else ""
                messages.success(request, f"The retention is changed.{gone}")
                return _back(run)
            context |= {"going": going, "bytes": sum(each.size_bytes for each in going)}
        except RunRefused as refusal:
            form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
    status = 422 if form.errors else 200
    return render(request, "training/retention.html", context, status=status)


@staff_only
@require_POST
def evaluation_act(request: HttpRequest, evaluation_id: uuid.UUID, action: str) -> HttpResponse:
    """Cancel it or try it again."""
    actions = {"cancel": evaluation_cancel, "retry": evaluation_retry}
    try:
        evaluation = evaluations_visible(request.user).get(pk=evaluation_id)
    except Evaluation.DoesNotExist:
        raise Http404 from None
    if action not in actions:
        raise Http404
    if not actions[action](evaluation=evaluation, by=staff_of(request)):
        messages.info(request, "That is not possible any more: look at where the evaluation stands now.")
    return _back(evaluation.checkpoint.run)


def _question(request: HttpRequest, run: TrainingRun, chosen: list[Checkpoint]) -> HttpResponse:
    """Whether they shall be deleted, with what that means."""
    context = {
        "run": run,
        "chosen": chosen,
        "bytes": sum(each.size_bytes for each in chosen),
        "refusal": deleting_refused(run, chosen),
        "warning": deleting_warning(run, chosen),
    }
    return render(request, "training/checkpoints_delete.html", context)


def _compare(request: HttpRequest, chosen: list[Checkpoint]) -> HttpResponse:
    """To the page that shows as many of them as fit beside each other."""
    shown = chosen[: side_by_side.MOST]
    if len(shown) < len(chosen):
        message = (
            f"At most {side_by_side.MOST} are shown; the first ones of the {len(chosen):,} chosen are here."
        )
        messages.info(request, message)
    ids = urlencode([(CHOSEN, str(each.pk)) for each in shown])
    return redirect(f"{reverse('training:checkpoints-compare')}?{ids}")


def _evaluate(request: HttpRequest, chosen: list[Checkpoint]) -> None:
    form = EvaluateForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The number of tiles must be a whole number; leave it empty for all.")
        return
    try:
        tiles = form.cleaned_data["tiles"] or 0
        made = evaluations_request(checkpoints=chosen, by=staff_of(request), tiles=tiles)
    except RunRefused as refusal:
        messages.error(request, str(refusal))
        return
    if made:
        one = len(made) == 1
        messages.success(request, f"{len(made):,} checkpoint{'' if one else 's'} will be evaluated.")
    else:
        messages.info(request, "They are being evaluated on as many tiles already.")


def _others(shown: list[Checkpoint]) -> list[Checkpoint]:
    """What else could be put beside them: the other checkpoints of their runs."""
    runs = {each.run_id for each in shown}
    rows = Checkpoint.objects.filter(run__in=runs).exclude(pk__in=[each.pk for each in shown])
    return list(rows.select_related("run").order_by("run__created_at", "step"))


def _freed(count: int, size: int) -> str:
    return f"{count:,} checkpoint{'' if count == 1 else 's'} deleted, {filesizeformat(size)} freed."


def _run(request: HttpRequest, run_id: uuid.UUID) -> TrainingRun:
    try:
        return run_visible(user=request.user, run_id=run_id)
    except TrainingRun.DoesNotExist:
        raise Http404 from None


def _chosen(request: HttpRequest, run: TrainingRun) -> list[Checkpoint]:
    """Those of this run that the request names, by step."""
    named = request.POST.getlist(CHOSEN) or request.GET.getlist(CHOSEN)
    ids = [found for text in named if (found := _uuid(text))]
    return list(run.checkpoints.filter(pk__in=ids).select_related("run").order_by("step"))


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _back(run: TrainingRun) -> HttpResponse:
    return redirect(f"{run.get_absolute_url()}#checkpoints")
