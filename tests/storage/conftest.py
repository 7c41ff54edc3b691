"""A bucket that can go away, and settings of the storage for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django import Settings

from tests.support.outage import Proxy
from tests.support.s3 import S3Server


@pytest.fixture
def change_s3(s3_bucket: str, settings: Settings) -> Callable[..., None]:
    """Set up the storage differently: ``change_s3(endpoint_url=...)``."""

    def change(**options: Any) -> None:
        default = settings.STORAGES["default"]
        changed = {**default, "OPTIONS": {**default["OPTIONS"], **options}}
        settings.STORAGES = {**settings.STORAGES, "default": changed}

    return change


@pytest.fixture
def proxy(s3_server: S3Server, change_s3: Callable[..., None]) -> Iterator[Proxy]:
    """The S3 server behind something that can refuse; the storage goes through it."""
    between = Proxy(int(s3_server.endpoint_url.rsplit(":", 1)[1]))
    change_s3(endpoint_url=between.url)
    yield between
    between.refuse()
