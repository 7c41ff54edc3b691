"""A generator file at work: ONNX Runtime, no training framework.

    generator = Generator(Path("maps.onnx"))
    satellite = generator.translate(rgb)

The result has exactly the input's size. Images that one pass of the network can take are padded by
reflection and cropped back; larger ones go through in overlapping windows (`mapgan.tiling`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from mapgan.card import CardError, GeneratorCard, read_card
from mapgan.imageio import RGB, from_unit, to_unit
from mapgan.onnxfile import OnnxFileError, read_metadata, weights_sha256
from mapgan.tiling import Floats, Pixels, count_windows, pad_to, translate_bands

IMAGE_INPUT = "image"
IMAGE_OUTPUT = "translated"
NOISE_KEY = "mapgan.noise"
"""Metadata of a generator with noise: {input name: [channels, divisor, rate]}. Each such input multiplies
the activations of one dropout, (batch, channels, height / divisor, width / divisor)."""

OVERLAP = 64
"""Pixels that neighbouring windows share, and over which they are blended."""
WHOLE_IMAGE_PIXELS = 640 * 640
"""Largest image that a network without a fixed size takes in one pass: a ResNet-9 of width 64 needs some
1,500 bytes for each pixel."""

OnProgress = Callable[[float], None]


class InferenceError(Exception):
    """A generator file that cannot be used, or a run of it that failed."""


class Generator:
    """A generator file, loaded and verified.

    Attributes:
        card: what the file says of itself.
    """

    def __init__(self, path: Path | str, *, threads: int | None = None) -> None:
        """Loads a generator and checks its weights against its card.

        Args:
            path: an ONNX file made by `mapgan export`.
            threads: CPU threads for one operation; None leaves it to ONNX Runtime (all cores).

        Raises:
            InferenceError: when the file is missing, broken, or not what its card says.
        """
        try:
            data = Path(path).read_bytes()
            self.card: GeneratorCard = read_card(data)
            digest = weights_sha256(io.BytesIO(data))
            metadata = read_metadata(io.BytesIO(data))
        except OSError as error:
            raise InferenceError(f"The generator {path} cannot be read: {error.strerror}.") from error
        except (CardError, OnnxFileError) as error:
            raise InferenceError(f"The generator {path} cannot be used. {error}") from error
        if digest != self.card.weights_sha256:
            raise InferenceError(f"The weights in {path} are not those its card names. Export it again.")
        self._session = _open_session(data, threads)
        self._noise = _read_noise(metadata) if self.card.noise else {}
        self._check_inputs()

    def translate(
        self,
        rgb: RGB,
        *,
        seed: int | None = None,
        on_progress: OnProgress | None = None,
        batch: int = 1,
    ) -> RGB:
        """Translates an image.

        Args:
            rgb: (height, width, 3) uint8.
            seed: turns on the generator's noise and fixes it. None, and any seed where the card says
                that there is no noise, give the one deterministic result.
            on_progress: called with the finished share, 0 to 1, before the first window and after each.
                What it raises passes through and ends the work: that is how a caller cancels.
            batch: windows in one pass; more than one pays on a GPU only.

        Returns:
            (height, width, 3) uint8.

        Raises:
            InferenceError: when the run fails, for lack of memory for example.
            ValueError: when `rgb` is no such array.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
            raise ValueError("an image is an array of (height, width, 3) uint8")
        report = on_progress or (lambda _: None)
        report(0.0)
        predict = _Prediction(self._session, self._noise, seed)
        whole = self._whole_size(rgb.shape[0], rgb.shape[1])
        if whole:
            padded, inner = pad_to(rgb, *whole)
            result = from_unit(predict(padded[None])[0][inner])
            report(1.0)
            return np.ascontiguousarray(result)
        return self._translate_windows(rgb, predict, report, batch)

    def windows(self, height: int, width: int) -> int:
        """How many passes of the network an image of this size takes."""
        if self._whole_size(height, width):
            return 1
        window = self.card.window
        return count_windows(max(height, window), max(width, window), window=window, overlap=self._overlap)

    @property
    def _overlap(self) -> int:
        return min(OVERLAP, self.card.window // 6 * 2)

    def _whole_size(self, height: int, width: int) -> tuple[int, int] | None:
        """The padded size in which one pass takes the image; None when it needs windows.

        Padding goes up to the size of the training images at least: the statistics of the normalisation
        are made for it.
        """
        card = self.card
        sides = [max(card.image_size, side) for side in (height, width)]
        padded_height, padded_width = (-(-side // card.side_multiple) * card.side_multiple for side in sides)
        if height <= card.window and width <= card.window:
            return padded_height, padded_width
        # A U-Net's multiple is its window: its innermost layers know that one size only.
        fixed = card.side_multiple == card.window
        return (
            None
            if fixed or padded_height * padded_width > WHOLE_IMAGE_PIXELS
            else (padded_height, padded_width)
        )

    def _translate_windows(self, rgb: RGB, predict: _Prediction, report: OnProgress, batch: int) -> RGB:
        window, overlap = self.card.window, self._overlap
        padded, inner = pad_to(rgb, window, window)
        total = count_windows(*padded.shape[:2], window=window, overlap=overlap)

        def predict_and_report(windows: Pixels) -> Floats:
            painted = predict(windows)
            report(predict.done / total)
            return painted

        result = np.empty(padded.shape, np.uint8)
        row = 0
        for band in translate_bands(padded, predict_and_report, window=window, overlap=overlap, batch=batch):
            result[row : row + len(band)] = from_unit(band)
            row += len(band)
        return np.ascontiguousarray(result[inner])

    def _check_inputs(self) -> None:
        """The graph's interface, so that a foreign model fails here and not in the middle of a job."""
        inputs = {entry.name for entry in self._session.get_inputs()}
        outputs = [entry.name for entry in self._session.get_outputs()]
        if inputs != {IMAGE_INPUT, *self._noise} or outputs != [IMAGE_OUTPUT]:
            raise InferenceError("The generator file's graph is not one that `mapgan export` writes.")


class _Prediction:
    """The network's passes for one image; counts windows, so that each gets noise of its own."""

    def __init__(self, session: Any, noise: dict[str, tuple[int, int, float]], seed: int | None) -> None:
        self._session = session
        self._noise = noise
        self._seed = seed
        self.done = 0

    def __call__(self, windows: Pixels) -> Floats:
        """(n, height, width, 3) uint8 to float32 in [-1, 1] of the same shape."""
        feeds: dict[str, npt.NDArray[np.float32]] = {IMAGE_INPUT: to_unit(windows)}
        feeds |= self._masks(*windows.shape[:3])
        try:
            (painted,) = self._session.run([IMAGE_OUTPUT], feeds)
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise InferenceError(f"The generator failed: {error}") from error
        if painted.shape != windows.shape:
            raise InferenceError("The generator returned an image of another size.")
        self.done += len(windows)
        result: Floats = painted
        return result

    def _masks(self, count: int, height: int, width: int) -> dict[str, npt.NDArray[np.float32]]:
        """Inverted dropout: 0 with probability `rate`, else 1 / (1 - rate); without a seed one single 1.

        Seeded by the window's number, so that neither threads nor the batch change the result.
        """
        if self._seed is None:
            return {name: np.ones((1, 1, 1, 1), np.float32) for name in self._noise}
        generators = [np.random.default_rng((self._seed, self.done + index)) for index in range(count)]
        return {
            name: np.stack(
                [
                    (rng.random((channels, height // divisor, width // divisor)) >= rate)
                    / np.float32(1 - rate)
                    for rng in generators
                ]
            ).astype(np.float32)
            for name, (channels, divisor, rate) in self._noise.items()
        }


def _open_session(data: bytes, threads: int | None) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    if threads is not None:
        options.intra_op_num_threads = threads
    available = onnxruntime.get_available_providers()
    providers = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in available]
    try:
        return onnxruntime.InferenceSession(data, options, providers=providers)
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise InferenceError(f"The generator file is broken: {error}") from error


def _read_noise(metadata: dict[str, str]) -> dict[str, tuple[int, int, float]]:
    try:
        noise = {
            str(name): (int(channels), int(divisor), float(rate))
            for name, (channels, divisor, rate) in json.loads(metadata[NOISE_KEY]).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InferenceError("The generator file does not say where its noise enters.") from error
    if not all(channels > 0 and divisor > 0 and 0 <= rate < 1 for channels, divisor, rate in noise.values()):
        raise InferenceError("The generator file does not say where its noise enters.")
    return noise
