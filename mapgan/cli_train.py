"""``mapgan train``: from a folder of pictures to checkpoints, with a progress bar or JSON lines."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mapgan import events
from mapgan.config import MODELS, ConfigError, TrainConfig, parse_direction
from mapgan.presets import PRESETS, preset

LOG_FILE = "log.jsonl"
EXIT_FAILED = 1


@click.command()
@click.option("--preset", "preset_name", type=click.Choice(list(PRESETS)), help="Where to start from.")
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="A run's config.toml instead.")
@click.option("--model", type=click.Choice(MODELS), help="What to train.")
@click.option("--direction", metavar="DIR", help="map2sat (BtoA, the default) or sat2map (AtoB).")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Folder of pictures.")
@click.option("--out", "run", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--steps", type=int, help="Updates in all.")
@click.option("--checkpoint-every", type=int, help="Steps between checkpoints.")
@click.option("--seed", type=int, help="Fixes weights, order, crops and dropout.")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="Any other setting of config.toml."
)
@click.option("--exclude", type=click.Path(path_type=Path), help="File of tiles to hold out, a stem a line.")
@click.option("--skip-broken", is_flag=True, help="Leave out pictures that cannot be used, and name them.")
@click.option("--resume", is_flag=True, help="Continue from the newest checkpoint.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of an operation [default: all cores].")
@click.option("--events", "as_events", is_flag=True, help="Print JSON lines instead of a progress bar.")
def train(
    *,
    data: Path,
    run: Path,
    exclude: Path | None,
    skip_broken: bool,
    resume: bool,
    threads: int | None,
    as_events: bool,
    **choices: Any,
) -> None:
    """Train a generator on pairs of pictures, or a CycleGAN on two domains without pairs.

    DATA holds pictures with two halves side by side (left A, aerial; right B, map) in train/ or
    flat, or two folders A/ and B/ with equal names. A CycleGAN takes the same, and trainA/ and
    trainB/, draws from A and B apart, and learns both directions at once. SIGTERM and Ctrl-C save
    and stop; --resume goes on exactly where it stopped.

    \b
    Examples:
      mapgan train --preset draft --data maps --out runs/a --direction sat2map
      mapgan train --preset draft --data maps --out runs/a --direction sat2map --resume
      mapgan train --preset draft --model cyclegan --data maps --out runs/cycle
      mapgan train --config runs/a/config.toml --data maps --out runs/b --set generator_width=32
    """
    config = _configure(run, resume=resume, **choices)
    with _reporting(run, as_events=as_events) as listen:
        dataset = _load(config, data, exclude, skip_broken=skip_broken)
        from mapgan import training

        with training.stop_on_signals() as stop:
            training.train(config, dataset, run, resume=resume, threads=threads, listen=listen, stop=stop)


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


def _load(config: TrainConfig, data: Path, exclude: Path | None, *, skip_broken: bool) -> Any:
    """Find, check and decode the training pictures; what is skipped is named on stderr."""
    from mapgan import datasets, unpaired

    stems = datasets.read_stems(exclude) if exclude else []
    cut: dict[str, Any] = {
        "image_size": config.image_size,
        "flip": config.flip,
        "batch_size": config.batch_size,
        "seed": config.seed,
    }
    if config.model == "cyclegan":
        domains = unpaired.load_domains(data, config.load_size, exclude=stems, skip_broken=skip_broken)
        _name(domains.problems)
        return unpaired.UnpairedDataset(domains, **cut)
    pairs = datasets.load_pairs(
        datasets.find_pairs(data, exclude=stems), config.load_size, skip_broken=skip_broken
    )
    _name(pairs.problems)
    return datasets.PairedDataset(pairs, a_to_b=config.direction == "sat2map", **cut)


def _name(problems: list[str]) -> None:
    """Say what was left out, and why."""
    for problem in problems:
        click.echo(f"skipped: {problem}", err=True)


@contextmanager
def _reporting(run: Path, *, as_events: bool) -> Iterator[events.Listener]:
    """Show events on stdout and keep them in the run's log; the end of a bad run is an event, too.

    What a person can mend (data, settings, a full disk) becomes one line on stderr and exit code 1;
    anything else also keeps its traceback.
    """
    from mapgan.checkpoints import CheckpointError
    from mapgan.datasets import DatasetError
    from mapgan.training import TrainingError

    show = _print_line if as_events else _Progress()

    def listen(event: events.Event) -> None:
        if run.is_dir():  # a run that could not start has no folder, and gets none
            with (run / LOG_FILE).open("a", encoding="utf-8") as log:
                log.write(events.to_line(event) + "\n")
        show(event)

    try:
        yield listen
    except (DatasetError, CheckpointError, TrainingError, OSError) as error:
        listen(events.Failed(reason=str(error)))
        sys.exit(EXIT_FAILED)
    except Exception as error:
        listen(events.Failed(reason=f"unexpected {type(error).__name__}: {error}"))
        raise


def _print_line(event: events.Event) -> None:
    """One JSON line, at once."""
    click.echo(events.to_line(event))


class _Progress:
    """A bar with the time left on a terminal, a plain line a report elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, event: events.Event) -> None:
        """Show one event."""
        if isinstance(event, events.Resumed):
            click.echo(
                f"resumed at step {event.step}" if event.step else "no checkpoint yet: starting at step 0"
            )
        elif isinstance(event, events.Started):
            click.echo(f"{event.images} pairs, {event.parameters:,} parameters, {event.steps} steps")
        elif isinstance(event, events.Step):
            self._step(event)
        elif isinstance(event, events.Finished):
            click.echo(f"{event.reason} at step {event.step}")
        elif isinstance(event, events.Failed):
            click.echo(f"mapgan: {event.reason}", err=True)

    def _step(self, event: events.Step) -> None:
        """Move the bar, or print losses and time left."""
        losses = "  ".join(f"{name} {value:.3f}" for name, value in event.losses.items())
        minutes, seconds = divmod(round(event.eta), 60)
        text = (
            f"{event.step}/{event.steps}  {losses}  {event.images_per_second:.1f} img/s"
            f"  left {minutes}:{seconds:02}"
        )
        if sys.stdout.isatty():
            done = int(30 * event.step / event.steps)
            end = "\n" if event.step == event.steps else ""
            click.echo(f"\r[{'#' * done}{'.' * (30 - done)}] {text}\033[K{end}", nl=False)
        else:
            click.echo(text)
