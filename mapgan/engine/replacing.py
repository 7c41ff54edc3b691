"""How a layer gets another implementation while a step is traced."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(layer: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    """An attribute of one layer that hides its class's for a while, or another one put there before."""
    before = vars(layer).get(name)
    setattr(layer, name, function)
    try:
        yield
    finally:
        if before is None:
            delattr(layer, name)
        else:
            setattr(layer, name, before)
