"""Datasets: the list, one of them with its versions and the doctor's report, and what people do to them."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HTMX_STOP_POLLING

from accounts.models import User
from jobs.selectors import queue_position
from training_jobs.forms import AboutForm, DatasetForm, VersionForm
from training_jobs.models import Dataset, DatasetVersion
from training_jobs.presentation import Report, uses_of
from training_jobs.selectors import (
    dataset_visible,
    datasets_visible,
    uploads_waiting,
    version_visible,
    versions_alike,
)
from training_jobs.services import (
    DatasetInUse,
    DatasetRefused,
    dataset_delete,
    version_cancel,
    version_delete,
    version_retry,
)
from training_jobs.services.uploads import chunk_bytes
from training_jobs.views.common import staff_of, staff_only, whole_archives
from translator.downloads import object_response
from translator.services import ObjectMissing
from translator.storage import read
from translator.views.common import go, is_htmx, storage_errors

SHEETS = {"a": "sheet_a", "b": "sheet_b", "problems": "sheet_problems"}
SHOWN_ALIKE = 5
DATASETS_ON_A_PAGE = 50


@staff_only
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Every dataset, by name."""
    page = Paginator(datasets_visible(request.user), DATASETS_ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "training/datasets.html", {"page": page})


@whole_archives
@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
@storage_errors
def new(request: HttpRequest) -> HttpResponse:
    """Bring a dataset."""
    user = staff_of(request)
    form = DatasetForm(user=user)
    if request.method == "POST":
        form = DatasetForm(request.POST, request.FILES, user=user)
        version = form.save()
        if version is not None:
            return go(request, _address(version))
    context = {"form": form, **_upload_context(user)}
    return render(request, "training/dataset_new.html", context, status=_status(request))


@staff_only
@require_safe
@storage_errors
def detail(request: HttpRequest, dataset_id: uuid.UUID, number: int | None = None) -> HttpResponse:
    """One dataset, at its newest or at the named version."""
    dataset = _dataset(request, dataset_id)
    version = dataset.versions.select_related("created_by").filter(**({"number": number} if number else {}))
    chosen = version.first()
    if chosen is None:
        raise Http404
    chosen.dataset = dataset
    return render(request, "training/dataset.html", _context(dataset, chosen))


@staff_only
@require_safe
@storage_errors
def status(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """How far its examination is, as a fragment; once it ended, the whole report and no more questions."""
    version = _version(request, version_id)
    context = _context(version.dataset, version)
    if version.is_active:
        return render(request, "training/_progress.html", context)
    response = render(request, "training/_version.html", context)
    if is_htmx(request):
        response.status_code = HTMX_STOP_POLLING
        response["HX-Retarget"] = "#version"  # the report takes the place of the whole, not of the progress
    return response


@staff_only
@require_safe
@storage_errors
def sheet(request: HttpRequest, version_id: uuid.UUID, kind: str) -> HttpResponseBase:
    """A grid of small pictures."""
    version = _version(request, version_id)
    key = getattr(version, SHEETS[kind]) if kind in SHEETS else ""
    if not key:
        raise Http404
    return object_response(request, key, content_type="image/webp", filename=f"{kind}.webp")


@staff_only
@require_safe
@storage_errors
def report(request: HttpRequest, version_id: uuid.UUID) -> HttpResponseBase:
    """The doctor's whole report."""
    version = _version(request, version_id)
    if not version.report:
        raise Http404
    name = f"{slugify(version.dataset.name) or 'dataset'}-v{version.number}-report.json"
    return object_response(request, version.report, content_type="application/json", filename=name)


@whole_archives
@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
@storage_errors
def version_new(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Bring other pictures for a dataset."""
    dataset = _dataset(request, dataset_id)
    form = VersionForm(user=staff_of(request), dataset=dataset)
    if request.method == "POST":
        form = VersionForm(request.POST, request.FILES, user=staff_of(request), dataset=dataset)
        version = form.save() if form.is_valid() else None
        if version is not None:
            return go(request, _address(version))
    context = {"form": form, "dataset": dataset, **_upload_context(staff_of(request))}
    return render(request, "training/version_new.html", context, status=_status(request))


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Change what is said of it."""
    dataset = _dataset(request, dataset_id)
    form = AboutForm(request.POST if request.method == "POST" else None, instance=dataset)
    if request.method == "POST" and form.is_valid() and form.save_changes(by=staff_of(request)):
        messages.success(request, "Saved.")
        return redirect("training:dataset", dataset.pk)
    context = {"form": form, "dataset": Dataset.objects.get(pk=dataset.pk)}
    return render(request, "training/dataset_edit.html", context, status=_status(request))


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, dataset_id: uuid.UUID) -> HttpResponse:
    """Ask, then delete it with all its versions and files; not while something uses it."""
    dataset = _dataset(request, dataset_id)
    refusal = ""
    if request.method == "POST":
        try:
            dataset_delete(dataset=dataset, by=staff_of(request))
        except DatasetInUse as error:
            refusal = str(error)
        else:
            messages.success(request, f"The dataset {dataset.name} and its files are deleted.")
            return redirect("training:datasets")
    versions = list(dataset.versions.all())
    context = {"dataset": dataset, "versions": versions, "uses": uses_of(versions), "refusal": refusal}
    return render(request, "training/dataset_delete.html", context, status=409 if refusal else 200)


@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
def version_remove(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Ask, then delete one version and its files; not while something uses it."""
    version = _version(request, version_id)
    refusal = ""
    if request.method == "POST":
        try:
            version_delete(version=version, by=staff_of(request))
        except DatasetRefused as error:
            refusal = str(error)
        else:
            messages.success(request, f"Version {version.number} and its files are deleted.")
            return redirect("training:dataset", version.dataset_id)
    context = {"dataset": version.dataset, "version": version, "uses": uses_of([version]), "refusal": refusal}
    return render(request, "training/version_delete.html", context, status=409 if refusal else 200)


@staff_only
@require_POST
def cancel(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Stop the examination."""
    version = _version(request, version_id)
    if not version_cancel(version=version, by=staff_of(request)):
        messages.info(request, "It had already finished.")
    return redirect(_address(version))


@staff_only
@require_POST
def retry(request: HttpRequest, version_id: uuid.UUID) -> HttpResponse:
    """Examine it again."""
    version = _version(request, version_id)
    if not version_retry(version=version, by=staff_of(request)):
        messages.info(request, "It cannot be tried again: it has not failed, or its upload is gone.")
    return redirect(_address(version))


def _dataset(request: HttpRequest, dataset_id: uuid.UUID) -> Dataset:
    try:
        return dataset_visible(user=request.user, dataset_id=dataset_id)
    except Dataset.DoesNotExist:
        raise Http404 from None


def _version(request: HttpRequest, version_id: uuid.UUID) -> DatasetVersion:
    try:
        return version_visible(user=request.user, version_id=version_id)
    except DatasetVersion.DoesNotExist:
        raise Http404 from None


def _address(version: DatasetVersion) -> str:
    return version.get_absolute_url()


def _context(dataset: Dataset, version: DatasetVersion) -> dict[str, Any]:
    """What a version's page and its fragments show."""
    report = None
    if version.report:
        try:
            report = Report(json.loads(read(version.report)))
        except (ObjectMissing, ValueError):
            report = None
    return {
        "dataset": dataset,
        "version": version,
        "versions": dataset.versions.all(),
        "report": report,
        "uses": uses_of([version]),
        "alike": versions_alike(version)[:SHOWN_ALIKE],
        "position": queue_position(job=version),
    }


def _status(request: HttpRequest) -> int:
    """Of a form's page: shown again after a POST, it was refused."""
    return 422 if request.method == "POST" else 200


def _upload_context(user: User) -> dict[str, Any]:
    """What the uploader on a form's page needs, and what this person left unfinished."""
    return {
        "chunk_bytes": chunk_bytes(),
        "max_bytes": settings.DATASET_MAX_BYTES,
        "waiting": uploads_waiting(user=user),
    }
