"""Small generator files for the tests, made without a training framework."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from mapgan.card import METADATA_KEY, GeneratorCard
from mapgan.inference import IMAGE_INPUT, IMAGE_OUTPUT, NOISE_KEY
from mapgan.onnxfile import weights_sha256

FLIP = np.diag([-1.0, -1.0, -1.0]).astype(np.float32)
"""Negatives: white becomes black."""


def make_card(**changes: Any) -> GeneratorCard:
    """A valid card of a U-Net, with some fields changed."""
    fields: dict[str, Any] = {
        "name": "negative",
        "title": "Negatives",
        "model": "pix2pix",
        "architecture": "unet_256",
        "width": 64,
        "norm": "instance_affine",
        "upsample": "transposed",
        "direction": "map2sat",
        "image_size": 256,
        "side_multiple": 256,
        "window": 256,
        "training_data": "nothing",
        "attribution": "nobody",
        "step": 0,
        "preset": "draft",
        "command": "mapgan train",
        "metrics": {"generator": {"l1": 1.5}},
        "licence": "MIT",
        "weights_sha256": "0" * 64,
        "precision": "fp32",
        "created": "2026-01-31T12:00:00Z",
    }
    return GeneratorCard(**{**fields, **changes})


def _network(colours: np.ndarray, *, brighten: bool, noise: bool) -> ModelProto:
    """The model without metadata."""
    shape = ["n", "h", "w", 3]
    inputs = [helper.make_tensor_value_info(IMAGE_INPUT, TensorProto.FLOAT, shape)]
    nodes = [helper.make_node("MatMul", [IMAGE_INPUT, "mix/kernel"], ["mixed"])]
    last = "mixed"
    if brighten:
        tenth = numpy_helper.from_array(np.float32(0.1))
        nodes += [
            helper.make_node("ReduceMean", [IMAGE_INPUT], ["mean"], axes=[1, 2, 3], keepdims=1),
            helper.make_node("Constant", [], ["tenth"], value=tenth),
            helper.make_node("Mul", ["mean", "tenth"], ["bit"]),
            helper.make_node("Add", [last, "bit"], ["brightened"]),
        ]
        last = "brightened"
    if noise:
        inputs.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["m", "c", "mh", "mw"]))
        nodes += [
            helper.make_node("ReduceMean", ["mask"], ["strength"], axes=[1, 2, 3], keepdims=1),
            helper.make_node("Mul", [last, "strength"], ["noisy"]),
        ]
        last = "noisy"
    nodes.append(helper.make_node("Identity", [last], [IMAGE_OUTPUT]))
    outputs = [helper.make_tensor_value_info(IMAGE_OUTPUT, TensorProto.FLOAT, shape)]
    weights = [numpy_helper.from_array(colours, "mix/kernel")]
    graph = helper.make_graph(nodes, "negative", inputs, outputs, initializer=weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model


def make_generator(
    path: Path,
    *,
    colours: np.ndarray = FLIP,
    brighten: bool = False,
    noise: bool = False,
    hash_of: str | None = None,
    **card: Any,
) -> GeneratorCard:
    """Writes a generator that multiplies each pixel's colour by a matrix.

    Args:
        path: where.
        colours: (3, 3) float32, the one weight.
        brighten: also adds a tenth of the window's mean, so that windows differ as instance norm makes
            them differ.
        noise: also multiplies by a mask of an eighth of the resolution.
        hash_of: a wrong hash for the card.
        card: changed fields of the card.
    """
    model = _network(colours, brighten=brighten, noise=noise)
    digest = hash_of or weights_sha256(io.BytesIO(model.SerializeToString()))
    made = dataclasses.replace(make_card(), weights_sha256=digest, noise=noise, **card)
    metadata = {METADATA_KEY: made.to_json()}
    if noise:
        metadata[NOISE_KEY] = json.dumps({"mask": [4, 8, 0.5]})
    helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())
    return made
