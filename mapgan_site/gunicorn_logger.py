"""gunicorn's own lines, and a line a request, in the format of all the others."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from gunicorn import glogging

from mapgan_site.logs import HEADER, ContextFilter, formatter, public_path

QUIET = frozenset({"/healthz", "/readyz", "/metrics"})  # asked every few seconds, for ever


class Logger(glogging.Logger):
    """``--logger-class mapgan_site.gunicorn_logger.Logger``"""

    def setup(self, cfg: Any) -> None:
        """As gunicorn does, then in our format."""
        super().setup(cfg)
        for handler in self.error_log.handlers:
            handler.setFormatter(formatter(settings.LOG_FORMAT))
            handler.addFilter(ContextFilter())
        self.access_log = logging.getLogger("mapgan.access")

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Who asked for what, what was answered, how long it took. No query string: it may hold anything."""
        path = str(environ.get("PATH_INFO") or getattr(req, "path", ""))
        status = int(str(resp.status).split(maxsplit=1)[0])
        if not settings.ACCESS_LOG or (path in QUIET and status < 400):
            return
        answered = {name.lower(): value for name, value in resp.headers}
        method, milliseconds = (
            environ.get("REQUEST_METHOD") or getattr(req, "method", ""),
            round(request_time.total_seconds() * 1000),
        )
        shown = public_path(path)
        fields = {
            "method": method,
            "path": shown,
            "status": status,
            "bytes": getattr(resp, "sent", None),
            "duration_ms": milliseconds,
            "remote": environ.get("REMOTE_ADDR", ""),
            "request_id": answered.get(HEADER.lower(), ""),
        }
        words = f"{method} {shown} {status} {fields['bytes']} B {milliseconds} ms"
        if settings.LOG_FORMAT == "text":
            words += f" {fields['remote']} [request={fields['request_id']}]"
        self.access_log.info("%s", words, extra=fields)
