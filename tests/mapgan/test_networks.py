"""The networks are the papers': counts, shapes, starting weights, padding, receptive field."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from mapgan.config import TrainConfig
from mapgan.engine.state import TrainState
from mapgan.layers import InstanceNorm, ReflectPad
from mapgan.networks import build_discriminator, build_generator
from mapgan.pix2pix import Pix2Pix

TINY: dict[str, Any] = {
    "generator": "unet_32", "generator_width": 1, "discriminator_width": 1, "image_size": 32, "load_size": 32,
}  # fmt: skip


def trainable(network: Any) -> int:
    """Number of trained weights."""
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


@pytest.mark.parametrize(
    ("build", "options", "count"),
    [
        (build_generator, {"name": "unet_256", "norm": "batch"}, 54_413_955),
        (build_generator, {"name": "unet_256", "norm": "instance_affine"}, 54_413_955),
        (build_generator, {"name": "resnet_9", "norm": "instance"}, 11_378_179),
        (build_generator, {"name": "resnet_6", "norm": "instance"}, 7_837_699),
        (build_discriminator, {"channels": 6, "norm": "batch"}, 2_768_705),
        (build_discriminator, {"channels": 3, "norm": "instance"}, 2_764_737),
    ],
)
def test_parameter_counts(build: Any, options: dict[str, Any], count: int) -> None:
    """Those of the reference implementations."""
    assert trainable(build(**options)) == count


def layers_of(network: Any) -> list[tuple[Any, ...]]:
    """Name and output shape, without the batch, of every layer in order."""
    return [(layer.name, *layer.output.shape[1:]) for layer in network.layers]


def test_unet_layer_by_layer() -> None:
    """256 down to 1 and back: every layer's place and output.

    Activation before each convolution but the first; no norm on the first one and on the bottleneck;
    dropout after the norm on the three levels after the innermost; the skip connection before the rest.
    """
    unet = build_generator("unet_256")
    expected: list[tuple[Any, ...]] = [("image", 256, 256, 3), ("down1_conv", 128, 128, 64)]
    before = (128, 128, 64)
    for level, side, width in (
        (2, 64, 128), (3, 32, 256), (4, 16, 512), (5, 8, 512), (6, 4, 512), (7, 2, 512), (8, 1, 512),
    ):  # fmt: skip
        after = (side, side, width)
        expected += [(f"down{level}_act", *before), (f"down{level}_conv", *after)]
        expected += [(f"down{level}_norm", *after)] if level < 8 else []
        before = after
    for level, side, width in (
        (8, 2, 512), (7, 4, 512), (6, 8, 512), (5, 16, 512), (4, 32, 256), (3, 64, 128), (2, 128, 64),
    ):  # fmt: skip
        after = (side, side, width)
        expected += [(f"up{level}_act", *before), (f"up{level}_conv", *after), (f"up{level}_norm", *after)]
        expected += [(f"up{level}_dropout", *after)] if level in (5, 6, 7) else []
        before = (side, side, 2 * width)
        expected += [(f"up{level}_skip", *before)]
    expected += [("up1_act", 128, 128, 128), ("up1_conv", 256, 256, 3), ("tanh", 256, 256, 3)]
    assert layers_of(unet) == expected
    for layer in unet.layers:
        if layer.name.endswith("_conv"):
            assert (layer.kernel_size, layer.strides, layer.padding) == ((4, 4), (2, 2), "same"), layer.name
            assert layer.use_bias == (layer.name == "up1_conv")
        if layer.name.endswith("_dropout"):
            assert layer.rate == 0.5
        if layer.name.endswith("_skip"):
            skipped, way = layer.input
            level = int(layer.name[2])
            encoder = "norm" if level > 2 else "conv"
            assert skipped._keras_history.operation.name == f"down{level - 1}_{encoder}"
            assert way._keras_history.operation.name == (
                f"up{level}_dropout" if level in (5, 6, 7) else f"up{level}_norm"
            )


def test_resnet_layer_by_layer() -> None:
    """Reflected 7x7 stem, two halvings, nine blocks added to their input, two doublings, 7x7 head."""
    resnet = build_generator("resnet_9", norm="instance")
    expected: list[tuple[Any, ...]] = [("image", 256, 256, 3), ("stem_pad", 262, 262, 3)]
    expected += [(f"stem_{part}", 256, 256, 64) for part in ("conv", "norm", "act")]
    for level, side, width in ((1, 128, 128), (2, 64, 256)):
        expected += [(f"down{level}_pad", 2 * side + 2, 2 * side + 2, width // 2)]
        expected += [(f"down{level}_{part}", side, side, width) for part in ("conv", "norm", "act")]
    for index in range(1, 10):
        for half in (1, 2):
            expected += [(f"block{index}_pad{half}", 66, 66, 256), (f"block{index}_conv{half}", 64, 64, 256)]
            expected += [(f"block{index}_{half}_norm", 64, 64, 256)]
            expected += [(f"block{index}_1_act", 64, 64, 256)] if half == 1 else []
        expected += [(f"block{index}_add", 64, 64, 256)]
    for level, side, width in ((2, 128, 128), (1, 256, 64)):
        expected += [(f"up{level}_conv", side + 1, side + 1, width)]
        expected += [(f"up{level}_{part}", side, side, width) for part in ("crop", "norm", "act")]
    expected += [("head_pad", 262, 262, 64), ("head_conv", 256, 256, 3), ("tanh", 256, 256, 3)]
    assert layers_of(resnet) == expected
    for layer in resnet.layers:
        if not layer.name.endswith(("_conv", "_conv1", "_conv2")):
            continue
        side = 7 if layer.name in ("stem_conv", "head_conv") else 3
        stride = 2 if layer.name.startswith(("down", "up")) else 1
        assert (layer.kernel_size, layer.strides) == ((side, side), (stride, stride)), layer.name
        assert (layer.padding, layer.use_bias) == ("valid", True), layer.name
    for index in range(1, 10):
        skipped, _ = resnet.get_layer(f"block{index}_add").input
        before = f"block{index - 1}_add" if index > 1 else "down2_act"
        assert skipped._keras_history.operation.name == before


def test_patchgan_layer_by_layer() -> None:
    """Strides 2, 2, 2, 1, 1 with one zero pixel around; no norm first and last; 30x30 logits."""
    expected: list[tuple[Any, ...]] = [("image", 256, 256, 6)]
    before = (256, 6)
    for level, side, width in ((1, 128, 64), (2, 64, 128), (3, 32, 256), (4, 31, 512), (5, 30, 1)):
        expected += [(f"patch{level}_pad", before[0] + 2, before[0] + 2, before[1])]
        expected += [(f"patch{level}_conv", side, side, width)]
        expected += [(f"patch{level}_norm", side, side, width)] if level in (2, 3, 4) else []
        expected += [(f"patch{level}_act", side, side, width)] if level < 5 else []
        before = (side, width)
    for norm in ("batch", "instance_affine", "instance"):
        patchgan = build_discriminator(channels=6, norm=norm)
        assert layers_of(patchgan) == expected
        for level, stride in enumerate((2, 2, 2, 1, 1), start=1):
            conv = patchgan.get_layer(f"patch{level}_conv")
            assert (conv.kernel_size, conv.strides, conv.padding) == ((4, 4), (stride, stride), "valid")
            assert conv.use_bias == (level in (1, 5) or norm == "instance")


@pytest.mark.parametrize("norm", ["batch", "instance", "instance_affine"])
def test_numbers_that_keras_has_otherwise(norm: str) -> None:
    """Norms: eps 1e-5 (Keras 1e-3), momentum .9 (.99); LeakyReLU .2 (.3); Adam: eps 1e-8 (1e-7), b1 .5."""
    networks = [
        build_generator("unet_256", width=1, norm=norm),
        build_generator("resnet_6", width=1, norm=norm),
        build_discriminator(channels=6, width=1, norm=norm),
    ]
    layers = [layer for network in networks for layer in network.layers]
    norms = [layer for layer in layers if layer.name.endswith("_norm")]
    assert len(norms) == 13 + (1 + 2 + 2 * 6 + 2) + 3
    assert {layer.epsilon for layer in norms} == {1e-5}
    if norm == "batch":
        assert {layer.momentum for layer in norms} == {0.9}
    leaky = [layer for layer in layers if isinstance(layer, keras.layers.LeakyReLU)]
    assert len(leaky) == 7 + 4
    assert {layer.negative_slope for layer in leaky} == {0.2}
    config = TrainConfig()
    assert (config.learning_rate, config.beta_1, config.beta_2, config.epsilon) == (2e-4, 0.5, 0.999, 1e-8)
    state = TrainState(Pix2Pix(TrainConfig(**TINY)), TrainConfig(**TINY))
    assert {adam.epsilon for adam in state.adams.values()} == {1e-8}


def test_patchgan_sees_70_pixels() -> None:
    """A logit changes with exactly 70 columns of the input."""
    patchgan = build_discriminator(channels=3, width=4, norm="batch", image_size=None, seed=1)
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, 128, 128, 3)).astype(np.float32)
    changed = np.repeat(image, 128, axis=0)
    changed[np.arange(128), :, np.arange(128)] += 10.0
    # BatchNorm in use is a fixed scale, so that only convolutions carry information along.
    logits = np.asarray(patchgan(changed, training=False))
    base = np.asarray(patchgan(image, training=False))
    seen = np.flatnonzero(np.abs(logits[:, 7, 7, 0] - base[0, 7, 7, 0]) > 0)
    assert (seen[0], seen[-1], len(seen)) == (seen[0], seen[0] + 69, 70)


@pytest.mark.parametrize(
    "network",
    [
        lambda: build_generator("unet_256", norm="batch", width=32, seed=7),
        lambda: build_generator("resnet_9", norm="instance_affine", width=32, seed=7),
        lambda: build_discriminator(channels=6, norm="instance_affine", seed=7),
    ],
    ids=["unet", "resnet", "patchgan"],
)
def test_initial_weights(network: Any) -> None:
    """Kernels N(0, 0.02), gammas N(1, 0.02), biases and betas 0, and no two kernels are equal."""
    kernels, gammas = [], []
    for weight in network().trainable_weights:
        value, kind = weight.numpy(), weight.path.rsplit("/", 1)[1]
        if kind == "kernel":
            kernels.append(value.ravel())
        elif kind == "gamma":
            gammas.append(value.ravel())
        else:
            assert not value.any(), weight.path
    heads = {kernel[:32].tobytes() for kernel in kernels}
    assert len(heads) == len(kernels)
    for values, mean in ((np.concatenate(kernels), 0.0), (np.concatenate(gammas), 1.0)):
        error = 0.02 / np.sqrt(values.size)
        assert values.mean() == pytest.approx(mean, abs=5 * error)
        assert values.std() == pytest.approx(0.02, rel=5 / np.sqrt(2 * values.size))
    for kernel in kernels:
        if kernel.size > 10_000:
            assert kernel.std() == pytest.approx(0.02, rel=0.05)


def test_seed_fixes_the_weights() -> None:
    """Equal seeds, equal networks; another seed, another network."""
    first, second, other = (build_generator("unet_32", width=4, seed=seed) for seed in (1, 1, 2))
    for a, b, c in zip(first.weights, second.weights, other.weights, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
        if a.path.endswith("kernel"):
            assert np.abs(a.numpy() - c.numpy()).max() > 0
    assert [a.path for a in first.weights] == [b.path for b in second.weights]


@pytest.mark.parametrize("name", ["unet_64", "resnet_6"])
@pytest.mark.parametrize("norm", ["instance", "instance_affine"])
def test_a_tile_does_not_depend_on_its_batch(name: str, norm: str) -> None:
    """The same alone and among eight."""
    generator = build_generator(name, width=8, norm=norm, image_size=64, seed=3)
    batch = np.random.default_rng(0).uniform(-1, 1, (8, 64, 64, 3)).astype(np.float32)
    alone = np.asarray(generator(batch[:1], training=False))
    among = np.asarray(generator(batch, training=False))[:1]
    np.testing.assert_allclose(alone, among, atol=2e-5)
    assert np.abs(alone).max() <= 1


def test_open_size_and_resize_convolution() -> None:
    """Height and width may stay open; resize-convolution keeps them too."""
    for name, upsample in (("unet_32", "resize"), ("resnet_6", "resize"), ("resnet_6", "transposed")):
        generator = build_generator(name, width=4, image_size=None, upsample=upsample)
        assert generator.output_shape == (None, None, None, 3)
        assert generator(np.zeros((1, 32, 64, 3), np.float32)).shape == (1, 32, 64, 3)


def test_resnet_doubling_is_the_reference_one() -> None:
    """PyTorch's ConvTranspose2d(3, stride 2, padding 1, output_padding 1), worked out by hand.

    In one dimension ``out[2i - 1 + k] += in[i] * kernel[k]`` for k = 0, 1, 2.
    """
    generator = build_generator("resnet_6", width=1, image_size=None, seed=0)
    up, crop = generator.get_layer("up1_conv"), generator.get_layer("up1_crop")
    image = np.random.default_rng(0).normal(size=(1, 5, 5, 2)).astype(np.float32)
    kernel = up.kernel.numpy()[:, :, 0, :]
    expected = np.zeros((12, 12))
    for row in range(5):
        for column in range(5):
            patch = (kernel * image[0, row, column]).sum(axis=-1)
            expected[2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += patch  # shifted by the padding
    np.testing.assert_allclose(np.asarray(crop(up(image)))[0, :, :, 0], expected[1:11, 1:11], atol=1e-6)


def test_instance_norm_by_hand() -> None:
    """Against NumPy, and as BatchNorm is with one image."""
    image = np.random.default_rng(0).normal(3, 2, (2, 6, 5, 4)).astype(np.float32)
    mean, variance = image.mean((1, 2), keepdims=True), image.var((1, 2), keepdims=True)
    plain = (image - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(np.asarray(InstanceNorm(affine=False)(image)), plain, atol=1e-5)
    layer = InstanceNorm()
    layer.build(image.shape)
    layer.gamma.assign([1, 2, 3, 4])
    layer.beta.assign([0, 1, 0, -1])
    np.testing.assert_allclose(
        np.asarray(layer(image)), plain * [1, 2, 3, 4] + np.array([0, 1, 0, -1]), atol=1e-4
    )
    batch_norm = keras.layers.BatchNormalization(epsilon=1e-5)
    np.testing.assert_allclose(
        np.asarray(InstanceNorm()(image[:1])), np.asarray(batch_norm(image[:1], training=True)), atol=1e-4
    )


def test_reflect_pad_by_hand() -> None:
    """The edge itself is not repeated."""
    row = np.array([1.0, 2.0, 3.0], np.float32)
    image = np.tile(row[None, None, :, None], (1, 3, 1, 1))
    padded = np.asarray(ReflectPad(2)(image))[0, :, :, 0]
    np.testing.assert_array_equal(padded[0], [3, 2, 1, 2, 3, 2, 1])
    assert padded.shape == (7, 7)


@pytest.mark.parametrize("layer", [InstanceNorm(affine=False, epsilon=1e-3), ReflectPad(3)])
def test_layers_survive_their_configuration(layer: Any) -> None:
    """from_config(get_config()) is the same layer."""
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: build_generator("unet_100"), "generator must be one of"),
        (lambda: build_generator("unet_256", norm="layer"), "norm must be one of"),
        (lambda: build_generator("unet_256", upsample="bilinear"), "upsample must be one of"),
        (lambda: build_generator("unet_256", image_size=128), "multiples of 256"),
        (lambda: build_discriminator(channels=3, image_size=16), "at least 32"),
        (lambda: ReflectPad(0), "padding"),
    ],
)
def test_errors(build: Any, message: str) -> None:
    """Wrong arguments are named."""
    with pytest.raises(ValueError, match=message):
        build()
