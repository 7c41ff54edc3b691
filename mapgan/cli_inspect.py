"""``mapgan inspect``: what a run, a checkpoint, a file or a preset is."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click

from mapgan.config import MODELS, TrainConfig
from mapgan.presets import PRESETS, preset


@click.command()
@click.argument("source", required=False, type=click.Path(path_type=Path, exists=True))
@click.option("--preset", "preset_name", type=click.Choice(list(PRESETS)), help="Describe a preset instead.")
@click.option("--model", type=click.Choice(MODELS), help="Of the preset. [default: pix2pix]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(*, source: Path | None, preset_name: str | None, model: str | None, as_json: bool) -> None:
    """Say what SOURCE is: a run's folder, a checkpoint's folder or a generator file.

    Of a run, the newest checkpoint is described: its step, the SHA-256 over all networks' weights,
    the number of trained parameters, the configuration, and the card of the generator it would give.

    \b
    Examples:
      mapgan inspect runs/a --json
      mapgan inspect generators/pix2pix-map2sat.onnx
      mapgan inspect --preset seed --model cyclegan --json
    """
    if (source is None) == (preset_name is None):
        raise click.UsageError("give a run, a checkpoint or a file, or else --preset")
    if model is not None and preset_name is None:
        raise click.UsageError("--model goes with --preset; a run knows its own")
    if preset_name is not None:
        found = _inspect_preset(preset(preset_name, model=model or "pix2pix"))
    elif source is not None and source.is_dir():
        found = _inspect_run(source)
    elif source is not None:
        found = _inspect_file(source)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _print_tree(found)


def _inspect_preset(config: TrainConfig) -> dict[str, Any]:
    """A preset's configuration, its networks' sizes, and how many checkpoints a whole run writes."""
    from mapgan.training import MODELS

    networks = {
        name: _count_trained(network) for name, network in MODELS[config.model](config).networks.items()
    }
    return {
        "kind": "preset",
        "steps": config.steps,
        "checkpoints": math.ceil(config.steps / config.checkpoint_every),
        "parameters": sum(networks.values()),
        "networks": networks,
        "config": config.to_dict(),
    }


def _count_trained(network: Any) -> int:
    """Number of trained weights of a built network."""
    return sum(math.prod(weight.shape) for weight in network.trainable_weights)


def _inspect_run(path: Path) -> dict[str, Any]:
    """The newest checkpoint of a run, or the checkpoint at ``path``; its arrays are not read."""
    from mapgan import checkpoints

    try:
        checkpoint = checkpoints.find(path)
    except checkpoints.CheckpointError as error:
        raise click.ClickException(str(error)) from error
    config = checkpoint.config
    return {
        "kind": "run",
        "step": checkpoint.step,
        "steps": config.steps,
        "weights_sha256": checkpoint.weights_sha256,
        "parameters": sum(checkpoint.parameters.values()),
        "networks": checkpoint.parameters,
        "path": str(checkpoint.path),
        "directions": list(config.directions),
        "config": config.to_dict(),
        "environment": checkpoint.environment,
        "card": {
            "model": config.model,
            "architecture": config.generator,
            "width": config.generator_width,
            "norm": config.generator_norm,
            "upsample": config.upsample,
            "direction": config.direction,
            "image_size": config.image_size,
            "step": checkpoint.step,
            "preset": config.preset,
            "averaged": config.ema_decay > 0,
        },
    }


def _inspect_file(path: Path) -> dict[str, Any]:
    """A generator file's card and hash."""
    from mapgan.card import CardError
    from mapgan.cli_serve import inspect_file

    try:
        return inspect_file(path)
    except CardError as error:
        raise click.ClickException(f"{path}: {error}") from error


def _print_tree(values: dict[str, Any], indent: int = 0) -> None:
    """Nested values as indented lines."""
    for name, value in values.items():
        if isinstance(value, dict):
            click.echo(f"{' ' * indent}{name}:")
            _print_tree(value, indent + 2)
        else:
            click.echo(f"{' ' * indent}{name}: {value}")


COMMANDS: list[click.Command] = [inspect]
