"""What the views of the API share: who is asking, pages, and the errors every operation documents."""

from __future__ import annotations

from typing import Any, Never

from django.db.models import Model, QuerySet
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from translator.negotiation import AlwaysJson, ShallowJsonParser
from translator.problems import CONTENT_TYPE
from translator.serializers import ProblemSerializer

JSON = "application/json"  # named beside the status in lists, where drf-spectacular sorts responses as text
Responses = dict[tuple[int, str], type[ProblemSerializer]]


def problems(*codes: int) -> Responses:
    """These statuses, as documented responses."""
    return {(code, CONTENT_TYPE): ProblemSerializer for code in codes}


class Pages(PageNumberPagination):
    """``?page=2&page_size=50``: objects with ``count``, ``next``, ``previous`` and ``results``."""

    page_size = 24
    page_size_query_param = "page_size"
    max_page_size = 100


class ApiView(APIView):
    """A view that anybody may call; what they get is decided by the selectors."""

    permission_classes = [AllowAny]
    parser_classes = [ShallowJsonParser]
    content_negotiation_class = AlwaysJson
    pagination_class = Pages

    def paginated(self, rows: QuerySet[Any], serializer: type[BaseSerializer[Any]]) -> Response:
        """One page of the rows."""
        pages = self.pagination_class()
        page: list[Model] = pages.paginate_queryset(rows, self.request, view=self) or []
        shaped = serializer(page, many=True, context={"request": self.request})
        return pages.get_paginated_response(shaped.data)

    def shaped(self, row: Model, serializer: type[BaseSerializer[Any]], status: int = 200) -> Response:
        """One row."""
        shaped = serializer(row, context={"request": self.request})
        return Response(shaped.data, status=status)


class NotFoundView(ApiView):
    """Every other address under the API."""

    @extend_schema(exclude=True)
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> Never:
        """Any method, anybody."""
        raise Http404
