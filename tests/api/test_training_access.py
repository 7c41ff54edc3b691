"""Training's API is for staff: for anybody else every address is one that does not exist."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.urls import URLPattern
from rest_framework.test import APIClient

from accounts.models import User
from tests.api.test_problems import assert_problem
from training_jobs import api_urls

Api = Callable[[User | None], APIClient]

ID = uuid4()
ADDRESSES = sorted({_path.pattern._route for _path in api_urls.urlpatterns if isinstance(_path, URLPattern)})


def filled(route: str) -> str:
    """The route with ids of nothing."""
    parts = [
        str(ID) if part.startswith("<uuid:") else "1" if part.startswith("<") else part
        for part in route.split("/")
    ]
    return f"/api/v1/{'/'.join(parts)}"


@pytest.mark.parametrize("route", ADDRESSES)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "PUT", "DELETE"])
def test_strangers_find_nothing(api_of: Api, alice: User, bob: User, route: str, method: str) -> None:
    for user in (alice, bob, None):
        assert_problem(api_of(user).generic(method, filled(route)), 404, "not_found")


def test_staff_finds_the_list(api_of: Api, carol: User) -> None:
    assert api_of(carol).get("/api/v1/datasets/").json()["results"] == []


def test_a_wrong_token_is_told(db: None) -> None:
    response = APIClient().get("/api/v1/datasets/", headers={"Authorization": "Bearer wrong"})
    assert_problem(response, 401, "authentication_failed")
