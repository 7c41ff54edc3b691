"""From a trained Keras generator to a generator file: an ONNX model with its card inside.

network, config, step = load_generator(run)
draft = draft_card(config, step, name="city", title="City maps to satellite", ...)
card = export_generator(network, draft, Path("city.onnx"))
assert parity(network, Path("city.onnx"), images) < 0.05
"""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import onnxruntime
from onnx import helper

from mapgan.card import METADATA_KEY, GeneratorCard
from mapgan.config import TrainConfig
from mapgan.inference import IMAGE_INPUT, IMAGE_OUTPUT, NOISE_KEY
from mapgan.onnxfile import weights_sha256
from mapgan.onnxgraph import ExportError, Precision, build_graph
from mapgan.translating import at_test_time
from mapgan.whole import written

__all__ = [
    "Difference", "ExportError", "Precision", "differences", "draft_card", "export_generator", "parity",
]  # fmt: skip

_NO_WEIGHTS = "0" * 64  # of a draft; the export fills in the hash
_RESNET_MULTIPLE = 4  # two halvings
_RESNET_WINDOW = 512
"""A ResNet takes any size; larger windows mean fewer borders, and 512 pixels still fit in 300 MB."""


def draft_card(
    config: TrainConfig,
    step: int,
    *,
    name: str,
    title: str,
    training_data: str,
    attribution: str,
    licence: str,
    command: str,
    metrics: Mapping[str, Any] | None = None,
    description: str = "",
    limits: str = "",
    compute: str = "",
    flat_colours: str = "",
) -> GeneratorCard:
    """The card of a run's generator, complete but for what the export adds (the hash, the precision).

    Args:
        config: the run's.
        step: training steps done.
        name, title, training_data, attribution, licence, command, metrics, description, limits, compute,
            flat_colours: see `GeneratorCard`.

    Raises:
        CardError: when a text does not fit a card.
    """
    if config.generator.startswith("unet_"):
        multiple = int(config.generator.removeprefix("unet_"))
        window = config.image_size
    else:
        multiple, window = _RESNET_MULTIPLE, max(config.image_size, _RESNET_WINDOW)
    return GeneratorCard(
        name=name,
        title=title,
        model=config.model,
        architecture=config.generator,
        width=config.generator_width,
        norm=config.generator_norm,
        upsample=config.upsample,
        direction=config.direction,
        image_size=config.image_size,
        side_multiple=multiple,
        window=window,
        training_data=training_data,
        attribution=attribution,
        step=step,
        preset=config.preset,
        command=command,
        metrics=dict(metrics or {}),
        licence=licence,
        weights_sha256=_NO_WEIGHTS,
        precision="fp32",
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        description=description,
        limits=limits,
        compute=compute,
        flat_colours=flat_colours,
    )


def export_generator(
    network: keras.Model,
    draft: GeneratorCard,
    out: Path,
    *,
    precision: Precision = "fp16",
    noise: bool = False,
) -> GeneratorCard:
    """Writes a generator file, atomically: `out` is the old file or the whole new one.

    Args:
        network: functional, (batch, height, width, 3) in [-1, 1] to the same; see `mapgan.networks`.
        draft: the card; its hash, precision and noise are replaced by what is true of the file.
        out: where to write.
        precision: how kernels are stored; fp16 halves the file, int8 quarters it, the arithmetic is fp32.
        noise: keep the dropouts as noise that a seed turns on.

    Returns:
        The card as it is in the file.

    Raises:
        ExportError: when the network has a layer that cannot be exported, weights that are not finite,
            or noise is asked for and it has no dropout.
        OSError: when the file cannot be written.
    """
    model, inputs = build_graph(network, precision=precision, noise=noise)
    if noise and not inputs:
        raise ExportError("This generator has no dropout, so there is no noise to keep.")
    digest = weights_sha256(io.BytesIO(model.SerializeToString()))
    card = dataclasses.replace(draft, weights_sha256=digest, precision=precision, noise=noise)
    metadata = {METADATA_KEY: card.to_json()}
    if noise:
        metadata[NOISE_KEY] = json.dumps(inputs)
    helper.set_model_props(model, metadata)
    out.parent.mkdir(parents=True, exist_ok=True)
    with written(out) as file:
        file.write(model.SerializeToString())
    return card


@dataclasses.dataclass(frozen=True)
class Difference:
    """How far a generator file is from its network, on the scale [-1, 1]; 2 / 255 is one grey level.

    Attributes:
        largest: of any value.
        mean: of all, absolute.
    """

    largest: float
    mean: float


def differences(network: keras.Model, path: Path, images: npt.NDArray[np.float32]) -> Difference:
    """Compares a generator file with the network it was made of.

    Args:
        network: the Keras generator.
        path: the file.
        images: (n, height, width, 3) in [-1, 1]; they go through one by one, as in use.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    still = {
        entry.name: np.ones((1, 1, 1, 1), np.float32)
        for entry in session.get_inputs()
        if entry.name != IMAGE_INPUT
    }
    largest, means = 0.0, []
    with at_test_time(network) as run:
        for image in images:
            (made,) = session.run([IMAGE_OUTPUT], {IMAGE_INPUT: image[None], **still})
            apart = np.abs(made - run(image[None]))
            largest = max(largest, float(apart.max()))
            means.append(float(apart.mean()))
    return Difference(largest, float(np.mean(means)))


def parity(network: keras.Model, path: Path, images: npt.NDArray[np.float32]) -> float:
    """The largest of `differences`."""
    return differences(network, path, images).largest
