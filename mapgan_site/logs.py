"""Log lines that can be followed: each names the request or the job it belongs to, as text or as JSON.

The id of a request comes from the proxy in front (X-Request-ID) or is made here; it goes back in the answer
and along with every message to the broker, so that the lines of a job say which request asked for it.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun
from django.core.signals import request_finished
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from pythonjsonlogger.json import JsonFormatter

HEADER = "X-Request-ID"
ACCEPTED = re.compile(r"[A-Za-z0-9._:-]{1,64}")  # anything else could forge lines

# Addresses that are keys: who reads the log must not be able to use them.
SECRET_PATHS = re.compile(r"(/accounts/(?:password/reset/key|confirm-email)/)[^/\s]+")

request_id: ContextVar[str] = ContextVar("request_id", default="")
job_id: ContextVar[str] = ContextVar("job_id", default="")
task_name: ContextVar[str] = ContextVar("task_name", default="")
CONTEXT = {"request_id": request_id, "job_id": job_id, "task": task_name}

_tokens: dict[str, list[tuple[ContextVar[str], Token[str]]]] = {}


# Django hangs the request itself on its records; its text has the whole query.
RESERVED = [*logging.makeLogRecord({}).__dict__, "message", "asctime", "context", "taskName", "request"]


class ContextFilter(logging.Filter):
    """Gives every record what is known of its request and job. Never holds one back."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Fields for JSON, and the same as words for text."""
        known = {name: variable.get() for name, variable in CONTEXT.items() if variable.get()}
        for name, value in known.items():
            if not hasattr(record, name):
                setattr(record, name, value)
        words = " ".join(f"{name.removesuffix('_id')}={value}" for name, value in known.items())
        record.context = f" [{words}]" if words else ""
        if record.name.startswith(("django.", "gunicorn.")) and isinstance(
            record.args, tuple
        ):  # "Not Found: %s"
            hidden = (
                SECRET_PATHS.sub(r"\1…", each) if isinstance(each, str) else each for each in record.args
            )
            record.args = tuple(hidden)
        return True


class TextFormatter(logging.Formatter):
    """One readable line an event."""

    def __init__(self) -> None:
        """Time, level, who, what, and whose."""
        super().__init__(
            "{asctime} {levelname:<7} {name}: {message}{context}", style="{", defaults={"context": ""}
        )


class LineFormatter(JsonFormatter):
    """One JSON object a line: time, level, logger, message, and what else is known."""

    def __init__(self) -> None:
        """Names as log collectors expect them."""
        super().__init__(
            ["levelname", "name", "message"],
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp=True,
            reserved_attrs=RESERVED,
        )


def formatter(log_format: str) -> logging.Formatter:
    """For handlers that Django does not make."""
    return LineFormatter() if log_format == "json" else TextFormatter()


def public_path(path: str) -> str:
    """An address without its query, and without what makes it a key."""
    return SECRET_PATHS.sub(r"\1…", path.partition("?")[0])


class RequestIdMiddleware:
    """The first of all: what happens in the others is logged with the id, too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Middleware as Django makes it."""
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Take the id or make one, and say it."""
        given = request.headers.get(HEADER, "")
        own = given if ACCEPTED.fullmatch(given) else uuid.uuid4().hex
        request_id.set(own)  # until the answer is closed: Django logs its status after all middleware
        response = self.get_response(request)
        response[HEADER] = own
        return response


@receiver(request_finished)
def _request_ends(**_: Any) -> None:
    request_id.set("")


@before_task_publish.connect(weak=False)
def _send_along(headers: Any = None, **_: Any) -> None:
    """The broker's message says which request it comes from."""
    if isinstance(headers, dict) and request_id.get():
        headers["request_id"] = request_id.get()


@task_prerun.connect(weak=False)
def _begin(task_id: str = "", task: Any = None, args: Any = (), **_: Any) -> None:
    """Lines of this task name its job: the first argument of a job's task is its id."""
    given = str(getattr(task.request, "request_id", "") or "")
    values = {
        task_name: str(task.name),
        job_id: str(args[0]) if args else "",
        request_id: given if ACCEPTED.fullmatch(given) else "",
    }
    _tokens[task_id] = [(variable, variable.set(value)) for variable, value in values.items()]


@task_postrun.connect(weak=False)
def _end(task_id: str = "", **_: Any) -> None:
    for variable, token in _tokens.pop(task_id, []):
        try:
            variable.reset(token)
        except ValueError:  # begun in another context
            variable.set("")


@setup_logging.connect(weak=False)
def _celery_logs_as_we_do(loglevel: int | str | None = None, **_: Any) -> None:
    """Celery would add handlers and formats of its own; only its verbosity is its own affair."""
    for name in ("celery", "kombu"):
        logging.getLogger(name).setLevel(loglevel or logging.INFO)
    logging.getLogger("kombu").setLevel(logging.WARNING)  # at DEBUG it prints message bodies
