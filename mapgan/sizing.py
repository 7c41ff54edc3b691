"""How large a run will be, told from its configuration alone: weights, a checkpoint's bytes, memory.

The networks of :mod:`mapgan.networks` are walked through with shapes instead of tensors. Standard library
only, so that a web form can say it before any framework is loaded; a test holds it to the built networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from mapgan.config import TrainConfig

RUNTIME: Final = 700 * 2**20
"""Bytes of the process before the first step: Python, the framework and its compiler's work."""
FLOAT: Final = 4
PASSES: Final = {
    # Passes through a generator and a discriminator whose layers are kept until their gradients are made.
    "pix2pix": (1, 3),
    "cyclegan": (6, 2),
}
WORK: Final = 2.0
"""Kept outputs times this: their gradients, and what convolutions unfold while they work."""


@dataclass(frozen=True)
class Size:
    """Of a run, in numbers of 4 bytes unless said otherwise.

    Attributes:
        generator, discriminator: trainable weights of all generators and of all discriminators.
        variables: bytes of everything a checkpoint holds.
        memory: bytes that the run holds at most, roughly, without its pictures.
    """

    generator: int
    discriminator: int
    variables: int
    memory: int


class _Shape:
    """A picture on its way through a network: its side and channels, and what the layers so far hold."""

    def __init__(self, side: int, channels: int, norm: str) -> None:
        self.side, self.channels = side, channels
        self.weights = self.state = self.outputs = 0
        self._norm = norm
        self.bias_before_norm = norm == "instance"
        self.layer()

    def layer(self, count: int = 1) -> None:
        """So many layers that keep the shape and have no weights."""
        self.outputs += count * self.side**2 * self.channels

    def pad(self, pixels: int) -> None:
        """A border on every side; a negative number crops."""
        self.side += 2 * pixels
        self.layer()

    def conv(self, filters: int, kernel: int, *, bias: bool, stride: int = 1, same: bool = False) -> None:
        """A convolution."""
        self.weights += kernel**2 * self.channels * filters + bias * filters
        self.side = math.ceil(self.side / stride) if same else (self.side - kernel) // stride + 1
        self.channels = filters
        self.layer()

    def double(self, filters: int, *, bias: bool, upsample: str, kernel: int = 4) -> None:
        """Twice the side, by a transposed convolution or by resizing and a 3x3 convolution."""
        if upsample == "transposed":
            self.weights += kernel**2 * self.channels * filters + bias * filters
            self.side, self.channels = 2 * self.side, filters
            self.layer()
        else:
            self.side *= 2
            self.layer()
            self.conv(filters, 3, bias=bias, same=True)

    def norm(self) -> None:
        """The network's normalisation."""
        if self._norm != "instance":
            self.weights += 2 * self.channels
        if self._norm == "batch":
            self.state += 2 * self.channels
        self.layer()

    def join(self, channels: int) -> None:
        """A skip connection beside what is there."""
        self.channels += channels
        self.layer()


def size_of(config: TrainConfig) -> Size:
    """The size of a run with this configuration."""
    generator = _unet(config) if config.generator.startswith("unet_") else _resnet(config)
    discriminator = _patchgan(config)
    count = len(config.directions)
    weights = count * (generator.weights + discriminator.weights)
    held = 3 * weights + count * (generator.state + discriminator.state)  # with Adam's two moments
    if config.ema_decay:
        held += count * generator.weights
    if config.model == "cyclegan":
        held += 2 * config.pool_size * 3 * config.image_size**2
    passes = PASSES[config.model]
    kept = passes[0] * generator.outputs + passes[1] * discriminator.outputs
    work = WORK * FLOAT * config.batch_size * kept
    return Size(
        generator=count * generator.weights,
        discriminator=count * discriminator.weights,
        variables=FLOAT * held,
        memory=int(RUNTIME + FLOAT * (2 * held + weights) + work),
    )


def _unet(config: TrainConfig) -> _Shape:
    depth = int(math.log2(int(config.generator.removeprefix("unet_"))))
    x = _Shape(config.image_size, 3, config.generator_norm)
    bias, upsample = x.bias_before_norm, config.upsample
    widths = [config.generator_width * min(2**level, 8) for level in range(depth)]
    for level, filters in enumerate(widths, start=1):
        if level > 1:
            x.layer()
        x.conv(filters, 4, stride=2, same=True, bias=bias)
        if 1 < level < depth:
            x.norm()
    dropped = range(depth - 1, max(depth - 4, 4), -1)
    for level in range(depth, 1, -1):
        x.layer()
        x.double(widths[level - 2], bias=bias, upsample=upsample)
        x.norm()
        if config.dropout and level in dropped:
            x.layer()
        x.join(widths[level - 2])
    x.layer()
    x.double(3, bias=True, upsample=upsample)
    x.layer()
    return x


def _resnet(config: TrainConfig) -> _Shape:
    x = _Shape(config.image_size, 3, config.generator_norm)
    bias, width = x.bias_before_norm, config.generator_width
    x.pad(3)
    x.conv(width, 7, bias=bias)
    _norm_relu(x)
    for filters in (2 * width, 4 * width):
        x.pad(1)
        x.conv(filters, 3, stride=2, bias=bias)
        _norm_relu(x)
    for _ in range(int(config.generator.removeprefix("resnet_"))):
        for _half in range(2):
            x.pad(1)
            x.conv(4 * width, 3, bias=bias)
            _norm_relu(x)  # after the second one it is the sum instead of a ReLU
    for filters in (2 * width, width):
        if config.upsample == "transposed":
            # A 3x3 one gives a pixel more than twice the side, which a layer of its own takes away.
            x.weights += 9 * x.channels * filters + bias * filters
            x.side, x.channels = 2 * x.side + 1, filters
            x.layer()
            x.side -= 1
            x.layer()
        else:
            x.double(filters, bias=bias, upsample=config.upsample)
        _norm_relu(x)
    x.pad(3)
    x.conv(3, 7, bias=True)
    x.layer()
    return x


def _norm_relu(x: _Shape) -> None:
    x.norm()
    x.layer()


def _patchgan(config: TrainConfig) -> _Shape:
    channels = 6 if config.model == "pix2pix" else 3
    width = config.discriminator_width
    x = _Shape(config.image_size, channels, config.discriminator_norm)
    x.pad(1)
    x.conv(width, 4, stride=2, bias=True)
    x.layer()
    filters = [width, 2 * width, 4 * width, 8 * width, 1]
    for each, stride in ((filters[1], 2), (filters[2], 2), (filters[3], 1)):
        x.pad(1)
        x.conv(each, 4, stride=stride, bias=x.bias_before_norm)
        _norm_relu(x)
    x.pad(1)
    x.conv(1, 4, bias=True)
    if config.spectral_norm:
        x.state += sum(filters)
    return x
