"""Fixtures that the tests of the translator and of the API share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.translator.factories import published
from translator import worker
from translator.models import Generator


@pytest.fixture
def generator(db: None) -> Generator:
    """A generator on offer that makes negatives."""
    return published()


@pytest.fixture(autouse=True)
def own_worker(settings: Settings, tmp_path: Path) -> Iterator[None]:
    """A worker with an empty cache of its own."""
    settings.TRANSLATOR_CACHE_DIR = tmp_path / "cache"
    settings.TRANSLATOR_THREADS = 1
    worker.networks.clear()
    yield
    worker.networks.clear()
