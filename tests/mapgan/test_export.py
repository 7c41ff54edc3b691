"""A generator file computes what the Keras network computes, and holds its own card and hash."""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import onnx
import pytest
from PIL import Image

from mapgan.card import CardError, GeneratorCard, read_card
from mapgan.config import TrainConfig
from mapgan.export import ExportError, draft_card, export_generator, parity
from mapgan.imageio import to_unit
from mapgan.inference import Generator
from mapgan.networks import build_generator
from mapgan.onnxfile import count_weights, weights_sha256
from tests.mapgan.generators import make_card

TILES = Path(__file__).parents[3] / "shared" / "data" / "maps" / "train"
NETWORKS = [
    ("unet_32", {"norm": "instance_affine"}),
    ("unet_32", {"norm": "instance", "dropout": 0.5}),
    ("unet_32", {"norm": "batch"}),
    ("unet_64", {"norm": "batch", "dropout": 0.5, "upsample": "resize"}),
    ("resnet_6", {"norm": "instance"}),
    ("resnet_6", {"norm": "batch", "upsample": "resize"}),
    ("resnet_6", {"norm": "instance_affine"}),
]


def network(name: str, **options):
    """A small network whose weights are all random: at the start biases and shifts are zero."""
    size = 64 if name == "unet_64" else 32
    model = build_generator(name, width=4, image_size=size, seed=1, **options)
    rng = np.random.default_rng(2)
    for weight in model.trainable_weights:
        weight.assign(weight.numpy() + rng.normal(0, 0.05, weight.shape))
    return model


def images(side: int, count: int = 2) -> np.ndarray:
    return np.random.default_rng(3).uniform(-1, 1, (count, side, side, 3)).astype(np.float32)


@pytest.mark.parametrize(("name", "options"), NETWORKS)
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 2e-5), ("fp16", 1e-2), ("int8", 0.2)])
def test_parity(tmp_path, name, options, precision, tolerance):
    model = network(name, **options)
    side = model.input_shape[1]
    before = [weight.numpy().copy() for weight in model.weights]
    export_generator(model, make_card(), tmp_path / "a.onnx", precision=precision)
    assert parity(model, tmp_path / "a.onnx", images(side)) < tolerance
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), old)


def test_parity_sees_a_wrong_weight(tmp_path):
    model = network("unet_32")
    export_generator(model, make_card(), tmp_path / "a.onnx", precision="fp32")
    model.get_layer("up1_conv").bias.assign([0.5, 0, 0])
    assert parity(model, tmp_path / "a.onnx", images(32)) > 0.05


@pytest.mark.skipif(not TILES.is_dir(), reason=f"no real tiles in {TILES}")
def test_parity_on_real_tiles(tmp_path):
    tiles = []
    for stem in ("1", "52"):
        with Image.open(TILES / f"{stem}.webp") as picture:
            half = picture.convert("RGB").crop((286, 0, 572, 286)).resize((256, 256))
            tiles.append(to_unit(np.asarray(half)))
    model = build_generator("unet_256", width=8, seed=1)
    for precision, tolerance in (("fp32", 1e-4), ("fp16", 2e-2), ("int8", 0.2)):
        export_generator(model, make_card(), tmp_path / "a.onnx", precision=precision)
        assert parity(model, tmp_path / "a.onnx", np.stack(tiles)) < tolerance


def test_a_tile_is_the_same_alone_and_in_a_batch(tmp_path):
    import onnxruntime

    export_generator(network("unet_32", norm="batch"), make_card(), tmp_path / "a.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx")
    batch = images(32, 4)
    together = session.run(None, {"image": batch})[0]
    alone = np.concatenate([session.run(None, {"image": image[None]})[0] for image in batch])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_the_card_is_true_of_the_file(tmp_path):
    path = tmp_path / "deep" / "a.onnx"
    model = network("unet_32")
    draft = make_card(metrics={"generator": {"l1": 1.0}})
    card = export_generator(model, draft, path, precision="fp16")
    assert read_card(path) == card
    assert card == dataclasses.replace(draft, precision="fp16", weights_sha256=card.weights_sha256)
    data = path.read_bytes()
    assert weights_sha256(io.BytesIO(data)) == card.weights_sha256
    assert count_weights(io.BytesIO(data)) == model.count_params()
    tensors = {tensor.name: tensor for tensor in onnx.load(path).graph.initializer}
    assert set(tensors) == {weight.path for weight in model.weights}
    assert {tensor.data_type for name, tensor in tensors.items() if name.endswith("kernel")} == {
        onnx.TensorProto.FLOAT16
    }
    assert path.stat().st_mode & 0o777 == 0o644
    assert [entry.name for entry in path.parent.iterdir()] == ["a.onnx"]


def test_the_hash_is_over_weights_alone(tmp_path):
    model = network("unet_32")
    first = export_generator(model, make_card(), tmp_path / "a.onnx")
    second = export_generator(model, make_card(title="Another"), tmp_path / "b.onnx")
    assert first.weights_sha256 == second.weights_sha256
    model.get_layer("up1_conv").bias.assign([0, 0, 1e-3])
    assert export_generator(model, make_card(), tmp_path / "c.onnx").weights_sha256 != first.weights_sha256


def test_short_kernels_shrink_the_file_and_are_folded_at_load(tmp_path):
    import onnxruntime

    model = build_generator("unet_256", width=8, seed=1)
    sizes = {}
    for precision in ("fp32", "fp16", "int8"):
        export_generator(model, make_card(), tmp_path / f"{precision}.onnx", precision=precision)
        sizes[precision] = (tmp_path / f"{precision}.onnx").stat().st_size
        with (tmp_path / f"{precision}.onnx").open("rb") as stream:
            assert count_weights(stream) == model.count_params()
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
        options.log_severity_level = 3
        onnxruntime.InferenceSession(tmp_path / f"{precision}.onnx", options)
        nodes = onnx.load(tmp_path / "optimised.onnx").graph.node
        operations = {node.op_type for node in nodes if not node.name.endswith("_shape")}
        assert not operations & {"Cast", "Mul", "Split"}
    assert sizes["fp16"] < 0.52 * sizes["fp32"]
    assert sizes["int8"] < 0.3 * sizes["fp32"]


def test_noise_needs_a_dropout_and_is_real(tmp_path):
    path = tmp_path / "a.onnx"
    model = build_generator("unet_64", width=4, image_size=64, dropout=0.5, seed=1)
    draft = make_card(image_size=64, side_multiple=64, window=64)
    card = export_generator(model, draft, path, noise=True)
    assert card.noise
    assert parity(model, path, images(64)) < 1e-2  # without a seed it is the still network
    generator = Generator(path, threads=1)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    still, one, again, two = (generator.translate(image, seed=seed) for seed in (None, 1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != two).any()
    assert (one != still).any()
    with pytest.raises(ExportError, match="dropout"):
        export_generator(network("resnet_6"), draft, path, noise=True)
    assert read_card(path).noise  # the old file is still there


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_weights_that_do_not_fit(tmp_path, value):
    model = network("unet_32")
    kernel = model.get_layer("up1_conv").kernel
    kernel.assign(np.full(kernel.shape, value))
    with pytest.raises(ExportError, match="up1_conv"):
        export_generator(model, make_card(), tmp_path / "a.onnx", precision="fp16")
    assert not list(tmp_path.iterdir())


def test_layers_and_options_without_a_translation_are_refused(tmp_path):
    inputs = keras.Input((32, 32, 3))
    for layer in (
        keras.layers.AveragePooling2D(2),
        keras.layers.Conv2D(3, 3, activation="relu"),
        keras.layers.Conv2D(3, 3, dilation_rate=2),
        keras.layers.ReLU(max_value=6),
        keras.layers.Activation("sigmoid"),
        keras.layers.UpSampling2D(interpolation="bicubic"),
    ):
        with pytest.raises(ExportError, match=layer.name):
            export_generator(keras.Model(inputs, layer(inputs)), make_card(), tmp_path / "a.onnx")


def test_paddings_croppings_and_scalings_agree(tmp_path):
    """Every option of the plain layers that the graph knows, in one network."""
    inputs = x = keras.Input((32, 32, 3))
    layers = keras.layers
    for layer in (
        layers.ZeroPadding2D(((1, 2), (3, 0))),
        layers.Cropping2D(((0, 3), (1, 2))),
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.Conv2D(4, 5, strides=1, padding="same", use_bias=False),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
        layers.Conv2DTranspose(3, 2, strides=2, padding="valid"),
        layers.Cropping2D(((0, 0), (0, 0))),
    ):
        x = layer(x)
    model = keras.Model(inputs, x)
    export_generator(model, make_card(), tmp_path / "a.onnx", precision="fp32")
    assert parity(model, tmp_path / "a.onnx", images(32)) < 1e-5


def test_drafts_know_the_sizes():
    texts = dict.fromkeys(("title", "training_data", "attribution", "licence", "command"), "x")
    unet = draft_card(TrainConfig(image_size=512, load_size=512), 7, name="a", **texts)
    assert (unet.side_multiple, unet.window, unet.step, unet.image_size) == (256, 512, 7, 512)
    resnet = draft_card(TrainConfig(generator="resnet_9"), 7, name="a", **texts)
    assert (resnet.side_multiple, resnet.window) == (4, 512)
    assert isinstance(resnet, GeneratorCard)
    with pytest.raises(CardError):
        draft_card(TrainConfig(), 7, name="No Good", **texts)
