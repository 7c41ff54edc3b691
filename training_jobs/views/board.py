"""TensorBoard behind our sign-in: every request of staff is passed on, anybody else finds nothing."""

from __future__ import annotations

import re
import uuid
from typing import Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from training_jobs.board import board_open, board_refresh, event_files
from training_jobs.board_client import Answer, BoardUnavailable, ask
from training_jobs.views.common import run_of, staff_only
from translator.views.common import storage_errors

ASKED: Final = ("Accept", "Accept-Encoding", "Content-Type", "If-None-Match", "X-TensorBoard-Feature-Flags")
TOLD: Final = ("content-type", "content-encoding", "content-length", "etag")
DATA: Final = re.compile(r"\A(data/)?(runs|experiment|plugin)")  # what it asks for figures
SCRIPT: Final = re.compile(r"'sha256-[A-Za-z0-9+/=]+'")


@staff_only
@require_safe
@storage_errors
def open_run(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
    """Show a run in TensorBoard."""
    run = run_of(request, run_id)
    if not event_files(run):
        return render(request, "training/no_board.html", {"run": run, "why": "empty"}, status=404)
    name = board_open(run)
    query = urlencode({"runFilter": name})
    return redirect(f"{reverse('training:board')}?{query}#timeseries")


@csrf_exempt  # its own page sends no token. Nothing that it takes by POST changes anything.
@staff_only
@require_http_methods(["GET", "HEAD", "POST"])
@storage_errors
def board(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """Pass a request on to it, and its answer back."""
    if DATA.match(path):
        board_refresh()
    query = request.META.get("QUERY_STRING", "")
    address = request.path + (f"?{query}" if query else "")
    headers = {name: request.headers[name] for name in ASKED if name in request.headers}
    body = request.body if request.method == "POST" else None
    try:
        answer = ask(request.method or "GET", address, headers=headers, body=body)
    except BoardUnavailable:
        return render(request, "training/no_board.html", {"why": "down"}, status=503)
    return _passed_on(answer)


def _passed_on(answer: Answer) -> HttpResponseBase:
    response = StreamingHttpResponse(answer.blocks, status=answer.status)
    for name in TOLD:
        if name in answer.headers:
            response[name] = answer.headers[name]
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = _policy(answer.headers.get("content-security-policy", ""))
    if answer.headers.get("cache-control", "").startswith("private, max-age"):
        response["Cache-Control"] = answer.headers["cache-control"]  # its scripts, named by their content
    return response


def _policy(own: str) -> str:
    """What its page may do: as ours, but it styles itself, and its one inline script is known by its hash."""
    scripts = " ".join(SCRIPT.findall(own))
    return (
        "default-src 'self'; "
        f"script-src 'self' {scripts}; style-src 'self' 'unsafe-inline' data:; "
        "font-src 'self' data:; img-src 'self' data: blob:; connect-src 'self'; object-src 'none'; "
        "base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    )
