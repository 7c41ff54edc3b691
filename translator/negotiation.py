"""The API answers in JSON, whatever a client says it accepts; its files answer in their own type."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class AlwaysJson(BaseContentNegotiation):
    """Take the first parser that can read the body, and the first renderer.

    An ``<img>`` asks with ``Accept: image/*`` and must not get 406 from an address of a picture.
    """

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> Any:
        """The parser for the body's type; None when there is none (415)."""
        content_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first renderer."""
        first = next(iter(renderers))
        return first, str(first.media_type)


class ShallowJsonParser(JSONParser):
    """JSON, with brackets nested by the thousand, and halves of characters, refused like any other nonsense.

    Python reads ``"\\ud800"``, but no database takes it, and no answer can repeat it.
    """

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        """The parsed body."""
        try:
            parsed = super().parse(*args, **kwargs)
            json.dumps(parsed, ensure_ascii=False).encode()
        except RecursionError as error:
            raise ParseError("JSON parse error - nested too deeply") from error
        except UnicodeEncodeError as error:
            raise ParseError("JSON parse error - a surrogate without its other half") from error
        return parsed
