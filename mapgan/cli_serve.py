"""``mapgan export``: from a checkpoint to a generator file, and what such a file is.

Frameworks are imported inside the commands, so ``mapgan --help`` is quick.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mapgan.card import CardError, GeneratorCard, read_card
from mapgan.cli_translate import bar, explained, translate
from mapgan.config import ConfigError, TrainConfig, parse_direction
from mapgan.onnxfile import OnnxFileError, count_weights
from mapgan.presets import PRESETS, preset

if TYPE_CHECKING:
    from mapgan.export import Difference
    from mapgan.onnxgraph import Precision

MAX_PARITY = {"fp32": 0.005, "fp16": 0.1, "int8": 1.0}
"""Largest difference from Keras, on the scale [-1, 1], with which a file is written."""
MAX_MEAN_DIFFERENCE = 0.02
"""Largest mean of these differences, 2.5 of 255 levels: what eight bits may cost."""

_PARITY_IMAGES = 2
_PARITY_TILES = 4


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
@click.option("--precision", type=click.Choice(["fp16", "fp32", "int8"]), default="fp16", show_default=True)
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

    with explained(CheckpointError, CardError, ExportError, InferenceError, DatasetError, OSError):
        network, config, step = load_generator(source, ema=not no_ema, direction=direction)
        draft = _draft(config, step, out, **texts)
        trial = out.with_name(f".{out.name}.trial")  # it bears the real name once it has proved itself
        try:
            card = export_generator(network, draft, trial, precision=precision, noise=noise)
            found = _check_parity(network, trial, card, data)
            figures = _measure(trial, data, tiles) if data else {}
        finally:
            trial.unlink(missing_ok=True)
        draft = dataclasses.replace(draft, metrics=figures)
        card = export_generator(network, draft, out, precision=precision, noise=noise)
    click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {card.direction}, step {card.step}")
    apart = f"{found.largest * 127.5:.3f} of 255 levels, mean {found.mean * 127.5:.3f}"
    click.echo(f"largest difference from the network: {apart}")
    for name, row in card.metrics.items():
        if name != "held_out":
            shown = ("l1", "rmse", "acc5", "palette_miou", "sharpness_ratio")
            click.echo(
                f"{name:14}" + "".join(f"  {key} {row[key]:.4g}" for key in shown if row.get(key) is not None)
            )


def _measure(path: Path, data: Path, tiles: Path | None) -> dict[str, Any]:
    """The figures of a generator file, with a progress bar."""
    from mapgan.scoring import score

    with bar("measuring") as report:
        return score(path, data, tiles, on_progress=report)


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


def _check_parity(network: Any, path: Path, card: GeneratorCard, data: Path | None) -> Difference:
    """How far network and file are apart, on tiles of `data` if there are any; too far: ExportError."""
    import numpy as np

    from mapgan.export import ExportError, differences

    side = card.image_size
    images = np.random.default_rng(0).uniform(-1, 1, (_PARITY_IMAGES, side, side, 3)).astype(np.float32)
    if data is not None and data.is_dir():
        images = _tiles(data, side, 1 if card.direction == "map2sat" else 0)
    found = differences(network, path, images)
    for kind, size, limit in (
        ("largest", found.largest, MAX_PARITY[card.precision]),
        ("mean", found.mean, MAX_MEAN_DIFFERENCE),
    ):
        if not size <= limit:
            better = "fp16" if card.precision == "int8" else "fp32"
            raise ExportError(
                f"The file differs from the network by {size:.3f} ({kind} difference; at most {limit} is "
                f"accepted). Try --precision {better}."
            )
    return found


def _tiles(data: Path, side: int, half: int) -> Any:
    """Sources of some pairs, (n, side, side, 3) in [-1, 1]."""
    import numpy as np

    from mapgan.datasets import find_pairs, load_pair
    from mapgan.imageio import to_unit

    pairs = find_pairs(data)[:_PARITY_TILES]
    return to_unit(np.stack([load_pair(pair, side)[half] for pair in pairs]))


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


COMMANDS: list[click.Command] = [export, translate]
