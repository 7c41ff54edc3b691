"""Fixtures of the tests of operations: a generator, and the four people's browsers by name."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.translator.conftest import generator, own_worker

__all__ = ["generator", "own_worker"]

Clients = dict[str, Client]


@pytest.fixture
def clients(
    alice_client: Client, bob_client: Client, carol_client: Client, anonymous_client: Client
) -> Clients:
    """Alice owns, Bob is a stranger, Carol is staff, and nobody is signed in."""
    return {"alice": alice_client, "bob": bob_client, "carol": carol_client, "nobody": anonymous_client}
