"""``mapgan translate``: files and folders through a generator file.

Rows come out of the input file, go through the network and into the output file, so that no image is too
large for the memory. ONNX Runtime is imported inside the command.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from PIL import Image

from mapgan.imageio import SUFFIXES, ImageError
from mapgan.pngrows import PngWriter
from mapgan.streaming import open_rows

if TYPE_CHECKING:
    from mapgan.inference import Generator

EXIT_SOME_FAILED = 3
"""Of ``translate``: the generator works, but some images could not be translated."""


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
@click.option("--overwrite", is_flag=True, help="Replace results that exist already.")
@click.option("--skip-existing", is_flag=True, help="Leave out images whose results exist already.")
@click.option("--threads", type=click.IntRange(min=1), help="CPU threads. [default: all cores]")
@click.option("--max-megapixels", type=click.FloatRange(min=0.001), default=300.0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line for each image.")
def translate(
    *, sources: tuple[Path, ...], generator: Path, out: Path, seed: int | None, overwrite: bool,
    skip_existing: bool, threads: int | None, max_megapixels: float, as_json: bool,
) -> None:  # fmt: skip
    """Translate images: PNG, JPEG, WebP and TIFF in, PNG of exactly the same size out.

    SOURCES are files, or folders that are searched with all their subfolders but OUT and hidden ones. What
    is too large for one pass of the network goes through in windows; the seam score then says how visible
    their borders are (1: like any other place). Exit code 0: all done; 1: nothing could be done; 2: wrong
    use; 3: some images could not be translated (they are named).

    \b
    Examples:
      mapgan translate map.png --generator city.onnx --out satellite.png
      mapgan translate tiles/ --generator city.onnx --out translated/ --skip-existing
    """
    if overwrite and skip_existing:
        raise click.UsageError("--overwrite and --skip-existing exclude each other.")
    jobs = _unfinished(list(_plan(sources, out)), overwrite=overwrite, skip=skip_existing)
    from mapgan.inference import Generator, InferenceError

    with explained(InferenceError):
        loaded = Generator(generator, threads=threads)
    if seed is not None and not loaded.card.noise:
        raise click.UsageError(f"{generator} has no noise; export it with --noise to have it.")
    failed, max_pixels = 0, round(max_megapixels * 1e6)
    Image.MAX_IMAGE_PIXELS = max_pixels  # Pillow's own limit, for the process; ours is checked before it
    for source, target in jobs:
        try:
            _show(_translate_one(loaded, source, target, seed, max_pixels), as_json=as_json)
        except (ImageError, InferenceError, OSError, MemoryError) as error:
            failed += 1
            message = str(error) or "There is not enough memory for it."
            click.echo(f"{source}: {message}", err=True)
            if as_json:
                click.echo(json.dumps({"source": str(source), "error": message}))
    if failed:
        click.echo(f"{failed} of {len(jobs)} images could not be translated.", err=True)
        sys.exit(EXIT_SOME_FAILED if failed < len(jobs) else 1)


def _plan(sources: tuple[Path, ...], out: Path) -> Iterator[tuple[Path, Path]]:
    """Which file becomes which; wrong combinations are found before any work."""
    single = out.suffix.lower() == ".png" and not out.is_dir()
    if single and (len(sources) != 1 or sources[0].is_dir()):
        raise click.UsageError("--out must be a folder when there is more than one image.")
    if not single and out.is_file():
        raise click.UsageError(f"--out is a file. Results are PNG: name a folder or a .png, not {out}.")
    taken: dict[Path, Path] = {}
    for source in sources:
        files = sorted(_images_below(source, out)) if source.is_dir() else [source]
        if not files:
            raise click.UsageError(f"There are no images in {source} ({', '.join(sorted(SUFFIXES))}).")
        for file in files:
            relative = file.relative_to(source) if source.is_dir() else Path(file.name)
            target = out if single else out / relative.with_suffix(".png")
            if target in taken:
                raise click.UsageError(f"{taken[target]} and {file} would both become {target}.")
            if target.resolve() == file.resolve():
                raise click.UsageError(f"{file} would be overwritten. Choose another --out.")
            taken[target] = file
            yield file, target


def _unfinished(jobs: list[tuple[Path, Path]], *, overwrite: bool, skip: bool) -> list[tuple[Path, Path]]:
    """The jobs without a result yet; an existing one that was not mentioned is wrong use."""
    done = [target for _, target in jobs if target.exists()]
    if not done or overwrite:
        return jobs
    if not skip:
        more = f" and {len(done) - 1} more exist" if len(done) > 1 else " exists"
        raise click.UsageError(f"{done[0]}{more} already. Use --overwrite, or --skip-existing for the rest.")
    click.echo(f"{len(done)} of {len(jobs)} results exist already.", err=True)
    return [(source, target) for source, target in jobs if not target.exists()]


def _images_below(folder: Path, out: Path) -> Iterator[Path]:
    """All but hidden ones (macOS puts a `._1.jpg` beside 1.jpg) and the results of an earlier run."""
    root, results = folder.resolve(), out.resolve()
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        made = results != root and results in (root / relative).parents
        if path.suffix.lower() in SUFFIXES and not hidden and not made and path.is_file():
            yield path


def _translate_one(
    generator: Generator, source: Path, target: Path, seed: int | None, max_pixels: int
) -> dict[str, Any]:
    """Translates a file; the result has its name only when it is complete. Returns what `--json` prints."""
    start = time.perf_counter()
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with (
            open_rows(source, max_pixels=max_pixels, spool=target.parent) as rows,
            part.open("wb") as stream,
            PngWriter(stream, width=rows.shape[1], height=rows.shape[0]) as png,
            bar(source.name) as progress,
        ):
            report = generator.translate_rows(rows, png.write, seed=seed, on_progress=progress)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    seconds = round(time.perf_counter() - start, 3)
    return {"source": str(source), "target": str(target), **asdict(report), "seconds": seconds}


def _show(done: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(done))
        return
    score = done["seam_score"]
    seams = "" if score is None else f"  {done['windows']} windows, seam score {score:.3f}"
    size = f"{done['width']}x{done['height']}"
    click.echo(f"{done['source']} -> {done['target']}  {size}  {done['seconds']:.2f} s{seams}")


@contextmanager
def explained(*errors: type[Exception]) -> Iterator[None]:
    """Turns errors that have a message for people into that message and exit code 1."""
    try:
        yield
    except errors as error:
        raise click.ClickException(str(error)) from error


@contextmanager
def bar(label: str) -> Iterator[Callable[[float], None]]:
    """A progress bar on a terminal, nothing elsewhere; yields what takes the finished share."""
    with click.progressbar(
        length=1000, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as shown:
        yield lambda share: shown.update(round(share * 1000) - shown.pos)
