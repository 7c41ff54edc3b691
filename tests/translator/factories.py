"""Pictures, generators and translations for tests; everything real, only small."""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from django.conf import settings
from django.db import connections
from PIL import Image

from accounts.models import User
from mapgan.imageio import RGB
from tests.mapgan.generators import make_generator
from translator import tasks
from translator.models import Generator, Translation
from translator.services import generator_import, translation_submit

T = TypeVar("T")


def pixels(width: int = 48, height: int = 32, *, seed: int = 0) -> RGB:
    """Smooth colours with some noise; another seed, another picture."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    base = np.stack([rows * 255 / height, columns * 255 / width, (rows + columns) % 256], axis=-1)
    return np.clip(base + rng.integers(-9, 10, base.shape), 0, 255).astype(np.uint8)


def encoded(rgb: RGB, format_: str = "PNG", **options: Any) -> bytes:
    """The pixels as a file."""
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, format_, **options)
    return buffer.getvalue()


def picture(width: int = 48, height: int = 32, *, seed: int = 0) -> bytes:
    """A PNG to upload."""
    return encoded(pixels(width, height, seed=seed))


def opened(data: bytes) -> RGB:
    """The pixels of a file of ours."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@cache
def generator_file(name: str = "negative", *, shade: float = 1.0, **card: Any) -> bytes:
    """An ONNX generator that makes negatives, times ``shade``: quick to run and easy to check."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generator.onnx"
        colours = (np.diag([-1.0, -1.0, -1.0]) * shade).astype(np.float32)
        make_generator(path, colours=colours, name=name, **card)
        return path.read_bytes()


def published(name: str = "negative", **options: Any) -> Generator:
    """A generator on offer."""
    return generator_import(source=generator_file(name, **options), publish=True)


def submitted(owner: User, generator: Generator, **options: Any) -> Translation:
    """A queued translation."""
    options.setdefault("data", picture())
    options.setdefault("filename", "streets.png")
    return translation_submit(owner=owner, generator=generator, **options)


def translated(owner: User, generator: Generator, **options: Any) -> Translation:
    """A translation that the worker's code has run."""
    return run(submitted(owner, generator, **options))


def run(translation: Translation) -> Translation:
    """Do what the worker does with the id, in this process."""
    tasks.translate(str(translation.pk))
    translation.refresh_from_db()
    return translation


def at_once(number: int, work: Callable[[int], T]) -> list[T]:
    """What ``work`` returns in that many threads which start together, each with a connection of its own."""
    start = threading.Barrier(number)

    def begin(index: int) -> T:
        try:
            start.wait()
            return work(index)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(begin, range(number)))


def stored_files() -> set[str]:
    """Every file under the media folder, by key."""
    root = Path(settings.MEDIA_ROOT)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
