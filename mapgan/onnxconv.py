"""Convolutions in ONNX, in the forms for which ONNX Runtime has the better kernels.

Its ordinary convolutions work in a layout of sixteen channels at a time and reach the machine's matrix
product; its transposed ones do not. Each form is exact: the same sums of the same products.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import keras
import numpy as np

if TYPE_CHECKING:
    from mapgan.onnxgraph import GraphBuilder

_PARITIES: Final = ((0, 0), (0, 1), (1, 0), (1, 1))
_FEW: Final = 4
"""Channels of a result for which four pixels are computed at once."""
_HEAD: Final = [0, 0, 0, 0, 1, 1]
"""Paddings and strides of the ResNet's last convolution, a 7x7 one."""


class ExportError(Exception):
    """A model that cannot be written as a generator file, or a file that does not equal its model."""


def _biased(builder: GraphBuilder, layer: Any, inputs: list[str]) -> list[str]:
    return [*inputs, builder.weight(layer.bias, f"{layer.name}/bias")] if layer.use_bias else inputs


def _same_padding(kernel: int, stride: int) -> tuple[int, int]:
    """Zeros before and after that Keras's "same" adds to a side that `stride` divides."""
    total = max(kernel - stride, 0)
    return total // 2, total - total // 2


def _pads(layer: Any) -> list[int]:
    """ONNX order: all beginnings, then all ends."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    if layer.padding != "same":
        raise ExportError(f"The layer {layer.name} has an unknown padding.")
    pairs = [
        _same_padding(kernel, stride) for kernel, stride in zip(layer.kernel_size, layer.strides, strict=True)
    ]
    return [before for before, _ in pairs] + [after for _, after in pairs]


def require(condition: bool, layer: Any) -> None:
    """Options that our networks never set are refused rather than dropped."""
    if not condition:
        raise ExportError(f"The options of {layer.name} ({type(layer).__name__}) cannot be exported.")


def conv(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    """Writes a `Conv2D`; its output's name."""
    linear = layer.activation is keras.activations.linear
    require(linear and layer.groups == 1 and tuple(layer.dilation_rate) == (1, 1), layer)
    # Keras: height, width, in, out. ONNX: out, in, height, width.
    kernel = builder.weight(layer.kernel, f"{layer.name}/kernel", order=(3, 2, 0, 1))
    bias = _biased(builder, layer, [])
    if layer.filters <= _FEW and layer.kernel_size == (7, 7) and _pads(layer) + list(layer.strides) == _HEAD:
        return _in_fours(builder, layer, inputs, [kernel] * 4, bias, strides=[2, 2])
    return builder.add(
        "Conv", [*inputs, kernel, *bias], layer.name, strides=list(layer.strides), pads=_pads(layer)
    )


def _in_fours(
    builder: GraphBuilder, layer: Any, inputs: list[str], kernels: list[str], bias: list[str], **how: Any
) -> str:
    """A convolution that gives few channels, as one that gives the four pixels of each 2x2 as channels.

    ONNX Runtime computes sixteen channels at a time, so three cost as much as sixteen. `kernels` are those of
    the pixels (0, 0), (0, 1), (1, 0), (1, 1); each is padded by zeros to where its pixel sees the input, when
    the model is loaded. With stride 2 the result's sides must be even, as those of our images are.
    """
    name = layer.name
    padded = [
        pad(builder, f"{name}_kernel{p}{q}_padded", [kernel], [p, q, 1 - p, 1 - q], "constant")
        for (p, q), kernel in zip(_PARITIES, kernels, strict=True)
    ]
    whole = builder.add("Concat", padded, f"{name}_kernels", axis=0)
    four = [builder.add("Concat", bias * 4, f"{name}_biases", axis=0)] if bias else []
    pixels = builder.add("Conv", [*inputs, whole, *four], f"{name}_pixels", **how)
    return builder.add("DepthToSpace", [pixels], name, blocksize=2, mode="DCR")


def conv_transpose(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    """Writes a `Conv2DTranspose`, with the cropping behind it in a ResNet; its output's name."""
    linear = layer.activation is keras.activations.linear
    require(linear and layer.output_padding is None and tuple(layer.dilation_rate) == (1, 1), layer)
    require(
        all(kernel >= stride for kernel, stride in zip(layer.kernel_size, layer.strides, strict=True)), layer
    )
    if tuple(layer.kernel_size) == (4, 4) and tuple(layer.strides) == (2, 2) and layer.padding == "same":
        return _doubling(builder, layer, inputs)
    if loses_first_pixel(layer):
        return _doubling(builder, layer, inputs)
    # Keras: height, width, out, in. ONNX: in, out, height, width.
    kernel = builder.weight(layer.kernel, f"{layer.name}/kernel", order=(3, 2, 0, 1), channel_axis=1)
    inputs = _biased(builder, layer, [*inputs, kernel])
    return builder.add("ConvTranspose", inputs, layer.name, strides=list(layer.strides), pads=_pads(layer))


def loses_first_pixel(layer: Any) -> bool:
    """Whether this is the ResNet's transposed convolution, 3x3 with stride 2, and the cropping behind it."""
    if tuple(layer.kernel_size) != (3, 3) or tuple(layer.strides) != (2, 2) or layer.padding != "valid":
        return False
    users = [node.operation for node in layer._outbound_nodes]
    return len(users) == 1 and (
        isinstance(users[0], keras.layers.Cropping2D) and tuple(users[0].cropping) == ((1, 0), (1, 0))
    )


def _doubling(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    """A transposed convolution as ordinary ones, which ONNX Runtime has the better kernels for.

    An output pixel (2i + p, 2j + q) of a 4x4 kernel with stride 2 sees 2x2 pixels of the input and, by its
    parity (p, q), four of the sixteen weights; of the ResNet's 3x3 kernel it sees one or two in each
    direction. So it is four small convolutions whose results are interleaved (DepthToSpace): the same
    multiplications, a tenth less time for a U-Net of width 64. The kernels are cut when the model is loaded.
    """
    name = layer.name
    kernel = np.asarray(layer.kernel, np.float32)  # height, width, out, in
    large = len(kernel) == 4
    taps = {0: [3, 1], 1: [2, 0]} if large else {0: [1], 1: [2, 0]}
    parts = [kernel[np.ix_(taps[p], taps[q])].transpose(2, 3, 0, 1) for p, q in _PARITIES]
    names = [f"{name}_kernel{p}{q}" for p, q in _PARITIES]
    if large:
        whole = builder.weight(np.concatenate(parts), f"{name}/kernel", order=(0, 1, 2, 3))
        kernels = builder.split(whole, names)
    else:
        paths = [f"{name}/kernel{p}{q}" for p, q in _PARITIES]
        kernels = [builder.weight(part, path) for part, path in zip(parts, paths, strict=True)]
    bias = _biased(builder, layer, [])
    if large and layer.filters <= _FEW:
        return _in_fours(builder, layer, inputs, kernels, bias, pads=[1, 1, 1, 1])
    pixels = [
        builder.add(
            "Conv",
            [*inputs, part, *bias],
            f"{name}_{p}{q}",
            strides=[1, 1],
            pads=[1 - p, 1 - q, p, q] if large else [0, 0, p, q],
        )
        for (p, q), part in zip(_PARITIES, kernels, strict=True)
    ]
    together = builder.add("Concat", pixels, f"{name}_parities", axis=1)
    return builder.add("DepthToSpace", [together], name, blocksize=2, mode="DCR")


def pad(builder: GraphBuilder, name: str, inputs: list[str], pads: list[int], mode: str) -> str:
    """`pads`: top, left, bottom, right."""
    top, left, bottom, right = pads
    amounts = builder.constant(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64), f"{name}_pads")
    return builder.add("Pad", [*inputs, amounts], name, mode=mode)
