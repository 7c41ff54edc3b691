"""Stored pictures on their way out, the one place that serves bytes. Who may have them is decided before.

Only what we encoded ourselves is stored under these keys (PNG and WebP), so the type follows from the kind.
An object never changes under its key; but who may see it can, so browsers keep a private copy and ask again
before they show it.
"""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import Final

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.http import content_disposition_header, quote_etag

from storage.errors import ObjectMissing
from storage.objects import is_local, link, open_object
from translator.models import Direction, Generator, Translation

PNG, WEBP = "image/png", "image/webp"

TRANSLATION_FILES: Final = {
    "original": ("original", PNG),
    "result": ("result", PNG),
    "original-thumbnail": ("original_thumbnail", WEBP),
    "result-thumbnail": ("result_thumbnail", WEBP),
}
GENERATOR_FILES: Final = {"input": ("sample_input", PNG), "output": ("sample_output", PNG)}

OUTCOMES: Final = {Direction.MAP_TO_SATELLITE.value: "satellite", Direction.SATELLITE_TO_MAP.value: "map"}


def file_response(
    source: Translation | Generator,
    kind: str,
    *,
    download: bool = False,
    request: HttpRequest | None = None,
) -> HttpResponseBase:
    """Send one of the row's pictures: its bytes when the storage is local, else a redirect to a signed link.

    Args:
        kind: ``original``, ``result``, ``original-thumbnail`` or ``result-thumbnail`` of a translation;
            ``input`` or ``output`` of a generator (its sample pair).
        download: for saving rather than showing.
        request: with it, a browser that has the picture already is told so (304).

    Raises:
        Http404: no such kind, nothing there yet, or the object is gone.
        StorageError: the storage cannot be reached.
    """
    files = TRANSLATION_FILES if isinstance(source, Translation) else GENERATOR_FILES
    if kind not in files:
        raise Http404
    column, content_type = files[kind]
    key: str = getattr(source, column)
    if not key:
        raise Http404
    filename = _filename(source, kind, content_type, request)
    return object_response(request, key, content_type=content_type, filename=filename, download=download)


def object_response(
    request: HttpRequest | None, key: str, *, content_type: str, filename: str, download: bool = False
) -> HttpResponseBase:
    """Send an object of our own making; who may have it is decided before.

    Raises:
        Http404: it is gone.
        StorageError: the storage cannot be reached.
    """
    try:
        if is_local():
            return _stream(key, content_type, filename, download, request)
        return _redirect(key, content_type, filename, download)
    except ObjectMissing as error:
        raise Http404 from error


def _stream(
    key: str, content_type: str, filename: str, download: bool, request: HttpRequest | None
) -> HttpResponseBase:
    etag = quote_etag(hashlib.sha256(key.encode()).hexdigest()[:32])  # the key is random and immutable
    unchanged = get_conditional_response(request, etag=etag) if request is not None else None
    response: HttpResponseBase = unchanged or FileResponse(
        open_object(key), as_attachment=download, filename=filename, content_type=content_type
    )
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    patch_vary_headers(response, ("Cookie", "Authorization"))
    return response


def _redirect(key: str, content_type: str, filename: str, download: bool) -> HttpResponseBase:
    address = link(
        key,
        content_type=content_type,
        disposition=content_disposition_header(download, filename) or "attachment",
        seconds=settings.FILE_LINK_SECONDS,
    )
    response = HttpResponseRedirect(address)
    response["Cache-Control"] = "no-store"  # the link dies
    response["Referrer-Policy"] = "no-referrer"
    return response


def _filename(
    source: Translation | Generator, kind: str, content_type: str, request: HttpRequest | None
) -> str:
    """A name for saving: ``streets-satellite.png`` for the owner of ``streets.jpg``, a neutral one else."""
    extension = content_type.rsplit("/", 1)[-1]
    if isinstance(source, Generator):
        return f"{source.name}-v{source.version}-{kind}.{extension}"
    mine = request is not None and request.user.pk == source.owner_id
    stem = (mine and PurePosixPath(source.filename).stem) or f"mapgan-{source.pk.hex[:8]}"
    picture, _, thumbnail = kind.partition("-")
    words = [stem, OUTCOMES[source.generator.direction] if picture == "result" else picture]
    return "-".join([*words, *([thumbnail] if thumbnail else [])]) + f".{extension}"
