"""The generators and the discriminator of Pix2Pix and CycleGAN, as in the authors' code.

Images are NHWC float32 in [-1, 1]. Every layer has a fixed name, so a tensor's path
(``down1_conv/kernel``) is the same in every process: checkpoints and hashes rely on it.
Only layer classes the ONNX exporter knows are used; see :mod:`mapgan.layers`.

Sources: Isola et al. 2017 and Zhu et al. 2017, appendices, and the authors' PyTorch code
(``pytorch-CycleGAN-and-pix2pix/models/networks.py``), from which the padding, the bias rule and
the place of the dropouts are taken.
"""

from __future__ import annotations

from typing import Any, Final

import keras
import numpy as np
from keras import layers

from mapgan.config import TrainConfig
from mapgan.layers import InstanceNorm, ReflectPad, SpectralConv2D

NORMS: Final = ("batch", "instance", "instance_affine")
UPSAMPLES: Final = ("transposed", "resize")
INIT_STDDEV: Final = 0.02
NORM_EPSILON: Final = 1e-5
BATCH_NORM_MOMENTUM: Final = 0.9  # PyTorch's 0.1, which weighs the new batch and not the old mean
LEAKY_SLOPE: Final = 0.2
RESNET_BLOCKS: Final = {"resnet_6": 6, "resnet_9": 9}
UNET_DEPTHS: Final = {f"unet_{2**depth}": depth for depth in range(4, 10)}
GENERATORS: Final = (*UNET_DEPTHS, *RESNET_BLOCKS)


class _Parts:
    """Makes the layers of one network, each with initialisers of its own.

    One initialiser object shared by several layers gives them equal weights in Keras 3; here every
    weight draws the next number of one ``SeedSequence``, so kernels differ and a seed fixes them all.

    Args:
        norm: one of ``NORMS``.
        seed: fixes the initial weights and the dropout masks; None takes fresh entropy.
        spectral: divide the kernels of convolutions by their spectral norm.

    Raises:
        ValueError: an unknown norm.
    """

    def __init__(self, norm: str, seed: int | None, *, spectral: bool = False) -> None:
        if norm not in NORMS:
            raise ValueError(f"norm must be one of {', '.join(NORMS)}, not {norm!r}")
        self._norm = norm
        self._spectral = spectral
        self._seeds = np.random.SeedSequence(seed)
        # A normalisation with a shift of its own makes the bias before it useless.
        self.bias_before_norm = norm == "instance"

    def seed(self) -> int:
        """The next seed of this network, a positive 31-bit integer."""
        return int(self._seeds.spawn(1)[0].generate_state(1)[0] >> 1)

    def normal(self, mean: float = 0.0) -> Any:
        """A new initialiser N(mean, 0.02)."""
        return keras.initializers.RandomNormal(mean, INIT_STDDEV, seed=self.seed())

    def conv(
        self,
        filters: int,
        kernel: int,
        *,
        name: str,
        bias: bool,
        stride: int = 1,
        padding: str = "valid",
    ) -> Any:
        """A convolution with N(0, 0.02) kernel and zero bias."""
        options = {
            "strides": stride,
            "padding": padding,
            "use_bias": bias,
            "kernel_initializer": self.normal(),
            "name": name,
        }
        if self._spectral:
            return SpectralConv2D(filters, kernel, start=self.normal(), **options)
        return layers.Conv2D(filters, kernel, **options)

    def conv_transpose(self, filters: int, kernel: int, *, name: str, bias: bool, padding: str) -> Any:
        """A transposed convolution of stride 2, initialised like :meth:`conv`."""
        return layers.Conv2DTranspose(
            filters,
            kernel,
            strides=2,
            padding=padding,
            use_bias=bias,
            kernel_initializer=self.normal(),
            name=name,
        )

    def norm(self, name: str) -> Any:
        """The network's normalisation, gamma N(1, 0.02) and beta 0 where it has them."""
        if self._norm == "batch":
            return layers.BatchNormalization(
                momentum=BATCH_NORM_MOMENTUM,
                epsilon=NORM_EPSILON,
                gamma_initializer=self.normal(mean=1.0),
                name=name,
            )
        if self._norm == "instance_affine":
            return InstanceNorm(
                affine=True, epsilon=NORM_EPSILON, gamma_initializer=self.normal(mean=1.0), name=name
            )
        return InstanceNorm(affine=False, epsilon=NORM_EPSILON, name=name)


def build_generator(
    name: str,
    *,
    width: int = 64,
    norm: str = "instance_affine",
    image_size: int | None = 256,
    dropout: float = 0.5,
    upsample: str = "transposed",
    seed: int | None = None,
) -> Any:
    """Build a generator: ``(batch, s, s, 3)`` in [-1, 1] to the same shape, through tanh.

    Args:
        name: ``unet_256`` (also ``unet_16`` to ``unet_512``), ``resnet_9`` or ``resnet_6``.
        width: channels of the first layer; 64 in the papers.
        norm: ``batch``, ``instance`` (no weights) or ``instance_affine``.
        image_size: side of the input; None leaves height and width open. The sides must be multiples
            of the U-Net's size (256 for ``unet_256``), or of 4 for a ResNet.
        dropout: rate of the U-Net's three dropouts (a ResNet has none); 0 leaves them out.
        upsample: ``transposed`` as in the papers, or ``resize`` (nearest neighbour, then a 3x3
            convolution), which has no checkerboard.
        seed: fixes initial weights and dropout masks.

    Returns:
        A functional ``keras.Model`` named ``name``.

    Raises:
        ValueError: an unknown name, norm or upsampling, or a size the network cannot halve.
    """
    if name not in GENERATORS:
        raise ValueError(f"generator must be one of {', '.join(GENERATORS)}, not {name!r}")
    if upsample not in UPSAMPLES:
        raise ValueError(f"upsample must be one of {', '.join(UPSAMPLES)}, not {upsample!r}")
    multiple = 2 ** UNET_DEPTHS[name] if name in UNET_DEPTHS else 4
    if image_size is not None and (image_size < multiple or image_size % multiple):
        raise ValueError(f"{name} needs sides that are multiples of {multiple}, not {image_size}")
    parts = _Parts(norm, seed)
    image = keras.Input((image_size, image_size, 3), name="image")
    if name in UNET_DEPTHS:
        output = _unet(parts, image, depth=UNET_DEPTHS[name], width=width, dropout=dropout, upsample=upsample)
    else:
        output = _resnet(parts, image, blocks=RESNET_BLOCKS[name], width=width, upsample=upsample)
    return keras.Model(image, output, name=name)


def _unet(parts: _Parts, image: Any, *, depth: int, width: int, dropout: float, upsample: str) -> Any:
    """``depth`` halvings to the bottleneck and back, each way joined by a skip connection.

    No norm on the first convolution, nor on the bottleneck: at 1x1 with one image it would be zero
    (the paper's erratum). Only the last layer has a bias. Where a norm without weights is asked
    for, the convolutions before it have one too, as in the authors' code.
    """
    bias = parts.bias_before_norm
    widths = [width * min(2**level, 8) for level in range(depth)]
    skips: list[Any] = []
    x = image
    for level, filters in enumerate(widths, start=1):
        if level > 1:
            x = layers.LeakyReLU(negative_slope=LEAKY_SLOPE, name=f"down{level}_act")(x)
        x = parts.conv(filters, 4, stride=2, padding="same", bias=bias, name=f"down{level}_conv")(x)
        if 1 < level < depth:
            x = parts.norm(f"down{level}_norm")(x)
        skips.append(x)

    skips.pop()  # the bottleneck is the way itself
    # The authors' PyTorch code: none on the innermost block, then on the next three but never on
    # the four outermost, which a U-Net shallower than 256 reaches first.
    dropped = range(depth - 1, max(depth - 4, 4), -1)
    for level in range(depth, 1, -1):
        x = layers.ReLU(name=f"up{level}_act")(x)
        x = _double(parts, x, widths[level - 2], bias=bias, upsample=upsample, name=f"up{level}")
        x = parts.norm(f"up{level}_norm")(x)
        if dropout and level in dropped:
            x = layers.Dropout(dropout, seed=parts.seed(), name=f"up{level}_dropout")(x)
        x = layers.Concatenate(name=f"up{level}_skip")([skips.pop(), x])
    x = layers.ReLU(name="up1_act")(x)
    x = _double(parts, x, 3, bias=True, upsample=upsample, name="up1")
    return layers.Activation("tanh", dtype="float32", name="tanh")(x)


def _double(parts: _Parts, x: Any, filters: int, *, bias: bool, upsample: str, name: str) -> Any:
    """Twice the height and width: the U-Net's 4x4 transposed convolution, or resize and 3x3."""
    if upsample == "transposed":
        return parts.conv_transpose(filters, 4, padding="same", bias=bias, name=f"{name}_conv")(x)
    x = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_resize")(x)
    return parts.conv(filters, 3, padding="same", bias=bias, name=f"{name}_conv")(x)


def _resnet(parts: _Parts, image: Any, *, blocks: int, width: int, upsample: str) -> Any:
    """7x7 stem, two halvings, residual blocks, two doublings, 7x7 head (Johnson et al. 2016)."""
    bias = parts.bias_before_norm
    x = ReflectPad(3, name="stem_pad")(image)
    x = _norm_relu(parts, parts.conv(width, 7, bias=bias, name="stem_conv")(x), "stem")
    for level, filters in enumerate((2 * width, 4 * width), start=1):
        # Keras's "same" pads an even side on one edge only; the reference pads both.
        x = layers.ZeroPadding2D(1, name=f"down{level}_pad")(x)
        x = parts.conv(filters, 3, stride=2, bias=bias, name=f"down{level}_conv")(x)
        x = _norm_relu(parts, x, f"down{level}")
    for index in range(1, blocks + 1):
        x = _residual_block(parts, x, 4 * width, f"block{index}")
    for level, filters in ((2, 2 * width), (1, width)):
        if upsample == "transposed":
            x = parts.conv_transpose(filters, 3, padding="valid", bias=bias, name=f"up{level}_conv")(x)
            # 2n + 1 pixels; PyTorch's padding 1 with output padding 1 drops the first one.
            x = layers.Cropping2D(((1, 0), (1, 0)), name=f"up{level}_crop")(x)
        else:
            x = _double(parts, x, filters, bias=bias, upsample=upsample, name=f"up{level}")
        x = _norm_relu(parts, x, f"up{level}")
    x = ReflectPad(3, name="head_pad")(x)
    x = parts.conv(3, 7, bias=True, name="head_conv")(x)
    return layers.Activation("tanh", dtype="float32", name="tanh")(x)


def _norm_relu(parts: _Parts, x: Any, name: str) -> Any:
    """Normalisation, then ReLU."""
    return layers.ReLU(name=f"{name}_act")(parts.norm(f"{name}_norm")(x))


def _residual_block(parts: _Parts, x: Any, filters: int, name: str) -> Any:
    """Two reflected 3x3 convolutions whose result is added to the input; no ReLU after the sum."""
    bias = parts.bias_before_norm
    y = ReflectPad(1, name=f"{name}_pad1")(x)
    y = parts.conv(filters, 3, bias=bias, name=f"{name}_conv1")(y)
    y = _norm_relu(parts, y, f"{name}_1")
    y = ReflectPad(1, name=f"{name}_pad2")(y)
    y = parts.conv(filters, 3, bias=bias, name=f"{name}_conv2")(y)
    y = parts.norm(f"{name}_2_norm")(y)
    return layers.Add(name=f"{name}_add")([x, y])


def build_discriminator(
    *,
    channels: int,
    width: int = 64,
    norm: str = "instance_affine",
    image_size: int | None = 256,
    spectral_norm: bool = False,
    seed: int | None = None,
) -> Any:
    """Build the 70x70 PatchGAN: ``(batch, 256, 256, channels)`` to ``(batch, 30, 30, 1)`` logits.

    4x4 convolutions of stride 2, 2, 2, 1, 1, each with one zero pixel around; every logit sees
    70x70 pixels. No sigmoid: the losses take logits.

    Args:
        channels: 6 for Pix2Pix (source and candidate side by side in depth), 3 for CycleGAN.
        width: channels of the first layer; 64 in the papers.
        norm: as in :func:`build_generator`.
        image_size: side of the input (at least 32), None leaves it open.
        spectral_norm: divide every kernel by its spectral norm (:class:`mapgan.layers.SpectralConv2D`).
        seed: fixes the initial weights.

    Raises:
        ValueError: an unknown norm or a side too small for the strides.
    """
    if image_size is not None and image_size < 32:
        raise ValueError(f"the PatchGAN needs sides of at least 32 pixels, not {image_size}")
    parts = _Parts(norm, seed, spectral=spectral_norm)
    image = keras.Input((image_size, image_size, channels), name="image")
    x = layers.ZeroPadding2D(1, name="patch1_pad")(image)
    x = parts.conv(width, 4, stride=2, bias=True, name="patch1_conv")(x)
    x = layers.LeakyReLU(negative_slope=LEAKY_SLOPE, name="patch1_act")(x)
    for level, (times, stride) in enumerate(((2, 2), (4, 2), (8, 1)), start=2):
        x = layers.ZeroPadding2D(1, name=f"patch{level}_pad")(x)
        x = parts.conv(
            width * times, 4, stride=stride, bias=parts.bias_before_norm, name=f"patch{level}_conv"
        )(x)
        x = parts.norm(f"patch{level}_norm")(x)
        x = layers.LeakyReLU(negative_slope=LEAKY_SLOPE, name=f"patch{level}_act")(x)
    x = layers.ZeroPadding2D(1, name="patch5_pad")(x)
    logits = parts.conv(1, 4, bias=True, name="patch5_conv")(x)
    return keras.Model(image, logits, name="patchgan_70")


def generator_for(config: TrainConfig, *, seed: int | None = None) -> Any:
    """The generator that a run of ``config`` trains; see :func:`build_generator`."""
    return build_generator(
        config.generator,
        width=config.generator_width,
        norm=config.generator_norm,
        image_size=config.image_size,
        dropout=config.dropout,
        upsample=config.upsample,
        seed=seed,
    )


def discriminator_for(config: TrainConfig, *, channels: int, seed: int | None = None) -> Any:
    """The discriminator that a run of ``config`` trains; see :func:`build_discriminator`."""
    return build_discriminator(
        channels=channels,
        width=config.discriminator_width,
        norm=config.discriminator_norm,
        image_size=config.image_size,
        spectral_norm=config.spectral_norm,
        seed=seed,
    )
