"""The networks of Pix2Pix and CycleGAN in PyTorch, written from the papers, for comparison only.

The same as those of :mod:`mapgan.networks` layer by layer (Isola et al. 2017, Zhu et al. 2017): kernels,
strides, paddings, which layer has a bias, a norm, a dropout. NCHW, float32 in [-1, 1].
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SLOPE = 0.2
STDDEV = 0.02


def norm(kind: str, channels: int) -> Any:
    """``batch``, ``instance`` (no weights) or ``instance_affine``."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels, affine=kind == "instance_affine")


class UNet(nn.Module):
    """The U-Net of ``2 ** depth`` pixels: 4x4 kernels of stride 2 down to 1x1 and back, with skips."""

    def __init__(self, *, depth: int, width: int, kind: str, dropout: float) -> None:
        super().__init__()
        bias = kind == "instance"
        widths = [width * min(2**level, 8) for level in range(depth)]
        self.downs = nn.ModuleList()
        for level, filters in enumerate(widths):
            parts: list[Any] = [nn.LeakyReLU(SLOPE, inplace=False)] if level else []
            parts.append(nn.Conv2d(widths[level - 1] if level else 3, filters, 4, 2, 1, bias=bias))
            if 0 < level < depth - 1:
                parts.append(norm(kind, filters))
            self.downs.append(nn.Sequential(*parts))
        self.ups = nn.ModuleList()
        for level in range(depth - 1, 0, -1):
            entering = widths[level] * (1 if level == depth - 1 else 2)
            parts = [
                nn.ReLU(),
                nn.ConvTranspose2d(entering, widths[level - 1], 4, 2, 1, bias=bias),
                norm(kind, widths[level - 1]),
            ]
            if dropout and max(depth - 5, 3) < level < depth - 1:
                parts.append(nn.Dropout(dropout))
            self.ups.append(nn.Sequential(*parts))
        self.last = nn.Sequential(nn.ReLU(), nn.ConvTranspose2d(2 * width, 3, 4, 2, 1), nn.Tanh())

    def forward(self, x: Any) -> Any:
        """An image to an image."""
        skips = []
        for down in self.downs:
            x = down(x)
            skips.append(x)
        skips.pop()
        for up in self.ups:
            x = torch.cat([skips.pop(), up(x)], 1)
        return self.last(x)


class Residual(nn.Module):
    """Two reflected 3x3 convolutions, added to the input."""

    def __init__(self, channels: int, kind: str) -> None:
        super().__init__()
        bias = kind == "instance"
        self.block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm(kind, channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm(kind, channels),
        )

    def forward(self, x: Any) -> Any:
        """Same shape."""
        return x + self.block(x)


def resnet(*, blocks: int, width: int, kind: str) -> Any:
    """CycleGAN's generator (Johnson et al. 2016)."""
    bias = kind == "instance"
    parts = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7, bias=bias), norm(kind, width), nn.ReLU()]
    for filters in (2 * width, 4 * width):
        parts += [nn.Conv2d(filters // 2, filters, 3, 2, 1, bias=bias), norm(kind, filters), nn.ReLU()]
    parts += [Residual(4 * width, kind) for _ in range(blocks)]
    for filters in (2 * width, width):
        up = nn.ConvTranspose2d(2 * filters, filters, 3, 2, 1, output_padding=1, bias=bias)
        parts += [up, norm(kind, filters), nn.ReLU()]
    parts += [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
    return initialised(nn.Sequential(*parts))


def generator(name: str, *, width: int, kind: str, dropout: float = 0.5) -> Any:
    """``unet_256`` (or another power of two), ``resnet_9`` or ``resnet_6``."""
    family, _, size = name.partition("_")
    if family == "resnet":
        return resnet(blocks=int(size), width=width, kind=kind)
    depth = int(size).bit_length() - 1
    return initialised(UNet(depth=depth, width=width, kind=kind, dropout=dropout))


def patchgan(*, channels: int, width: int, kind: str) -> Any:
    """The 70x70 PatchGAN; logits."""
    bias = kind == "instance"
    parts = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
    for before, after, stride in ((1, 2, 2), (2, 4, 2), (4, 8, 1)):
        conv = nn.Conv2d(width * before, width * after, 4, stride, 1, bias=bias)
        parts += [conv, norm(kind, width * after), nn.LeakyReLU(SLOPE)]
    return initialised(nn.Sequential(*parts, nn.Conv2d(8 * width, 1, 4, 1, 1)))


def initialised(network: Any) -> Any:
    """Kernels N(0, 0.02), gammas N(1, 0.02), biases and betas 0."""
    for part in network.modules():
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(part.weight, 0.0, STDDEV)
        elif isinstance(part, nn.BatchNorm2d | nn.InstanceNorm2d) and part.weight is not None:
            nn.init.normal_(part.weight, 1.0, STDDEV)
        if getattr(part, "bias", None) is not None:
            nn.init.zeros_(part.bias)
    return network


def parameters(*networks: Any) -> int:
    """Trainable ones."""
    return sum(weight.numel() for network in networks for weight in network.parameters())
