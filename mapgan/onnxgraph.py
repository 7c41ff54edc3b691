"""A Keras generator as an ONNX graph, built by hand.

Exporters that trace a TensorFlow graph leave dozens of transposes and spell a normalisation out in ten
operations; on a CPU that costs a fifth of the time. Our networks are made of a dozen layer classes, so
this module walks them and writes the operation that ONNX has for each. Inside the graph images are NCHW,
which is what ONNX Runtime's kernels want; one transpose at each end keeps the interface NHWC.

Two things differ from what Keras's `predict` would do, both on purpose:

- Batch normalisation uses the statistics of the image itself, as Pix2Pix does at test time (Isola et
  al. 2017, 6.2). For one image that is instance normalisation, and it is exported as such.
- Dropout is left out, or, with `noise`, becomes a multiplication by an input: the paper's only noise.

Operations: onnx.ai/onnx/operators, opset 18.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from mapgan.inference import IMAGE_HEIGHT, IMAGE_INPUT, IMAGE_OUTPUT, IMAGE_WIDTH
from mapgan.layers import InstanceNorm, ReflectPad
from mapgan.onnxconv import ExportError, conv, conv_transpose, loses_first_pixel, pad, require
from mapgan.onnxfile import SCALE_SUFFIX

__all__ = ["ExportError", "Precision", "build_graph"]

OPSET = 18
IR_VERSION = 8  # what ONNX Runtime has read since 1.12

Precision = Literal["fp32", "fp16", "int8"]
Array = npt.NDArray[Any]


class Part(NamedTuple):
    """One of several tensors that lie side by side in depth."""

    name: str
    channels: int


class GraphBuilder:
    """Collects the operations and weights of one graph.

    Attributes:
        noise: what entered through `noise_input`: {name: [channels, divisor, rate]}.
    """

    def __init__(self, *, precision: Precision, noise: bool) -> None:
        self._precision = precision
        self._with_noise = noise
        self._nodes: list[Any] = []
        self._weights: list[Any] = []
        self._inputs = [_image_info(IMAGE_INPUT)]
        self._side: int | None = None
        self._joined: dict[str, list[Part]] = {}
        self._leaky: dict[str, str] = {}
        self.noise: dict[str, tuple[int, int, float]] = {}

    def add(self, operation: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """Adds an operation with one output, which is called as the operation; returns that name."""
        self._nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def split(self, whole: str, parts: list[str]) -> list[str]:
        """Cuts a tensor into equal parts along its first axis; returns their names."""
        self._nodes.append(
            helper.make_node("Split", [whole], parts, name=f"{whole}/split", axis=0, num_outputs=len(parts))
        )
        return parts

    def split_channels(self, kernel: str, parts: list[Part]) -> list[str]:
        """Cuts a kernel along its second axis, the channels that come in; one name for each part."""
        if len(parts) == 1:
            return [kernel]
        sizes = self.constant(np.array([part.channels for part in parts], np.int64), f"{kernel}/sizes")
        names = [f"{kernel}/of{index}" for index in range(len(parts))]
        self._nodes.append(
            helper.make_node("Split", [kernel, sizes], names, name=f"{kernel}/split_channels", axis=1)
        )
        return names

    def join(self, name: str, parts: list[Part]) -> str:
        """Puts tensors side by side in depth, for those who ask for them as a whole; returns `name`."""
        self._joined[name] = parts
        return name

    def parts(self, name: str) -> list[Part] | None:
        """What was put side by side under this name; None for any other tensor."""
        return self._joined.get(name)

    def whole(self, name: str) -> str:
        """A tensor that an operation can take as it is."""
        parts = self._joined.pop(name, None)
        if parts is not None:
            self.add("Concat", [part.name for part in parts], name, axis=1)
        return name

    def leaky_relu(self, x: str, name: str, *, slope: float) -> str:
        """Adds a LeakyRelu and remembers it for `relu`."""
        self._leaky[x] = name
        return self.add("LeakyRelu", [x], name, alpha=slope)

    def relu(self, x: str, name: str) -> str:
        """Adds a Relu: of what a LeakyRelu made of `x`, if one did. That is the same, and where the LeakyRelu
        is then the only one to see what a convolution gives, the two become one operation."""
        parts = self._joined.get(x)
        if parts is None:
            return self.add("Relu", [self._leaky.get(x, x)], name)
        return self.join(
            name, [Part(self.relu(part.name, f"{name}_{at}"), part.channels) for at, part in enumerate(parts)]
        )

    def constant(self, array: Array, name: str) -> str:
        """Adds a number that is not learnt, such as a padding."""
        return self.add("Constant", [], name, value=numpy_helper.from_array(array))

    def weight(
        self, value: Any, path: str, *, order: tuple[int, ...] | None = None, channel_axis: int = 0
    ) -> str:
        """Adds a learnt tensor under its path in the network, its axes rearranged by `order`.

        Kernels are stored in half precision or eight bits where asked for and made float32 when the model is
        loaded (ONNX Runtime folds what is done to a weight), so the file shrinks and the arithmetic stays.
        Eight bits are a whole number from -127 to 127 times a scale for each output channel, which lies along
        `channel_axis`. Biases, scales and shifts are few and stay as they are.
        """
        array = np.asarray(value, np.float32)
        array = np.ascontiguousarray(array if order is None else array.transpose(order))
        if not np.isfinite(array).all():
            raise ExportError(f"The weights of {path} are not finite: the training has diverged.")
        if self._precision == "fp32" or array.ndim == 1:
            self._weights.append(numpy_helper.from_array(array, path))
            return path
        if self._precision == "int8":
            return self._whole_numbers(array, path, channel_axis)
        if np.abs(array).max(initial=0) > np.finfo(np.float16).max:
            raise ExportError(f"The weights of {path} do not fit half precision. Export with fp32.")
        self._weights.append(numpy_helper.from_array(array.astype(np.float16), path))
        return self.add("Cast", [path], f"{path}/float32", to=TensorProto.FLOAT)

    def _whole_numbers(self, array: Array, path: str, channel_axis: int) -> str:
        others = tuple(axis for axis in range(array.ndim) if axis != channel_axis)
        scale = np.abs(array).max(axis=others, keepdims=True) / np.float32(127)
        scale[scale == 0] = 1
        self._weights.append(numpy_helper.from_array(np.rint(array / scale).astype(np.int8), path))
        self._weights.append(numpy_helper.from_array(scale, f"{path}{SCALE_SUFFIX}"))
        numbers = self.add("Cast", [path], f"{path}/numbers", to=TensorProto.FLOAT)
        return self.add("Mul", [numbers, f"{path}{SCALE_SUFFIX}"], f"{path}/float32")

    def image(self, side: int | None) -> str:
        """The image, NHWC outside and NCHW from here on; `side` in pixels if the network fixes it."""
        self._side = side
        return self.add("Transpose", [IMAGE_INPUT], "nchw", perm=[0, 3, 1, 2])

    def dropout(self, x: str, name: str, *, channels: int, side: int | None, rate: float) -> str:
        """A dropout at test time: nothing, or with noise a multiplication by a mask that is fed in."""
        if not self._with_noise:
            return x
        if self._side is None or side is None:
            raise ExportError("Noise needs a network that was built for one image size.")
        divisor = self._side // side
        mask = f"{name}_mask"
        shape = ["mask_batch", "mask_channels", f"{name}_height", f"{name}_width"]
        self._inputs.append(helper.make_tensor_value_info(mask, TensorProto.FLOAT, shape))
        self.noise[mask] = (channels, divisor, rate)
        return self.add("Mul", [x, mask], name)

    def model(self, name: str) -> Any:
        """The finished onnx.ModelProto.

        Raises:
            ExportError: when ONNX's own checker refuses it.
        """
        graph = helper.make_graph(
            self._nodes, name, self._inputs, [_image_info(IMAGE_OUTPUT)], initializer=self._weights
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="mapgan"
        )
        model.ir_version = IR_VERSION
        try:
            onnx.checker.check_model(model)
        except onnx.checker.ValidationError as error:
            raise ExportError(f"The graph of {name} is not valid: {error}") from error
        return model


def build_graph(
    network: Any, *, precision: Precision, noise: bool
) -> tuple[Any, dict[str, tuple[int, int, float]]]:
    """Writes a functional Keras network with one image input as an ONNX model.

    Args:
        network: (batch, height, width, 3) in [-1, 1] to the same, of the layers that `mapgan.networks`
            uses.
        precision: how kernels are stored.
        noise: whether dropouts become inputs.

    Returns:
        The onnx.ModelProto and where noise enters: {input name: (channels, divisor, rate)}.

    Raises:
        ExportError: for a layer without a translation.
    """
    builder = GraphBuilder(precision=precision, noise=noise)
    names: dict[str, str] = {}
    for layer in network.operations:
        tensors = layer._inbound_nodes[0].input_tensors
        inputs = [names[tensor._keras_history.operation.name] for tensor in tensors]
        if isinstance(layer, keras.layers.InputLayer):
            names[layer.name] = builder.image(layer.output.shape[1])
            continue
        writer = _WRITERS.get(type(layer))
        if writer is None:
            raise ExportError(f"The layer {layer.name} ({type(layer).__name__}) cannot be exported.")
        if type(layer) not in _TAKE_PARTS:
            inputs = [builder.whole(name) for name in inputs]
        names[layer.name] = writer(builder, layer, inputs)
    last = network.outputs[0]._keras_history.operation.name
    builder.add("Transpose", [names[last]], IMAGE_OUTPUT, perm=[0, 2, 3, 1])
    return builder.model(network.name), builder.noise


def _image_info(name: str) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", IMAGE_HEIGHT, IMAGE_WIDTH, 3])


def _instance_norm(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    channels = layer.output.shape[-1]
    gamma, beta = layer.gamma, layer.beta
    scale = (
        builder.constant(np.ones(channels, np.float32), f"{layer.name}_ones")
        if gamma is None
        else builder.weight(gamma, f"{layer.name}/gamma")
    )
    shift = (
        builder.constant(np.zeros(channels, np.float32), f"{layer.name}_zeros")
        if beta is None
        else builder.weight(beta, f"{layer.name}/beta")
    )
    return builder.add("InstanceNormalization", [*inputs, scale, shift], layer.name, epsilon=layer.epsilon)


def _leaky_relu(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    return builder.leaky_relu(inputs[0], layer.name, slope=float(layer.negative_slope))


def _relu(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    require(layer.max_value is None and not layer.negative_slope and not layer.threshold, layer)
    return builder.relu(inputs[0], layer.name)


def _activation(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    require(layer.activation is keras.activations.tanh, layer)
    return builder.add("Tanh", inputs, layer.name)


def _dropout(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    require(layer.noise_shape is None, layer)
    _, side, _, channels = layer.output.shape
    return builder.dropout(inputs[0], layer.name, channels=channels, side=side, rate=float(layer.rate))


def _concatenate(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    require(layer.axis in (-1, 3), layer)
    tensors = layer._inbound_nodes[0].input_tensors
    parts = [Part(name, tensor.shape[-1]) for name, tensor in zip(inputs, tensors, strict=True)]
    return builder.join(layer.name, parts)


def _add(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    require(len(inputs) == 2, layer)
    return builder.add("Add", inputs, layer.name)


def _zero_padding(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    (top, bottom), (left, right) = layer.padding
    return pad(builder, layer.name, inputs, [top, left, bottom, right], "constant")


def _reflect_pad(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    return pad(builder, layer.name, inputs, [layer.padding] * 4, "reflect")


def _cropping(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    before = layer._inbound_nodes[0].input_tensors[0]._keras_history.operation
    if isinstance(before, keras.layers.Conv2DTranspose) and loses_first_pixel(before):
        return inputs[0]  # never made
    (top, bottom), (left, right) = layer.cropping
    # A slice's end counts from the back when negative; nothing to cut there is "as far as it goes".
    ends = [-amount if amount else np.iinfo(np.int64).max for amount in (bottom, right)]
    parts = [
        builder.constant(np.array(values, np.int64), f"{layer.name}_{name}")
        for name, values in (("starts", [top, left]), ("ends", ends), ("axes", [2, 3]))
    ]
    return builder.add("Slice", [*inputs, *parts], layer.name)


def _up_sampling(builder: GraphBuilder, layer: Any, inputs: list[str]) -> str:
    modes = {
        "nearest": {
            "mode": "nearest",
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
        },
        "bilinear": {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    }
    require(layer.interpolation in modes, layer)
    scales = builder.constant(np.array([1, 1, *layer.size], np.float32), f"{layer.name}_scales")
    return builder.add("Resize", [*inputs, "", scales], layer.name, **modes[layer.interpolation])


_WRITERS: dict[type, Callable[[GraphBuilder, Any, list[str]], str]] = {
    keras.layers.Conv2D: conv,
    keras.layers.Conv2DTranspose: conv_transpose,
    keras.layers.BatchNormalization: _instance_norm,  # the image's own statistics, see above
    InstanceNorm: _instance_norm,
    keras.layers.LeakyReLU: _leaky_relu,
    keras.layers.ReLU: _relu,
    keras.layers.Activation: _activation,
    keras.layers.Dropout: _dropout,
    keras.layers.Concatenate: _concatenate,
    keras.layers.Add: _add,
    keras.layers.ZeroPadding2D: _zero_padding,
    ReflectPad: _reflect_pad,
    keras.layers.Cropping2D: _cropping,
    keras.layers.UpSampling2D: _up_sampling,
}

_TAKE_PARTS = (keras.layers.ReLU, keras.layers.Conv2DTranspose)
"""Layers whose writers take tensors that lie side by side one by one."""
