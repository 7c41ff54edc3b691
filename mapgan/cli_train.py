"""``mapgan train``: from a folder of pictures to checkpoints, with a progress bar or JSON lines."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import click

from mapgan import runlock, stopping
from mapgan.cli_report import Report
from mapgan.config import MODELS, SIDES, ConfigError, TrainConfig, parse_direction
from mapgan.presets import PRESETS, preset


@click.command()
@click.option("--preset", "preset_name", type=click.Choice(list(PRESETS)), help="Where to start from.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="A run's config.toml instead.")
@click.option("--model", type=click.Choice(MODELS), help="What to train.")
@click.option("--direction", metavar="DIR", help="map2sat (BtoA, the default) or sat2map (AtoB).")
@click.option(
    "--data", required=True, type=click.Path(path_type=Path), help="Folder, zip or tar of pictures."
)
@click.option("--out", "run", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--steps", type=int, help="Updates in all.")
@click.option("--checkpoint-every", type=int, help="Steps between checkpoints.")
@click.option("--seed", type=int, help="Fixes weights, order, crops and dropout.")
@click.option("--a-side", type=click.Choice(SIDES), help="The aerial half of a picture. [default: left]")
@click.option("--validation-share", type=float, help="Held out where the data have no val/. [default: 0.05]")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other setting of config.toml."
)
@click.option("--exclude", type=click.Path(path_type=Path), help="File of tiles to hold out, a stem a line.")
@click.option(
    "--split",
    type=click.Path(path_type=Path),
    help="split.json of `mapgan doctor --split` or of another run.",
)
@click.option("--skip-broken", is_flag=True, help="Leave out pictures that cannot be used, and name them.")
@click.option("--resume", is_flag=True, help="Continue from the newest checkpoint.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of an operation [default: all cores].")
@click.option("--events", "as_events", is_flag=True, help="Print JSON lines instead of a progress bar.")
def train(
    *,
    data: Path,
    run: Path,
    exclude: Path | None,
    split: Path | None,
    skip_broken: bool,
    resume: bool,
    threads: int | None,
    as_events: bool,
    **choices: Any,
) -> None:
    """Train a generator on pairs of pictures, or a CycleGAN on two domains without pairs.

    DATA holds pictures with two halves side by side (A, aerial, is the left one; B is the map) in
    train/ or flat, or two folders A/ and B/ with equal names; a zip or tar of these will do. A
    CycleGAN takes the same, and trainA/ and trainB/, draws from A and B apart, and learns both
    directions at once.

    RUN gets config.toml, log.jsonl (every event), checkpoints/, samples/ (fixed tiles as every
    checkpoint draws them), baselines.json and tensorboard/.

    SIGTERM and Ctrl-C save and stop, after the step that is being made; --resume goes on exactly
    where it stopped. A finished run says so; with more --steps it goes on.

    \b
    Examples:
      mapgan train --preset draft --data maps --out runs/a --direction sat2map
      mapgan train --preset draft --data maps --out runs/a --direction sat2map --resume
      mapgan train --data maps --out runs/a --resume --steps 20000
      mapgan train --preset draft --model cyclegan --data maps.zip --out runs/cycle
      mapgan train --config runs/a/config.toml --data maps --out runs/b --set generator_width=32

    \b
    Exit codes:
      0  finished, or stopped and saved because a signal asked for it
      1  the data, the run's folder or a checkpoint cannot be used, or something unexpected
      2  wrong options or settings; nothing was read or written
      3  the training diverged (NaN); the last good checkpoint stays
      4  the disk has no room for the unpacked data or a checkpoint; the last good one stays
    """
    config = _configure(run, resume=resume, **choices)
    report = Report(run, as_events=as_events)
    with report, stopping.stop_on_signals(report.stopped) as stop, runlock.held(run):
        report.stop = stop
        from mapgan import datasets, traindata

        stems = datasets.read_stems(exclude) if exclude else []
        opened = traindata.open_training_data(
            config, data, run, exclude=stems, skip_broken=skip_broken, split=split, locked=True
        )
        for problem in opened.problems:
            report.note(f"note: {problem}")
        from mapgan import training

        training.train(
            config,
            opened.dataset,
            run,
            validation=opened.validation,
            resume=resume,
            threads=threads,
            listen=report.listen,
            stop=stop,
            locked=True,
        )


def _configure(
    run: Path,
    *,
    resume: bool,
    preset_name: str | None,
    config_file: Path | None,
    direction: str | None,
    settings: tuple[str, ...],
    **fields: Any,
) -> TrainConfig:
    """The configuration from a preset, a file or the run to resume, with what was asked on top."""
    if preset_name and config_file:
        raise click.UsageError("--preset and --config exclude each other")
    overrides = {name: value for name, value in fields.items() if value is not None}
    try:
        if direction is not None:
            overrides["direction"] = parse_direction(direction)
        overrides |= dict(_parse_setting(text) for text in settings)
        if preset_name:
            return preset(preset_name, **overrides)
        own = run / "config.toml"
        if config_file is None and resume and own.is_file():
            config_file = own
        if config_file is None:
            raise click.UsageError("choose --preset or --config")
        return TrainConfig.from_dict({**TrainConfig.from_toml(config_file).to_dict(), **overrides})
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def _parse_setting(text: str) -> tuple[str, Any]:
    """``name=value``, the value in TOML; a bare word is a string."""
    name, separator, value = text.partition("=")
    if not separator:
        raise ConfigError(f"--set takes NAME=VALUE, not {text!r}")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    return name.strip(), parsed
