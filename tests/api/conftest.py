"""Fixtures of the API's tests: clients with bearer tokens, and the translator's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from accounts.models import User
from accounts.services import api_token_create
from tests.translator.conftest import generator, own_worker

__all__ = ["api_of", "generator", "own_worker"]


@pytest.fixture
def api_of() -> Callable[[User | None], APIClient]:
    """A client of the API with somebody's bearer token; with none for nobody."""

    def make(user: User | None) -> APIClient:
        client = APIClient()
        if user is not None:
            _, token = api_token_create(user=user, name="test")
            client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
        return client

    return make
