"""``mapgan export``: from a checkpoint to a generator file, and what such a file is.

Frameworks are imported inside the commands, so ``mapgan --help`` is quick.
"""

from __future__ import annotations

import dataclasses
import json
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mapgan.card import CardError, GeneratorCard, read_card
from mapgan.cli_tell import Progress, explained
from mapgan.cli_translate import bar, translate
from mapgan.config import ConfigError, TrainConfig, parse_direction
from mapgan.onnxfile import OnnxFileError, count_weights
from mapgan.presets import PRESETS, preset

if TYPE_CHECKING:
    from mapgan.onnxgraph import Precision
    from mapgan.scoring.tiles import TileSource

MAX_PARITY = {"fp32": 0.005, "fp16": 0.1, "int8": 1.0}
"""Largest difference from Keras, on the scale [-1, 1], with which a file is written."""
MAX_MEAN_DIFFERENCE = 0.02
"""Largest mean of these differences, 2.5 of 255 levels: what eight bits may cost."""

_PARITY_IMAGES = 2
_PARITY_TILES = 8
_LEVELS = 127.5
"""Levels of 255 in 1 of the scale [-1, 1]."""


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
@click.option(
    "--flat-colours",
    "flat",
    is_flag=True,
    help="Of maps: set what is drawn near to a common colour of the training maps (--evaluate) to it.",
)
@click.option("--description", help="What it does well, in words.")
@click.option("--limits", help="What it does badly, or never saw.")
@click.option("--compute", help="How long it was trained, on what machine.")
@click.option("--command", help="The training command. [default: made from the run's configuration]")
@click.option("--precision", type=click.Choice(["fp16", "fp32", "int8"]), default="fp16", show_default=True)
@click.option("--noise", is_flag=True, help="Keep dropout as noise that `translate --noise SEED` turns on.")
@click.option("--no-ema", is_flag=True, help="Take the last weights even where averaged ones exist.")
@click.option(
    "--evaluate", "data", type=click.Path(path_type=Path, exists=True), help="Score on this data set."
)
@click.option("--tiles", type=click.Path(path_type=Path, exists=True), help="Held-out tiles, a stem a line.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many tiles, evenly spread.")
@click.option("--skip-broken", is_flag=True, help="Leave out pictures that cannot be used.")
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Also write here.")
@click.option("--events", "as_events", is_flag=True, help="Print JSON lines.")
def export(
    *,
    source: Path,
    out: Path,
    direction: str | None,
    precision: Precision,
    noise: bool,
    no_ema: bool,
    flat: bool,
    data: Path | None,
    json_file: Path | None,
    as_events: bool,
    tiles: Path | None,
    limit: int | None,
    skip_broken: bool,
    **texts: str | None,
) -> None:
    """Write the generator of a run or checkpoint SOURCE as one ONNX file with its card inside.

    The file is compared with the network it was made of before it is kept: on noise, or with
    --evaluate on held-out tiles (--tiles, or the set's val split). The card then gets its figures on
    them, beside two baselines: the median colour of the training targets, and the input copied.

    \b
    Examples:
      mapgan export runs/a --out city.onnx --title "City maps to satellite"
      mapgan export runs/a/checkpoints/step-00008000 --out a.onnx --evaluate maps --tiles holdout.tsv
      mapgan export runs/cycle --direction sat2map --out drawn.onnx
    """
    if tiles and not data:
        raise click.UsageError("--tiles needs --evaluate")
    if flat and not data:
        raise click.UsageError("--flat-colours needs --evaluate: the training maps say which colours")
    from mapgan.checkpoints import CheckpointError, load_generator
    from mapgan.datasets import DatasetError
    from mapgan.export import ExportError, export_generator
    from mapgan.inference import InferenceError
    from mapgan.scoring.tiles import open_tiles

    errors = (CheckpointError, CardError, ExportError, InferenceError, DatasetError, OSError)
    progress = Progress(wanted=as_events)
    with explained(*errors, as_events=as_events):
        progress.begin("Loading the checkpoint", 0.0)
        network, config, step = load_generator(source, ema=not no_ema, direction=direction)
        draft = _draft(config, step, out, **texts)
        if flat and draft.direction != "sat2map":
            raise click.UsageError("--flat-colours is for maps: photographs have none")
        trial = out.with_name(f".{out.name}.trial")  # it bears the real name once it has proved itself
        which: dict[str, Any] = {"limit": limit or 0, "a_side": config.a_side, "skip_broken": skip_broken}
        which["pairs"] = config.model == "pix2pix"
        with ExitStack() as stack:
            stack.callback(trial.unlink, missing_ok=True)
            tiles_of = stack.enter_context(open_tiles(data, tiles, on_note=_note, **which)) if data else None
            if flat and tiles_of:
                draft = dataclasses.replace(draft, flat_colours=_colours(tiles_of, config.image_size))
            progress.begin("Exporting", 0.15)
            card = export_generator(network, draft, trial, precision=precision, noise=noise)
            parity, figures = _examined(network, trial, card, progress, tiles_of)
        draft = dataclasses.replace(draft, metrics=figures)
        card = export_generator(network, draft, out, precision=precision, noise=noise)
        if json_file is not None:
            found = {"bytes": out.stat().st_size, "parity": parity, "card": dataclasses.asdict(card)}
            json_file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if not as_events:
        _show(out, card, parity)


def _examined(
    network: Any,
    path: Path,
    card: GeneratorCard,
    progress: Progress,
    source: TileSource | None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """How far a file is from its network, and its figures on held-out tiles if there are data."""
    import numpy as np

    from mapgan.imageio import to_unit
    from mapgan.scoring import score
    from mapgan.scoring.tiles import spread

    progress.begin("Comparing it with the network", 0.3)
    if source is None:
        side = card.image_size
        noise = np.random.default_rng(0).uniform(-1, 1, (_PARITY_IMAGES, side, side, 3)).astype(np.float32)
        return _check_parity(network, path, card, noise, "noise"), {}
    with bar("measuring") as report:
        shown = source.at(card.image_size).sources(card.direction)
        images = to_unit(np.stack(spread(list(shown), _PARITY_TILES)))
        parity = _check_parity(network, path, card, images, source.label)
        told = progress.within("Measuring it", 0.4, 0.95)

        def on_progress(share: float) -> None:
            report(share)
            told(share)

        return parity, score(path, source, on_progress=on_progress)


def _colours(source: TileSource, size: int) -> str:
    """The common colours of the training maps, for a card.

    Raises:
        ExportError: they have none.
    """
    from mapgan.export import ExportError
    from mapgan.flatcolours import common_colours, to_text

    colours = common_colours(source.at(size).known_drawn)
    if not colours:
        raise ExportError("The training maps have no common colours; export without --flat-colours.")
    return to_text(colours)


def _note(text: str) -> None:
    """Something about the tiles, for people."""
    click.echo(f"note: {text}", err=True)


def _show(out: Path, card: GeneratorCard, parity: dict[str, Any]) -> None:
    """What became of it, for people."""
    click.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB, {card.direction}, step {card.step}")
    apart = f"{parity['largest']:.3f} of 255 levels, mean {parity['mean']:.3f}"
    click.echo(f"largest difference from the network: {apart}")
    for name, row in card.metrics.items():
        if name != "held_out":
            shown = ("l1", "rmse", "acc5", "palette_miou", "sharpness_ratio")
            click.echo(
                f"{name:14}" + "".join(f"  {key} {row[key]:.4g}" for key in shown if row.get(key) is not None)
            )


def _draft(config: TrainConfig, step: int, out: Path, **texts: str | None) -> GeneratorCard:
    from mapgan.export import draft_card

    titles = {"map2sat": "Map to satellite", "sat2map": "Satellite to map"}
    defaults = {
        "name": short_name(out.stem) or config.direction,
        "title": f"{titles[config.direction]} ({config.generator}, width {config.generator_width})",
        "command": train_command(config),
    }
    stated = {name: text for name, text in texts.items() if text is not None}
    return draft_card(config, step, **{**defaults, **stated})  # type: ignore[arg-type]


def short_name(text: str) -> str:
    """The nearest name that a card takes; empty when nothing is left of the text."""
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:64]


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


def _check_parity(network: Any, path: Path, card: GeneratorCard, images: Any, label: str) -> dict[str, Any]:
    """How far network and file are apart, in levels of 255; too far: ExportError."""
    from mapgan.export import ExportError, differences

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
    return {
        "largest": round(found.largest * _LEVELS, 4),
        "mean": round(found.mean * _LEVELS, 5),
        "tiles": len(images),
        "list": label,
    }


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
