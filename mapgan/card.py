"""What a generator file says of itself: the card inside the ONNX file.

The card travels in the model's `metadata_props` as JSON, so a generator is one file that can be copied,
published and judged without the run that made it. Standard library only: the web process reads cards of
files that people upload, and takes nothing in them for granted.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

from mapgan.onnxfile import OnnxFileError, read_metadata

METADATA_KEY = "mapgan.card"
FORMAT_VERSION = 1
MAX_CARD_BYTES = 64 * 1024

MODELS = ("pix2pix", "cyclegan")
DIRECTIONS = ("map2sat", "sat2map")
PRECISIONS = ("fp32", "fp16", "int8")

_NEWER = frozenset({"description", "limits", "compute", "flat_colours"})
"""Entries that cards of earlier versions lack."""
_MAX_DEPTH = 5  # of the metrics
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CREATED = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_FLAT_COLOURS = re.compile(r"([0-9a-f]{6}( [0-9a-f]{6}){0,15})?")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")  # tab and newline may stay
_TEXT_LIMITS = {"title": 120, "architecture": 40, "norm": 40, "upsample": 40, "preset": 40, "licence": 200}
_TEXT_LIMIT = 4000
_INTEGER_RANGES = {
    "width": (1, 4096),
    "image_size": (16, 8192),
    "side_multiple": (1, 4096),
    "window": (16, 8192),
    "step": (0, 10**12),
    "format_version": (1, FORMAT_VERSION),
}


class CardError(Exception):
    """A file without a card that can be trusted; the message is fit for users."""


@dataclass(frozen=True, kw_only=True)
class GeneratorCard:
    """A generator's card.

    Attributes:
        name: short name for files and commands: lower-case letters, digits, dot, dash, underscore.
        title: what people see.
        model: how it was trained, `pix2pix` or `cyclegan`.
        architecture: the network, such as `unet_256` or `resnet_9`.
        width: channels of its first layer.
        norm: its normalisation, such as `instance_affine`.
        upsample: how it doubles the resolution, `transposed` or `resize`.
        direction: `map2sat` or `sat2map`.
        image_size: side of the training images in pixels.
        side_multiple: the network takes sides in pixels that are multiples of this.
        window: side in pixels of the windows in which larger images are translated.
        training_data: what it was trained on, in words.
        attribution: whom the training data is owed to.
        step: how many training steps made it.
        preset: name of the training preset.
        command: the command that trained it.
        metrics: figures by name, with those of the baselines beside them; JSON values, finite numbers.
        licence: what the file may be used for.
        weights_sha256: over the tensors, see `mapgan.onnxfile.weights_sha256`.
        precision: how the kernels are stored, `fp32`, `fp16` or `int8`; the arithmetic is fp32.
        noise: whether a seed changes the result (dropout at test time, the paper's only noise).
        created: UTC, as 2026-01-31T12:00:00Z.
        description: what it does well, in words; may be empty.
        limits: what it does badly or never saw; may be empty.
        compute: how long it was trained, on what machine; may be empty.
        flat_colours: colours to which the pixels it draws near to them are set (`mapgan.flatcolours`), six
            hexadecimal digits each, separated by spaces; empty leaves pixels as they are drawn.
        format_version: of this card.

    Raises:
        CardError: when a field has the wrong type, is out of range or contradicts another.
    """

    name: str
    title: str
    model: str
    architecture: str
    width: int
    norm: str
    upsample: str
    direction: str
    image_size: int
    side_multiple: int
    window: int
    training_data: str
    attribution: str
    step: int
    preset: str
    command: str
    metrics: Mapping[str, Any] = field(hash=False)
    licence: str
    weights_sha256: str
    precision: str
    created: str
    noise: bool = False
    description: str = ""
    limits: str = ""
    compute: str = ""
    flat_colours: str = ""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        for entry in fields(self):
            _check_field(entry.name, str(entry.type), getattr(self, entry.name))
        for name, choices in (("model", MODELS), ("direction", DIRECTIONS), ("precision", PRECISIONS)):
            if getattr(self, name) not in choices:
                raise CardError(f"The card's {name} must be one of {', '.join(choices)}.")
        if not _NAME.fullmatch(self.name):
            raise CardError(
                "The card's name must be 1 to 64 of a-z, 0-9, dot, dash and underscore, the first a-z or 0-9."
            )
        for name, pattern in (
            ("weights_sha256", _SHA256),
            ("created", _CREATED),
            ("flat_colours", _FLAT_COLOURS),
        ):
            if not pattern.fullmatch(getattr(self, name)):
                raise CardError(f"The card's {name} is not in its proper form.")
        if self.window % self.side_multiple:
            raise CardError("The card's window is not a multiple of its side_multiple.")

    def to_json(self) -> str:
        """The card as JSON with sorted keys, so that equal cards are equal text."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> GeneratorCard:
        """Reads what `to_json` wrote.

        Raises:
            CardError: for anything else, and for cards of a newer format.
        """
        if len(text) > MAX_CARD_BYTES:
            raise CardError("The generator's card is too long.")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CardError("The generator's card is not valid JSON.") from error
        if not isinstance(values, dict):
            raise CardError("The generator's card is not an object.")
        version = values.get("format_version")
        if isinstance(version, int) and version > FORMAT_VERSION:
            raise CardError("The generator was made by a newer MapGAN. Update this one to use it.")
        known = {entry.name for entry in fields(cls)}
        wrong = sorted(known.symmetric_difference(values) - (_NEWER - set(values)))
        if wrong:
            raise CardError(f"The generator's card lacks or has unknown entries: {', '.join(wrong)[:200]}.")
        return cls(**values)


def read_card(source: Path | str | bytes) -> GeneratorCard:
    """Reads the card out of a generator file without loading the model.

    Args:
        source: the path of an ONNX file, or its bytes. Of a file only a few kilobytes are read.

    Raises:
        CardError: when there is no such file, it is not an ONNX file, or it has no valid card.
    """
    try:
        if isinstance(source, bytes):
            return _read(io.BytesIO(source))
        with Path(source).open("rb") as stream:
            return _read(stream)
    except OSError as error:
        raise CardError(f"The generator file cannot be read: {error.strerror or error}.") from error
    except OnnxFileError as error:
        raise CardError(f"This is not a generator file: {error}.") from error


def _read(stream: BinaryIO) -> GeneratorCard:
    text = read_metadata(stream).get(METADATA_KEY)
    if text is None:
        raise CardError("This ONNX file has no MapGAN card. Make generator files with `mapgan export`.")
    return GeneratorCard.from_json(text)


def _check_field(name: str, kind: str, value: object) -> None:
    """Exact types (True is no number), bounded lengths and ranges."""
    if kind == "str":
        if not isinstance(value, str) or len(value) > _TEXT_LIMITS.get(name, _TEXT_LIMIT):
            raise CardError(f"The card's {name} must be a text of sensible length.")
        _check_text(name, value)
    elif kind == "int":
        low, high = _INTEGER_RANGES[name]
        if type(value) is not int or not low <= value <= high:
            raise CardError(f"The card's {name} must be a whole number from {low} to {high}.")
    elif kind == "bool":
        if type(value) is not bool:
            raise CardError(f"The card's {name} must be true or false.")
    elif not isinstance(value, dict):
        raise CardError(f"The card's {name} must be an object.")
    else:
        _check_metric(value, _MAX_DEPTH)


def _check_text(name: str, value: str) -> None:
    if _CONTROL.search(value):  # databases and terminals choke on them
        raise CardError(f"The card's {name} contains control characters.")


def _check_metric(value: object, depth: int) -> None:
    """JSON of limited depth, without infinities, which other readers of JSON refuse."""
    if depth == 0:
        raise CardError("The card's metrics are nested too deeply.")
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise CardError("The card's metrics must have names.")
            _check_text("metrics", key)
            _check_metric(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_metric(inner, depth - 1)
    elif isinstance(value, str):
        _check_text("metrics", value)
    elif isinstance(value, float) and not math.isfinite(value):
        raise CardError("The card's metrics contain a number that is not finite.")
    elif not isinstance(value, (int, float)) and value is not None:
        raise CardError("The card's metrics contain something other than JSON values.")
