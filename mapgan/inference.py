"""A generator file at work: ONNX Runtime, no training framework.

    generator = Generator(Path("maps.onnx"))
    satellite = generator.translate(rgb)

The result has exactly the input's size. Images that one pass of the network can take are padded by
reflection and cropped back; larger ones go through in overlapping windows (`mapgan.tiling`). An image that
is not in memory goes through `translate_rows`, row by row in and out (`mapgan.streaming` has the files).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from mapgan.card import CardError, GeneratorCard, read_card
from mapgan.flatcolours import flatten, from_text
from mapgan.imageio import RGB, from_unit, to_unit
from mapgan.onnxfile import OnnxFileError, read_metadata, weights_sha256
from mapgan.seams import Floats, Pixels, SeamMeter
from mapgan.tiling import RowSource, count_windows, least_window, pad_to, translate_bands

IMAGE_INPUT = "image"
IMAGE_OUTPUT = "translated"
IMAGE_HEIGHT, IMAGE_WIDTH = "height", "width"
"""Names of the two axes of both, in pixels."""
NOISE_KEY = "mapgan.noise"
"""Metadata of a generator with noise: {input name: [channels, divisor, rate]}. Each such input multiplies
the activations of one dropout, (batch, channels, height / divisor, width / divisor)."""

OVERLAP = 64
"""Pixels that neighbouring windows share, and in which they are joined."""
WHOLE_IMAGE_PIXELS = 640 * 640
"""Largest image that a network without a fixed size takes in one pass: a ResNet-9 of width 64 needs some
1,500 bytes for each pixel."""

OnProgress = Callable[[float], None]


@dataclass(frozen=True)
class Report:
    """What became of one image.

    Attributes:
        height: rows in pixels, of the image and the result.
        width: columns in pixels.
        windows: passes of the network, in windows of `window` pixels that share `overlap` pixels.
        window: side of a window in pixels; 0 when one pass took the whole image.
        overlap: pixels in which neighbouring windows are joined; 0 when there is one.
        seam_score: how visible the borders between windows are, `mapgan.seams.SeamMeter`: 1 when the result
            changes across them as it does anywhere else; None when there are none.
    """

    height: int
    width: int
    windows: int
    window: int
    overlap: int
    seam_score: float | None


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
        self._flat_colours = from_text(self.card.flat_colours)
        # A U-Net's multiple is its window: its innermost layers know that one size only.
        self._fixed = self.card.side_multiple == self.card.window
        self._session = _open_session(data, threads, side=self.card.window if self._fixed else None)
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
        return self.translate_with_report(rgb, seed=seed, on_progress=on_progress, batch=batch)[0]

    def translate_with_report(
        self,
        rgb: RGB,
        *,
        seed: int | None = None,
        on_progress: OnProgress | None = None,
        batch: int = 1,
    ) -> tuple[RGB, Report]:
        """As `translate`, and how it went."""
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or not rgb.size:
            raise ValueError("an image is an array of (height, width, 3) uint8")
        result = np.empty(rgb.shape, np.uint8)
        done = 0

        def write(rows: RGB) -> None:
            nonlocal done
            result[done : done + len(rows)] = rows
            done += len(rows)

        report = self.translate_rows(rgb, write, seed=seed, on_progress=on_progress, batch=batch)
        return result, report

    def translate_rows(
        self,
        image: RGB | RowSource,
        write: Callable[[RGB], None],
        *,
        seed: int | None = None,
        on_progress: OnProgress | None = None,
        batch: int = 1,
    ) -> Report:
        """Translates an image that need not be in memory, nor its result.

        The memory is that of one row of windows, whatever the height.

        Args:
            image: (height, width, 3) uint8, an array or what gives its rows from top to bottom.
            write: takes the result's next rows, (rows, width, 3) uint8.
            seed, on_progress, batch: as in `translate`. What `image` and `write` raise passes through.

        Raises:
            InferenceError: when the run fails.
        """
        report = on_progress or (lambda _: None)
        report(0.0)
        predict = _Prediction(self._session, self._noise, seed)
        height, width = image.shape[:2]
        whole = self._whole_size(height, width)
        if whole:
            padded, inner = pad_to(image[0:height], *whole)
            write(self._flat(from_unit(predict(padded[None])[0][inner])))
            report(1.0)
            return Report(height, width, 1, 0, 0, None)
        return self._translate_windows(image, write, predict, report, batch)

    def windows(self, height: int, width: int) -> int:
        """How many passes of the network an image of this size takes."""
        if self._whole_size(height, width):
            return 1
        window = self._window(height, width)
        return count_windows(max(height, window), max(width, window), window=window, overlap=self._overlap)

    @property
    def _overlap(self) -> int:
        return min(OVERLAP, self.card.window // 6 * 2)

    def _window(self, height: int, width: int) -> int:
        """The side of this image's windows: the card's, or less where less will do."""
        card = self.card
        if self._fixed:
            return card.window
        return least_window(
            (height, width), window=card.window, overlap=self._overlap, multiple=card.side_multiple
        )

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
        return (
            None
            if self._fixed or padded_height * padded_width > WHOLE_IMAGE_PIXELS
            else (padded_height, padded_width)
        )

    def _translate_windows(
        self,
        image: RGB | RowSource,
        write: Callable[[RGB], None],
        predict: _Prediction,
        report: OnProgress,
        batch: int,
    ) -> Report:
        height, width = image.shape[:2]
        window, overlap = self._window(height, width), self._overlap
        total = self.windows(height, width)

        def predict_and_report(windows: Pixels) -> Floats:
            painted = predict(windows)
            report(predict.done / total)
            return painted

        source, (rows, columns) = _padded(image, window)
        meter, row = SeamMeter(), 0
        for band in translate_bands(source, predict_and_report, window=window, overlap=overlap, batch=batch):
            kept = slice(max(rows.start - row, 0), max(rows.stop - row, 0)), columns
            pixels = from_unit(band.pixels[kept])
            meter.add(pixels, band.owners[kept])  # how windows were joined: flat colours are no part of it
            write(self._flat(pixels))
            row += len(band.pixels)
        return Report(height, width, total, window, overlap, meter.score)

    def _flat(self, pixels: RGB) -> RGB:
        """In flat colours if the card has some."""
        return flatten(pixels, self._flat_colours) if self._flat_colours else pixels

    def _check_inputs(self) -> None:
        """The graph's interface, so that a foreign model fails here and not in the middle of a job."""
        inputs = {entry.name for entry in self._session.get_inputs()}
        outputs = [entry.name for entry in self._session.get_outputs()]
        if inputs != {IMAGE_INPUT, *self._noise} or outputs != [IMAGE_OUTPUT]:
            raise InferenceError("The generator file's graph is not one that `mapgan export` writes.")


class _Widened:
    """An image narrower than a window, each row reflected as `pad_to` does it."""

    def __init__(self, image: RGB | RowSource, width: int) -> None:
        self._image = image
        self.shape = (image.shape[0], width, 3)

    def __getitem__(self, rows: slice, /) -> Pixels:
        return pad_to(self._image[rows], 0, self.shape[1])[0]


def _padded(image: RGB | RowSource, window: int) -> tuple[RGB | RowSource, tuple[slice, slice]]:
    """The image with sides of a window at least, and where in it the image is."""
    height, width = image.shape[:2]
    if height < window:
        return pad_to(image[0:height], window, window)
    if width < window:
        before = (window - width) // 2
        return _Widened(image, window), (slice(0, height), slice(before, before + width))
    return image, (slice(0, height), slice(0, width))


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


def _open_session(data: bytes, threads: int | None, *, side: int | None) -> Any:
    """`side`: that of every image, if it is the same for all; ONNX Runtime then fuses what it can."""
    options = onnxruntime.SessionOptions()
    for axis in (IMAGE_HEIGHT, IMAGE_WIDTH) if side else ():
        options.add_free_dimension_override_by_name(axis, side)
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
