"""The OpenAPI document is valid, complete and true: schemathesis sends what it allows, and worse."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from django.urls import get_resolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import User
from accounts.services import api_token_create
from mapgan_site.wsgi import application
from tests.translator.factories import submitted, translated
from translator.models import Generator, Translation

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


@schemathesis.serializer("application/offset+octet-stream")
def octets(_: Any, value: Any) -> bytes:
    """A chunk of an upload, as it is."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@pytest.fixture
def document(anonymous_client: Client) -> dict[str, Any]:
    """What /api/schema/ says, to anybody."""
    response = anonymous_client.get("/api/schema/?format=json")
    assert response.status_code == 200
    return json.loads(response.content)


def test_it_is_valid() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=io.StringIO())


def test_it_knows_every_address(document: dict[str, Any]) -> None:
    modules = ("translator.api_urls", "training_jobs.api_urls")
    names = [
        name for module in modules for name in get_resolver(module).reverse_dict if isinstance(name, str)
    ]
    assert len(document["paths"]) == len(names) - 1  # but for the answer to every other address


def test_every_operation_says_how_it_fails(document: dict[str, Any]) -> None:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            failures = {code: each for code, each in operation["responses"].items() if code >= "400"}
            assert "401" in failures, (method, path)
            for response in failures.values():
                assert list(response["content"]) == ["application/problem+json"], (method, path)


def test_the_documentation_page(anonymous_client: Client) -> None:
    page = anonymous_client.get("/api/docs/")
    assert page.status_code == 200
    assert b"://" not in page.content.replace(b"http://www.w3.org", b"")  # nothing from elsewhere


@pytest.fixture
def schema(db: None) -> Iterator[Any]:
    """For schemathesis: the application is called in this process."""
    for signal in (request_started, request_finished):  # they would close the test's own connection
        signal.disconnect(close_old_connections)
    yield schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


Send = Callable[[schemathesis.Case], None]


def try_everything(schema: Any, subtests: pytest.Subtests, examples: int, send: Send) -> None:
    """Send some generated requests to every operation, right ones and wrong ones."""
    tried = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=st.one_of(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))
        def check(case: schemathesis.Case) -> None:
            send(case)

        with subtests.test(operation.label):
            check()
        tried += 1
    assert tried > 10


@pytest.fixture
def authorization(alice: User) -> dict[str, str]:
    token = api_token_create(user=alice, name="schemathesis")[1]
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def rows(alice: User, generator: Generator) -> dict[str, str]:
    """Ids that exist, for the paths."""
    submitted(alice, generator)
    translation = translated(alice, generator, visibility="public")
    return {"translation_id": str(translation.pk), "generator_id": str(generator.pk)}


def test_what_it_says_of_what_exists(
    schema: Any, subtests: pytest.Subtests, authorization: dict[str, str], rows: dict[str, str]
) -> None:
    def send(case: schemathesis.Case) -> None:
        case.path_parameters.update({name: rows[name] for name in rows if name in case.path_parameters})
        case.call_and_validate(headers=authorization, checks=CHECKS)

    try_everything(schema, subtests, 15, send)


def test_what_it_says_of_anything(
    schema: Any, subtests: pytest.Subtests, authorization: dict[str, str]
) -> None:
    try_everything(
        schema, subtests, 15, lambda case: case.call_and_validate(headers=authorization, checks=CHECKS)
    )


def test_what_it_says_to_nobody(schema: Any, subtests: pytest.Subtests, rows: dict[str, str]) -> None:
    try_everything(schema, subtests, 8, lambda case: case.call_and_validate(checks=CHECKS))
    assert Translation.objects.count() == 2
