"""Reads an ONNX file's metadata and hashes its weights without the ONNX package.

The web process shows what a generator file says of itself and must not load a framework for it; the
worker checks the weights before it runs them. Both need only the outermost fields of the file, which is
one protobuf message. This is the wire format as protobuf.dev/programming-guides/encoding describes it,
with the field numbers of onnx.proto; large fields are skipped by seeking and never read.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAX_FIELDS = 200_000
"""Most fields of one message; a ResNet-9's graph has about 300."""
MAX_SMALL_FIELD = 2**20
"""Longest name or metadata value that is read, in bytes."""
SCALE_SUFFIX = "/int8_scale"
"""Ends the name of what a kernel of eight bits is multiplied by; no weight that was learnt."""
_CHUNK = 2**20

# Field numbers of onnx.proto.
_MODEL_GRAPH, _MODEL_METADATA = 7, 14
_GRAPH_INITIALIZER = 5
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_NAME, _TENSOR_RAW = 1, 2, 8, 9
_ENTRY_KEY, _ENTRY_VALUE = 1, 2

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class OnnxFileError(Exception):
    """The bytes are not an ONNX model of the kind that MapGAN writes."""


@dataclass(frozen=True)
class _Field:
    """One field: `value` of a varint, or where the bytes of any other kind lie."""

    number: int
    wire: int
    value: int
    start: int
    end: int


@dataclass(frozen=True)
class _Tensor:
    """One weight: its path in the network, element type (onnx.TensorProto), shape and place."""

    name: str
    data_type: int
    dims: tuple[int, ...]
    start: int
    end: int


def read_metadata(stream: BinaryIO) -> dict[str, str]:
    """The model's `metadata_props`.

    Args:
        stream: a seekable file, read from its beginning.

    Raises:
        OnnxFileError: when it is not an ONNX model.
    """
    metadata: dict[str, str] = {}
    graphs = 0
    for field in _fields(stream, 0, _length(stream)):
        if field.wire != _BYTES:
            continue
        graphs += field.number == _MODEL_GRAPH
        if field.number == _MODEL_METADATA:
            entry = {
                part.number: part for part in _fields(stream, field.start, field.end) if part.wire == _BYTES
            }
            key, value = (_text(stream, entry.get(number)) for number in (_ENTRY_KEY, _ENTRY_VALUE))
            metadata[key] = value
    if graphs != 1:
        raise OnnxFileError("not an ONNX model")
    return metadata


def weights_sha256(stream: BinaryIO) -> str:
    """SHA-256 over a model's weights: for each tensor in the order of its path, its path, element type
    and shape as a line of text, then its little-endian bytes.

    It is over tensors and not over the file, so it stays the same when the card is changed.

    Raises:
        OnnxFileError: when it is not an ONNX model that holds all its weights itself.
    """
    digest = hashlib.sha256()
    for tensor in sorted(_tensors(stream), key=lambda tensor: tensor.name):
        shape = "x".join(map(str, tensor.dims))
        digest.update(f"{tensor.name} {tensor.data_type} {shape}\n".encode())
        stream.seek(tensor.start)
        left = tensor.end - tensor.start
        while left:
            chunk = stream.read(min(left, _CHUNK))
            if not chunk:
                raise OnnxFileError("the file is incomplete")
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def count_weights(stream: BinaryIO) -> int:
    """How many numbers were learnt; the scales of eight-bit kernels are none.

    Raises:
        OnnxFileError: as `weights_sha256`.
    """
    total = 0
    for tensor in _tensors(stream):
        if tensor.name.endswith(SCALE_SUFFIX):
            continue
        size = 1
        for dim in tensor.dims:
            size *= dim
        total += size
    return total


def _tensors(stream: BinaryIO) -> list[_Tensor]:
    graphs = [
        field
        for field in _fields(stream, 0, _length(stream))
        if field.number == _MODEL_GRAPH and field.wire == _BYTES
    ]
    if len(graphs) != 1:
        raise OnnxFileError("not an ONNX model")
    return [
        _tensor(stream, field)
        for field in list(_fields(stream, graphs[0].start, graphs[0].end))
        if field.number == _GRAPH_INITIALIZER and field.wire == _BYTES
    ]


def _tensor(stream: BinaryIO, field: _Field) -> _Tensor:
    dims: list[int] = []
    data_type, name, raw = 0, "", None
    for part in _fields(stream, field.start, field.end):
        if part.number == _TENSOR_DIMS and part.wire == _VARINT:
            dims.append(part.value)
        elif part.number == _TENSOR_DIMS and part.wire == _BYTES:  # packed
            dims.extend(_packed(stream, part))
        elif part.number == _TENSOR_TYPE and part.wire == _VARINT:
            data_type = part.value
        elif part.number == _TENSOR_NAME and part.wire == _BYTES:
            name = _text(stream, part)
        elif part.number == _TENSOR_RAW and part.wire == _BYTES:
            raw = part
    if raw is None or not name:
        raise OnnxFileError("a weight is not stored in the file itself")
    return _Tensor(name, data_type, tuple(dims), raw.start, raw.end)


def _packed(stream: BinaryIO, field: _Field) -> Iterator[int]:
    stream.seek(field.start)
    while stream.tell() < field.end:
        yield _varint(stream)


def _fields(stream: BinaryIO, start: int, end: int) -> Iterator[_Field]:
    """Yields the fields of the message in [start, end); the caller may move the stream meanwhile."""
    position = start
    for _ in range(MAX_FIELDS):
        if position == end:
            return
        stream.seek(position)
        tag = _varint(stream)
        number, wire = tag >> 3, tag & 7
        value, first = 0, stream.tell()
        if wire == _VARINT:
            value = _varint(stream)
            last = stream.tell()
        elif wire == _BYTES:
            length = _varint(stream)
            first = stream.tell()
            last = first + length
        elif wire in (_FIXED32, _FIXED64):
            last = first + struct.calcsize("<I" if wire == _FIXED32 else "<Q")
        else:
            raise OnnxFileError("not an ONNX model")
        if number == 0 or last > end:
            raise OnnxFileError("the file is not an ONNX model, or it is incomplete")
        yield _Field(number, wire, value, first, last)
        position = last
    raise OnnxFileError("the model has too many parts")


def _varint(stream: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise OnnxFileError("the file is not an ONNX model, or it is incomplete")


def _text(stream: BinaryIO, field: _Field | None) -> str:
    if field is None:
        return ""
    if field.end - field.start > MAX_SMALL_FIELD:
        raise OnnxFileError("a name or a metadata entry is too long")
    stream.seek(field.start)
    try:
        return stream.read(field.end - field.start).decode()
    except UnicodeDecodeError as error:
        raise OnnxFileError("a name or a metadata entry is not text") from error


def _length(stream: BinaryIO) -> int:
    return stream.seek(0, 2)
