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
_LARGE: Final = 32
"""Sides from which tensors are interleaved by putting them side by side."""
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
        return _in_fours(builder, layer, inputs, kernel, bias)
    return builder.add(
        "Conv", [*inputs, kernel, *bias], layer.name, strides=list(layer.strides), pads=_pads(layer)
    )


def _in_fours(builder: GraphBuilder, layer: Any, inputs: list[str], kernel: str, bias: list[str]) -> str:
    """A convolution that gives few channels, as one that gives the four pixels of each 2x2 as channels.

    ONNX Runtime computes sixteen channels at a time, so three cost as much as sixteen. The kernel is padded
    by zeros to where each pixel sees the input, when the model is loaded. The result's sides must be even,
    as those of our images are.
    """
    name = layer.name
    padded = [
        pad(builder, f"{name}_kernel{p}{q}_padded", [kernel], [p, q, 1 - p, 1 - q], "constant")
        for p, q in _PARITIES
    ]
    whole = builder.add("Concat", padded, f"{name}_kernels", axis=0)
    four = [builder.add("Concat", bias * 4, f"{name}_biases", axis=0)] if bias else []
    pixels = builder.add("Conv", [*inputs, whole, *four], f"{name}_pixels", strides=[2, 2])
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
    direction. So it is four small convolutions whose results are interleaved: the same multiplications, a
    tenth less time for a U-Net of width 64. The kernels are cut when the model is loaded.

    Where the input is two tensors side by side, as in a U-Net, each has convolutions of its own and the
    results are added, which they are inside the second convolution: nothing has to be put side by side.
    """
    name = layer.name
    kernel = np.asarray(layer.kernel, np.float32)  # height, width, out, in
    large = len(kernel) == 4
    taps = {0: [3, 1], 1: [2, 0]} if large else {0: [1], 1: [2, 0]}
    cut = [kernel[np.ix_(taps[p], taps[q])].transpose(2, 3, 0, 1) for p, q in _PARITIES]
    bias = _biased(builder, layer, [])
    if large and layer.filters <= _FEW:
        return _doubling_few(builder, layer, inputs, cut, bias)
    names = [f"{name}_kernel{p}{q}" for p, q in _PARITIES]
    if large:
        whole = builder.weight(np.concatenate(cut), f"{name}/kernel", order=(0, 1, 2, 3))
        kernels = builder.split(whole, names)
    else:
        paths = [f"{name}/kernel{p}{q}" for p, q in _PARITIES]
        kernels = [builder.weight(part, path) for part, path in zip(cut, paths, strict=True)]
    pixels = [
        _summed(builder, inputs, [part, *bias], f"{name}_{p}{q}", _pads_of(p, q, large=large))
        for (p, q), part in zip(_PARITIES, kernels, strict=True)
    ]
    side = layer.output.shape[1]
    if side is not None and side < _LARGE:
        together = builder.add("Concat", pixels, f"{name}_parities", axis=1)
        return builder.add("DepthToSpace", [together], name, blocksize=2, mode="DCR")
    return _interleaved(builder, name, pixels)


def _pads_of(p: int, q: int, *, large: bool) -> list[int]:
    """Zeros around the input for the pixels of one parity."""
    return [1 - p, 1 - q, p, q] if large else [0, 0, p, q]


def _summed(builder: GraphBuilder, inputs: list[str], weights: list[str], name: str, pads: list[int]) -> str:
    """A convolution of stride 1 over one tensor or several side by side; `weights`: kernel, perhaps bias."""
    parts = builder.parts(inputs[0])
    if parts is None:
        return builder.add("Conv", [*inputs, *weights], name, strides=[1, 1], pads=pads)
    kernel, *bias = weights
    total = ""
    for at, (part, own) in enumerate(zip(parts, builder.split_channels(kernel, parts), strict=True)):
        here = [part.name, own, *(() if at else bias)]
        made = builder.add("Conv", here, f"{name}_of{at}", strides=[1, 1], pads=pads)
        total = builder.add("Add", [total, made], f"{name}_to{at}") if at else made
    return total


def _doubling_few(
    builder: GraphBuilder, layer: Any, inputs: list[str], cut: list[Any], bias: list[str]
) -> str:
    """A transposed convolution of 4x4 that gives few channels.

    Four convolutions would compute sixteen channels each for three. Instead a 1x1 convolution makes all
    sixteen products of a pixel, and a 3x3 one of zeros and ones adds what belongs together: a third of the
    multiplications.
    """
    name, filters = layer.name, layer.filters
    # Of each parity's kernel (out, in, 2, 2): its taps, then its channels.
    taps = [part[:, :, a, b] for part in cut for a in (0, 1) for b in (0, 1)]
    kernel = builder.weight(np.concatenate(taps)[:, :, None, None], f"{name}/kernel")
    products = _summed(builder, inputs, [kernel], f"{name}_products", [0, 0, 0, 0])
    adding = np.zeros((4, filters, 4, 2, 2, filters, 3, 3), np.float32)
    for parity, (p, q) in enumerate(_PARITIES):
        for a, b in _PARITIES:
            adding[parity, :, parity, a, b, :, p + a, q + b] = np.eye(filters)
    ones = builder.constant(adding.reshape(4 * filters, 16 * filters, 3, 3), f"{name}_adding")
    four = [builder.add("Concat", bias * 4, f"{name}_biases", axis=0)] if bias else []
    pixels = builder.add("Conv", [products, ones, *four], f"{name}_pixels", pads=[1, 1, 1, 1])
    return builder.add("DepthToSpace", [pixels], name, blocksize=2, mode="DCR")


def _interleaved(builder: GraphBuilder, name: str, pixels: list[str]) -> str:
    """The pixels (0, 0), (0, 1), (1, 0), (1, 1) of each 2x2, as one tensor of twice the sides.

    What DepthToSpace does, in a third of the time for large pictures: ONNX Runtime puts tensors side by side
    with all threads, and moves single values with one.
    """
    sides = builder.constant(np.array([1, 1, 2, 2], np.int64), f"{name}_twice")
    shape = builder.add("Shape", [pixels[0]], f"{name}_half")
    shape = builder.add("Mul", [shape, sides], f"{name}_shape")
    last = builder.constant(np.array([4], np.int64), f"{name}_last")
    columns = []
    for q in (0, 1):  # each row i: pixel row 2i, then pixel row 2i + 1
        rows = builder.add("Concat", [pixels[q], pixels[2 + q]], f"{name}_rows{q}", axis=3)
        columns.append(builder.add("Unsqueeze", [rows, last], f"{name}_columns{q}"))
    together = builder.add("Concat", columns, f"{name}_together", axis=4)
    return builder.add("Reshape", [together, shape], name)


def pad(builder: GraphBuilder, name: str, inputs: list[str], pads: list[int], mode: str) -> str:
    """`pads`: top, left, bottom, right."""
    top, left, bottom, right = pads
    amounts = builder.constant(np.array([0, 0, top, left, 0, 0, bottom, right], np.int64), f"{name}_pads")
    return builder.add("Pad", [*inputs, amounts], name, mode=mode)
