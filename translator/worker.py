"""The only door to the library's work: translating one picture with one generator.

ONNX Runtime is imported when the first generator is loaded, so that processes which only know the tasks
(beat, maintenance) stay small.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path
from time import perf_counter, time
from typing import TYPE_CHECKING, Any

import numpy as np
from django.conf import settings

from jobs.errors import JobFailed
from jobs.runner import Attempt, Done
from mapgan.imageio import RGB, ImageError, decode, encode_png, thumbnail_webp
from storage.errors import explain
from translator import storage
from translator.models import Generator, Translation
from translator.selectors import generators_to_preload, generators_without_sample_output
from translator.services import generator_set_sample_output
from translator.storage import ObjectMissing, StorageUnavailable

if TYPE_CHECKING:
    from mapgan.inference import Generator as Network

logger = logging.getLogger(__name__)

KEPT_FILES = 16  # generator files in the cache folder; a file more and the one used longest ago goes
PART, PART_SECONDS = ".part", 600  # a file that is being written, which takes seconds
SAMPLE_SEED = 1
MODEL_SHARE = (0.05, 0.95)  # the part of the progress bar that the network's work fills


def translate(job: Translation, attempt: Attempt) -> Done:
    """Run one attempt.

    Raises:
        JobFailed: it can never succeed: no original, no generator, a network that fails on it.
        StorageUnavailable, StorageRefused: try again later.
        JobStopped: cancelled, lease lost, or this worker stops.
    """
    attempt.report(0.0, "Reading the image")
    began = perf_counter()
    if attempt.number > 1:
        storage.remove_attempts_before(job.pk, attempt.number)
    rgb = _read_original(job)
    decoded = perf_counter()
    attempt.report(0.02, "Loading the generator")
    network = networks.get(job.generator)
    attempt.report(MODEL_SHARE[0], "Translating")
    loaded = perf_counter()
    result = _run(network, rgb, job.seed, attempt)
    del rgb  # 75 MB at the limit, and the encoder needs as much again
    translated = perf_counter()
    attempt.report(MODEL_SHARE[1], "Storing the result")
    stash, fields = _store(job, attempt, result)
    seconds = {
        "seconds_decode": decoded - began,
        "seconds_model": translated - loaded,
        "seconds_store": perf_counter() - translated,
    }
    return Done(fields | seconds, stash.discard)


def _store(job: Translation, attempt: Attempt, result: RGB) -> tuple[storage.Stash, dict[str, Any]]:
    """Store the result and its thumbnail under keys of this attempt; returns them and the row's columns."""
    png = encode_png(result)
    with storage.Stash() as stash:
        key = storage.translation_key(job.pk, "result", "png", attempt=attempt.number)
        stash.save(key, png)
        thumbnail_key = storage.translation_key(job.pk, "result-thumbnail", "webp", attempt=attempt.number)
        stash.save(thumbnail_key, thumbnail_webp(result))
        attempt.check()
    return stash, {"result": key, "result_thumbnail": thumbnail_key, "result_bytes": len(png)}


def _read_original(job: Translation) -> RGB:
    try:
        data = storage.read(job.original)
        # Its own size is the limit: what was accepted once stays acceptable when a setting is lowered.
        return decode(data, max_bytes=len(data), max_pixels=job.width * job.height).rgb
    except ObjectMissing as error:
        message = "The uploaded image is no longer stored. Please upload it again."
        raise JobFailed("original_missing", message, details=job.original) from error
    except ImageError as error:
        message = "The stored image is damaged. Please upload it again."
        raise JobFailed("original_damaged", message, details=f"{job.original}: {error}") from error


def _run(network: Network, rgb: RGB, seed: int, attempt: Attempt) -> RGB:
    from mapgan.inference import InferenceError

    first, last = MODEL_SHARE
    try:
        return network.translate(
            rgb, seed=seed, on_progress=lambda share: attempt.report(first + (last - first) * share)
        )
    except (InferenceError, MemoryError) as error:
        message = "The generator could not translate this image. Try another generator or a smaller image."
        raise JobFailed("generator_failed", message, details=repr(error)) from error


class Networks:
    """Loaded generators by the SHA-256 of their file; the one used longest ago makes room."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[str, Network] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, generator: Generator) -> Network:
        """The generator, ready to run. Loading takes about a second; a second caller waits for the first.

        Raises:
            JobFailed: its file is missing, not what it was, or unusable.
            StorageUnavailable: the file cannot be fetched now.
        """
        with self._lock:
            network = self._loaded.get(generator.sha256)
            if network is None:
                while len(self._loaded) >= settings.TRANSLATOR_LOADED_GENERATORS:
                    self._loaded.popitem(last=False)
                network = self._loaded[generator.sha256] = _load(generator)
            self._loaded.move_to_end(generator.sha256)
            return network

    def clear(self) -> None:
        """Forget them all."""
        with self._lock:
            self._loaded.clear()


networks = Networks()


def _load(generator: Generator) -> Network:
    from mapgan.inference import Generator as Network
    from mapgan.inference import InferenceError

    began = perf_counter()
    try:
        network = Network(local_file(generator), threads=settings.TRANSLATOR_THREADS)
        # The first pass makes ONNX Runtime lay out its memory: better now than under somebody's eyes.
        side = network.card.image_size
        network.translate(np.zeros((side, side, 3), np.uint8))
    except InferenceError as error:
        message = "This generator cannot be used on this server. Choose another one."
        raise JobFailed("generator_unusable", message, details=str(error)) from error
    logger.info("Loaded %s in %.2f s.", generator, perf_counter() - began)
    return network


def local_file(generator: Generator) -> Path:
    """The generator's file on this machine's disk, fetched when it is not there or not what it should be."""
    folder: Path = settings.TRANSLATOR_CACHE_DIR
    path = folder / f"{generator.sha256}.onnx"
    try:
        if path.exists() and _sha256(path.read_bytes()) == generator.sha256:
            os.utime(path)
            return path
        data = _fetch(generator)
        folder.mkdir(parents=True, exist_ok=True)
        _forget_old_files(folder)
        _write(path, data)
    except OSError as error:  # the cache's disk is full, for instance
        unavailable = StorageUnavailable()
        unavailable.add_note(explain(error))
        raise unavailable from error
    return path


def _fetch(generator: Generator) -> bytes:
    try:
        data = storage.read(generator.file)
    except ObjectMissing as error:
        message = "The generator's file is missing. Choose another generator."
        raise JobFailed("generator_missing", message, details=generator.file) from error
    if _sha256(data) != generator.sha256:
        message = "The generator's file is damaged. Choose another generator."
        raise JobFailed("generator_damaged", message, details=generator.file)
    return data


def _write(path: Path, data: bytes) -> None:
    """All of the file or none: another worker may read it, and a full disk must not stay full of halves."""
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=PART, delete=False) as part:
        try:
            part.write(data)
            part.flush()
            Path(part.name).replace(path)
        finally:
            Path(part.name).unlink(missing_ok=True)


def _forget_old_files(folder: Path) -> None:
    """Make room for one more, and remove what a killed worker left half written."""
    used = {path: used_at for path in folder.iterdir() if (used_at := _used_at(path))}
    files = sorted((path for path in used if path.suffix != PART), key=used.__getitem__, reverse=True)
    halves = [path for path in used if path.suffix == PART and used[path] < time() - PART_SECONDS]
    for path in [*files[KEPT_FILES - 1 :], *halves]:
        path.unlink(missing_ok=True)


def _used_at(path: Path) -> float:
    """When it was last used; 0 when another worker has just removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def preload() -> None:
    """Load what people are likely to choose, and draw the samples that are missing."""
    for generator in generators_to_preload():
        try:
            networks.get(generator)
        except (JobFailed, storage.StorageError) as error:
            logger.warning("%s is not ready: %s", generator, error)
    for generator in generators_without_sample_output():
        draw_sample(generator)


def draw_sample(generator: Generator) -> None:
    """Translate the generator's sample picture, once. What fails is logged; the next start tries again."""
    if generator.sample_output or not generator.sample_input:
        return
    from mapgan.inference import InferenceError

    try:
        data = storage.read(generator.sample_input)
        rgb = decode(data, max_bytes=len(data)).rgb
        result = networks.get(generator).translate(rgb, seed=SAMPLE_SEED)
        generator_set_sample_output(generator=generator, png=encode_png(result))
    except (storage.StorageError, ImageError, JobFailed, InferenceError) as error:
        logger.warning("The sample of %s could not be drawn: %s", generator, error)
