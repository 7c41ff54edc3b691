"""``mapgan export`` and ``mapgan translate``: from a checkpoint to a generator file, and its use.

Frameworks are imported inside the commands, so ``mapgan --help`` is quick.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from PIL import Image

from mapgan.card import CardError, GeneratorCard, read_card
from mapgan.config import ConfigError, TrainConfig, parse_direction
from mapgan.imageio import ImageError, decode, encode_png
from mapgan.onnxfile import OnnxFileError, count_weights
from mapgan.presets import PRESETS, preset

if TYPE_CHECKING:
    from mapgan.inference import Generator
    from mapgan.onnxgraph import Precision

EXIT_SOME_FAILED = 3
"""Of ``translate``: the generator works, but some images could not be translated."""

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"})
MAX_PARITY = {"fp32": 0.005, "fp16": 0.1}
"""Largest difference from Keras, on the scale [-1, 1], with which a file is written."""

_PARITY_IMAGES = 2


def _read_direction(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    """`--direction` by any of its names, as map2sat or sat2map."""
    try:
        return None if text is None else parse_direction(text)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


@click.command()
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The .onnx file.")
@click.option(
    "--direction",
    metavar="DIR",
    callback=_read_direction,
    help="map2sat or sat2map; a CycleGAN has both. [default: the run's]",
)
@click.option("--name", help="Short name: a-z, 0-9, dot, dash, underscore. [default: from --out]")
@click.option("--title", help="What people see. [default: from the direction]")
@click.option("--training-data", default="not stated", show_default=True, help="What it was trained on.")
@click.option("--attribution", default="not stated", show_default=True, help="Whom the data is owed to.")
@click.option("--licence", default="not stated", show_default=True, help="What the file may be used for.")
@click.option("--command", help="The training command. [default: made from the run's configuration]")
@click.option("--precision", type=click.Choice(["fp16", "fp32"]), default="fp16", show_default=True)
@click.option("--noise", is_flag=True, help="Keep dropout as noise that `translate --noise SEED` turns on.")
@click.option("--no-ema", is_flag=True, help="Take the last weights even where averaged ones exist.")
@click.option(
    "--evaluate", "data", type=click.Path(path_type=Path, exists=True), help="Score on this data set."
)
@click.option("--tiles", type=click.Path(path_type=Path, exists=True), help="Held-out tiles, a stem a line.")
def export(
    *,
    source: Path,
    out: Path,
    direction: str | None,
    precision: Precision,
    noise: bool,
    no_ema: bool,
    data: Path | None,
    tiles: Path | None,
    **texts: str | None,
) -> None:
    """Write the generator of a run or checkpoint SOURCE as one ONNX file with its card inside.

    The file is compared with the network it was made of before it is kept. With --evaluate the card
    gets its figures on held-out tiles (--tiles, or the set's val split), beside two baselines: the
    median colour of the training targets, and the input copied.

    \b
    Examples:
      mapgan export runs/a --out city.onnx --title "City maps to satellite"
      mapgan export runs/a/checkpoints/step-00008000 --out a.onnx --evaluate maps --tiles holdout.tsv
      mapgan export runs/cycle --direction sat2map --out drawn.onnx
    """
    if tiles and not data:
        raise click.UsageError("--tiles needs --evaluate")
    from mapgan.checkpoints import CheckpointError, load_generator
    from mapgan.datasets import DatasetError
    from mapgan.export import ExportError, export_generator
    from mapgan.inference import InferenceError

    with _explained(CheckpointError, CardError, ExportError, InferenceError, DatasetError, OSError):
        network, config, step = load_generator(source, ema=not no_ema, direction=direction)
        draft = _draft(config, step, out, **texts)
        trial = out.with_name(f".{out.name}.trial")  # it bears the real name once it has proved itself
        try:
            card = export_generator(network, draft, trial, precision=precision, noise=noise)
            difference = _check_parity(network, trial, card)
            figures = _measure(trial, data, tiles) if data else {}
        finally:
            trial.unlink(missing_ok=True)
        draft = dataclasses.replace(draft, metrics=figures)
        card = export_generator(network, draft, out, precision=precision, noise=noise)
    click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {card.direction}, step {card.step}")
    click.echo(f"largest difference from the network: {difference * 127.5:.3f} of 255 levels")
    for name, row in card.metrics.items():
        if name != "held_out":
            shown = ("l1", "rmse", "acc5", "palette_miou", "sharpness_ratio")
            click.echo(
                f"{name:14}" + "".join(f"  {key} {row[key]:.4g}" for key in shown if row.get(key) is not None)
            )


def _measure(path: Path, data: Path, tiles: Path | None) -> dict[str, Any]:
    """The figures of a generator file, with a progress bar."""
    from mapgan.inference import Generator
    from mapgan.scoring import score

    with _bar("measuring") as report:
        return score(Generator(path), data, tiles, on_progress=report)


def _draft(config: TrainConfig, step: int, out: Path, **texts: str | None) -> GeneratorCard:
    from mapgan.export import draft_card

    titles = {"map2sat": "Map to satellite", "sat2map": "Satellite to map"}
    defaults = {
        "name": out.stem.lower(),
        "title": f"{titles[config.direction]} ({config.generator}, width {config.generator_width})",
        "command": train_command(config),
    }
    stated = {name: text for name, text in texts.items() if text is not None}
    return draft_card(config, step, **{**defaults, **stated})  # type: ignore[arg-type]


def train_command(config: TrainConfig) -> str:
    """The command that repeats a run; DATA and RUN stand for its folders."""
    parts = ["mapgan train"]
    start = TrainConfig()
    if config.preset in PRESETS:
        start = preset(config.preset, model=config.model)
        parts.append(f"--preset {config.preset}")
    parts.append(f"--model {config.model} --direction {config.direction} --data DATA --out RUN")
    parts.append(f"--steps {config.steps} --checkpoint-every {config.checkpoint_every} --seed {config.seed}")
    said = {"preset", "model", "direction", "steps", "checkpoint_every", "seed"}
    usual = start.to_dict()
    changed = {
        key: value for key, value in config.to_dict().items() if key not in said and value != usual[key]
    }
    parts += [f"--set {key}={_toml(value)}" for key, value in changed.items()]
    return " ".join(parts)


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_parity(network: Any, path: Path, card: GeneratorCard) -> float:
    """The largest difference between network and file; one that is too large is an ExportError."""
    import numpy as np

    from mapgan.export import ExportError, parity

    side = card.image_size
    images = np.random.default_rng(0).uniform(-1, 1, (_PARITY_IMAGES, side, side, 3)).astype(np.float32)
    difference = parity(network, path, images)
    if not difference <= MAX_PARITY[card.precision]:
        raise ExportError(
            f"The file differs from the network by {difference:.3f} (at most {MAX_PARITY[card.precision]} "
            "is accepted). Try --precision fp32."
        )
    return difference


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--generator", required=True, type=click.Path(path_type=Path), help="A file of `mapgan export`."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="A folder, or a .png for one image."
)
@click.option(
    "--noise", "seed", type=click.IntRange(min=0), metavar="SEED", help="Dropout noise of this seed."
)
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: all cores]")
@click.option("--max-megapixels", type=click.FloatRange(min=0.001), default=300.0, show_default=True)
def translate(
    *, sources: tuple[Path, ...], generator: Path, out: Path, seed: int | None, threads: int | None,
    max_megapixels: float,
) -> None:  # fmt: skip
    """Translate images: PNG, JPEG, WebP and TIFF in, PNG of exactly the same size out.

    SOURCES are files, or folders that are searched with all their subfolders. Exit code 0: all done;
    1: nothing could be done; 2: wrong use; 3: some images could not be translated (they are named).

    \b
    Examples:
      mapgan translate map.png --generator city.onnx --out satellite.png
      mapgan translate tiles/ --generator city.onnx --out translated/
    """
    jobs = list(_plan(sources, out))
    from mapgan.inference import Generator, InferenceError

    with _explained(InferenceError):
        loaded = Generator(generator, threads=threads)
    if seed is not None and not loaded.card.noise:
        raise click.UsageError(f"{generator} has no noise; export it with --noise to have it.")
    failed, max_pixels = 0, round(max_megapixels * 1e6)
    Image.MAX_IMAGE_PIXELS = max_pixels  # Pillow's own limit, for the process; ours is checked before it
    for source, target in jobs:
        try:
            _translate_one(loaded, source, target, seed, max_pixels)
        except (ImageError, InferenceError, OSError) as error:
            failed += 1
            click.echo(f"{source}: {error}", err=True)
    if failed:
        click.echo(f"{failed} of {len(jobs)} images could not be translated.", err=True)
        sys.exit(EXIT_SOME_FAILED if failed < len(jobs) else 1)


def _plan(sources: tuple[Path, ...], out: Path) -> Iterator[tuple[Path, Path]]:
    """Which file becomes which; wrong combinations are found before any work."""
    single = out.suffix.lower() == ".png" and not out.is_dir()
    if single and (len(sources) != 1 or sources[0].is_dir()):
        raise click.UsageError("--out must be a folder when there is more than one image.")
    taken: dict[Path, Path] = {}
    for source in sources:
        files = sorted(_images_below(source)) if source.is_dir() else [source]
        if not files:
            raise click.UsageError(f"There are no images in {source} ({', '.join(sorted(IMAGE_SUFFIXES))}).")
        for file in files:
            relative = file.relative_to(source) if source.is_dir() else Path(file.name)
            target = out if single else out / relative.with_suffix(".png")
            if target in taken:
                raise click.UsageError(f"{taken[target]} and {file} would both become {target}.")
            if target.resolve() == file.resolve():
                raise click.UsageError(f"{file} would be overwritten. Choose another --out.")
            taken[target] = file
            yield file, target


def _images_below(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())


def _translate_one(
    generator: Generator, source: Path, target: Path, seed: int | None, max_pixels: int
) -> None:
    start = time.perf_counter()
    data = source.read_bytes()
    decoded = decode(data, max_bytes=max(len(data), 1), max_pixels=max_pixels)  # the user's own files
    with _bar(source.name) as report:
        result = generator.translate(decoded.rgb, seed=seed, on_progress=report)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(encode_png(result))
    part.replace(target)
    seconds = time.perf_counter() - start
    click.echo(f"{source} -> {target}  {decoded.width}x{decoded.height}  {seconds:.2f} s")


def inspect_file(path: Path) -> dict[str, Any]:
    """What a generator file is, as JSON values.

    Returns:
        `kind` ("generator"), `bytes`, `step`, `weights_sha256`, `parameters` (the numbers that were
        learnt) and the whole `card`.

    Raises:
        CardError: when it is not a generator file.
    """
    card = read_card(path)
    try:
        with path.open("rb") as stream:
            parameters = count_weights(stream)
    except (OSError, OnnxFileError) as error:
        raise CardError(f"The generator file cannot be read: {error}.") from error
    return {
        "kind": "generator",
        "bytes": path.stat().st_size,
        "step": card.step,
        "weights_sha256": card.weights_sha256,
        "parameters": parameters,
        "card": dataclasses.asdict(card),
    }


@contextmanager
def _explained(*errors: type[Exception]) -> Iterator[None]:
    """Turns errors that have a message for people into that message and exit code 1."""
    try:
        yield
    except errors as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def _bar(label: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on a terminal, nothing elsewhere; yields what takes the finished share."""
    with click.progressbar(length=1000, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield lambda share: bar.update(round(share * 1000) - bar.pos)


COMMANDS: list[click.Command] = [export, translate]
