"""What a run leaves beside its checkpoints: its settings, its log, what TensorBoard reads."""

from __future__ import annotations

import re
import tempfile
import uuid
import zipfile
from typing import Final

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from mapgan.config import ConfigError
from training_jobs.board import event_files
from training_jobs.models import TrainingRun
from training_jobs.views.common import run_of, staff_only
from translator.downloads import object_response
from translator.storage import ObjectMissing, open_object
from translator.views.common import storage_errors

LOGS: Final = {"log.txt": "text/plain; charset=utf-8", "log.jsonl": "application/jsonl"}
MEMORY_BYTES: Final = 2**23  # of an archive; a larger one goes to the disk
BLOCK: Final = 2**20


@staff_only
@require_safe
def config(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Its settings as ``mapgan train --config`` takes them."""
    run = run_of(request, run_id)
    try:
        text = run.settings.to_toml()
    except ConfigError as error:
        raise Http404 from error  # of a later version; the page shows them all the same
    response = HttpResponse(text, content_type="application/toml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{_stem(run)}.toml"'
    return response


@staff_only
@require_safe
@storage_errors
def log(request: HttpRequest, run_id: uuid.UUID, name: str) -> HttpResponseBase:
    """The whole log: in words, or every event as a JSON line."""
    run = run_of(request, run_id)
    key = run.files.get(name, "")
    if name not in LOGS or not key:
        raise Http404
    filename = f"{_stem(run)}-{name}"
    return object_response(request, key, content_type=LOGS[name], filename=filename, download=True)


@staff_only
@require_safe
def log_tail(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Its end, as plain text."""
    return HttpResponse(run_of(request, run_id).log_tail, content_type="text/plain; charset=utf-8")


@staff_only
@require_safe
@storage_errors
def events(request: HttpRequest, run_id: uuid.UUID) -> FileResponse:
    """TensorBoard's event files as a zip: unpacked, ``tensorboard --logdir FOLDER`` shows them."""
    run = run_of(request, run_id)
    files = event_files(run)
    if not files:
        raise Http404
    spool = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - the response closes it
    try:
        with zipfile.ZipFile(spool, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, key in files.items():
                with open_object(key) as stored, archive.open(f"{_stem(run)}/{name}", "w") as out:
                    while block := stored.read(BLOCK):
                        out.write(block)
    except ObjectMissing as error:
        spool.close()
        raise Http404 from error
    spool.seek(0)
    return FileResponse(spool, as_attachment=True, filename=f"{_stem(run)}-tensorboard.zip")


def _stem(run: TrainingRun) -> str:
    """The run's name, fit for a file."""
    return re.sub(r"[^A-Za-z0-9]+", "-", run.name).strip("-")[:60] or "run"
