"""How good generators are on tiles they never saw, always beside two baselines on the same tiles.

A flat colour looks good on RMSE and a copied input on structure, so a figure alone says little. The
baselines are the per-channel median colour of the training targets, and the input itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from mapgan import judging, metrics, ranking
from mapgan.checkpoints import CheckpointError
from mapgan.inference import InferenceError
from mapgan.metrics import Inception, Measured, Pictures
from mapgan.scoring.candidates import Candidate, Failure, of_file
from mapgan.scoring.tiles import Tiles, TileSource, spread

__all__ = ["Examples", "Result", "Row", "evaluate", "evaluate_pictures", "plain", "score"]

SAMPLES: Final = 8
"""Tiles of which the pictures are kept for the report."""
CARD_DIGITS: Final = 6
"""Significant digits of the figures on a card; JSON has all."""
RULES: Final = {
    "sat2map": "palette mIoU, then acc<5",
    "map2sat": "KID (random CNN), then SWD, for those whose translations are nearer to their own targets "
    "(PSNR) than other targets are",
    "unpaired": "KID (random CNN), then SWD, then spectrum distance",
}
"""What decides, in words: by direction, or where sources and targets do not belong together."""


@dataclass(frozen=True, eq=False)
class Row:
    """A generator or baseline with its measures.

    Attributes:
        name, kind, series, step: of the candidate; a baseline's kind is ``baseline``.
        size: side of the pictures, in pixels.
        measured: values and intervals.
        samples: its translations of the example tiles.
        rank: 1 is the best; None for baselines.
        guarded: whether it passes the rule's guard.
        path: the checkpoint's folder or the file.
    """

    name: str
    kind: str
    series: str
    step: int | None
    size: int
    measured: Measured
    samples: Pictures
    rank: int | None = None
    guarded: bool = True
    path: Path | None = None


@dataclass(frozen=True, eq=False)
class Examples:
    """The example tiles: names, inputs and targets."""

    stems: list[str]
    sources: Pictures
    targets: Pictures


@dataclass(eq=False)
class Result:
    """All rows of an evaluation by direction, the best first and the baselines last.

    Attributes:
        label: what the tiles are called.
        tiles: how many there are.
        weights: ``averaged`` or ``raw``, as asked for.
        paired: whether sources and targets belong together.
        inception_sha256: of the weights behind FID, if there was one.
        notes: sentences on what somebody may not expect.
        failures: generators that could not be measured.
    """

    label: str
    tiles: int
    weights: str
    paired: bool = True
    rows: dict[str, list[Row]] = field(default_factory=dict)
    examples: dict[str, Examples] = field(default_factory=dict)
    inception_sha256: str | None = None
    notes: list[str] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def best(self, direction: str) -> Row:
        """The first by the rule."""
        return self.rows[direction][0]

    def rule(self, direction: str) -> str:
        """What decides in a direction, in words."""
        return RULES[direction if self.paired else "unpaired"]

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        held_out = {"tiles": self.tiles, "list": self.label, "paired": self.paired}
        values: dict[str, Any] = {
            "held_out": held_out,
            "weights": self.weights,
            "notes": self.notes,
            "failed": [{"name": each.name, "reason": str(each.error)} for each in self.failures],
            "directions": {
                direction: {
                    "rule": self.rule(direction),
                    "best": rows[0].name,
                    "rows": [_row_values(row) for row in rows],
                }
                for direction, rows in self.rows.items()
            },
        }
        if self.inception_sha256:
            values["inception_sha256"] = self.inception_sha256
        return values


def evaluate(
    candidates: Sequence[Candidate],
    source: TileSource,
    *,
    weights: str = "averaged",
    inception: Inception | None = None,
    on_row: Callable[[str, Row], None] = lambda _direction, _row: None,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Result:
    """Measure generators and the two baselines of each direction and size.

    Args:
        candidates: at least one.
        source: the tiles.
        weights: a word for the result.
        inception: for FID.
        on_row: hears every row as it is done; what it raises ends the work.
        on_progress: called with the share of all translations that is done, 0 to 1; the same.

    Raises:
        DatasetError: tiles that cannot be used.
        CheckpointError, InferenceError: none of the generators can be used; fewer are in ``failures``.
    """
    first = source.at(candidates[0].size)
    result = Result(source.label, len(first.stems), weights, first.paired)
    result.inception_sha256 = inception.sha256 if inception else None
    total = sum(len(source.at(each.size).sources(each.direction)) for each in candidates)
    done = _Counter(total, on_progress)
    due = 0
    for direction in dict.fromkeys(candidate.direction for candidate in candidates):
        mine = [candidate for candidate in candidates if candidate.direction == direction]
        rows = []
        for candidate in mine:
            tiles = source.at(candidate.size)
            due += len(tiles.sources(direction))
            try:
                with candidate.opened() as translate:
                    pictures = _translated(translate, tiles.sources(direction), done)
            except (CheckpointError, InferenceError) as error:  # damaged, or removed meanwhile
                result.failures.append(Failure(candidate.name, error))
                done.to(due)
                continue
            rows.append(_row(candidate, tiles, pictures, inception))
            on_row(direction, rows[-1])
        if rows:
            _add(result, direction, rows, source)
    if not result.rows:
        raise result.failures[0].error
    result.notes = source.notes
    return result


def _add(result: Result, direction: str, rows: list[Row], source: TileSource) -> None:
    """The ranking of a direction, with its baselines at every size and its examples."""
    sizes = list(dict.fromkeys(row.size for row in rows))
    result.rows[direction] = _ranked(rows, direction)
    for size in sizes:
        suffix = f" at {size}" if len(sizes) > 1 else ""
        result.rows[direction] += _baselines(source.at(size), direction, suffix)
    result.examples[direction] = _examples(source.at(sizes[0]), direction)


def score(
    generator: Path,
    source: TileSource,
    *,
    on_progress: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """Measures one generator file, for its card.

    Args:
        generator: an ONNX file; its card says the direction and the size.
        source: the tiles; see :func:`mapgan.scoring.tiles.open_tiles`.
        on_progress: called with the finished share, 0 to 1; what it raises ends the work.

    Returns:
        JSON values: `held_out` says what it was measured on; `generator`, `median_colour` and
        `input_copied` have their measures, and the generator its `intervals`.

    Raises:
        DatasetError: when the data or the list cannot be used.
        InferenceError: when the generator fails.
    """
    candidate = of_file(generator)
    result = evaluate([candidate], source, on_progress=on_progress)
    rows = {
        row.name: plain(row.measured.values, digits=CARD_DIGITS) for row in result.rows[candidate.direction]
    }
    own = result.best(candidate.direction)
    return {
        "held_out": {"tiles": result.tiles, "list": result.label},
        "generator": {**rows.pop(own.name), "intervals": plain(own.measured.intervals, digits=CARD_DIGITS)},
        **rows,
    }


class _Counter:
    """Tells how much of ``total`` is done."""

    def __init__(self, total: int, tell: Callable[[float], None]) -> None:
        self._total, self._done, self._tell = total, 0, tell

    def __call__(self) -> None:
        """One more."""
        self.to(self._done + 1)

    def to(self, done: int) -> None:
        """So many in all."""
        self._done = done
        self._tell(done / self._total)


def evaluate_pictures(
    stems: list[str],
    sources: Pictures,
    targets: Pictures,
    made: Pictures,
    *,
    direction: str,
    inception: Inception | None = None,
) -> Result:
    """Measure translations that exist already, e.g. of another program.

    The median colour is that of these targets, for there are no training tiles. ``sources`` may be
    empty; then there is no second baseline.
    """
    maps = direction == "sat2map"
    result = Result("pictures", len(targets), "none")
    result.inception_sha256 = inception.sha256 if inception else None
    flat = np.broadcast_to(metrics.median_colour(targets), targets.shape)
    sets = {"made": ("pictures", made), "median_colour": ("baseline", flat)}
    if len(sources):
        sets["input_copied"] = ("baseline", sources)
    rows = [
        Row(
            name, kind, name, None, targets.shape[1],
            _guarded(metrics.measure(targets, pictures, maps=maps, inception=inception), targets),
            _samples(pictures),
        )
        for name, (kind, pictures) in sets.items()
    ]  # fmt: skip
    result.rows[direction] = [*_ranked(rows[:1], direction), *rows[1:]]
    shown = sources if len(sources) else targets[:0]
    result.examples[direction] = Examples(spread(stems, SAMPLES), _samples(shown), _samples(targets))
    return result


def plain(values: Mapping[str, Any], *, digits: int = 17) -> dict[str, Any]:
    """JSON values: so many significant digits, and None for what is not finite: JSON has no infinity."""
    return {name: _plain(value, digits) for name, value in values.items()}


def _plain(value: Any, digits: int) -> Any:
    if isinstance(value, Mapping):
        return plain(value, digits=digits)
    if isinstance(value, tuple | list):
        return [_plain(part, digits) for part in value]
    if not isinstance(value, float):
        return value
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None


def _row_values(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "series": row.series,
        "step": row.step,
        "size": row.size,
        "rank": row.rank,
        "passes_guard": row.guarded,
        "measures": plain(row.measured.values),
        "intervals": plain(row.measured.intervals),
    }


def _translated(
    translate: Callable[[Pictures], Pictures], sources: Pictures, done: Callable[[], None]
) -> Pictures:
    """One at a time, so that memory does not grow with their number; ``done`` hears of each."""
    made = []
    for picture in sources:
        made.append(translate(picture[None]))
        done()
    return np.concatenate(made)


def _row(candidate: Candidate, tiles: Tiles, made: Pictures, inception: Inception | None) -> Row:
    targets = tiles.targets(candidate.direction)
    maps = candidate.direction == "sat2map"
    measured = metrics.measure(targets, made, maps=maps, paired=tiles.paired, inception=inception)
    measured = _guarded(measured, targets) if tiles.paired else measured
    return Row(
        candidate.name, candidate.kind, candidate.series, candidate.step, candidate.size, measured,
        _samples(made), path=candidate.path,
    )  # fmt: skip


def _guarded(measured: Measured, targets: Pictures) -> Measured:
    """With what the guard compares with."""
    return replace(measured, values=measured.values | judging.guard(targets))


def _baselines(tiles: Tiles, direction: str, suffix: str) -> list[Row]:
    """The median colour and the input; named with their size where there is more than one."""
    rows = []
    sources, targets = tiles.sources(direction), tiles.targets(direction)
    for name, pictures in (("median_colour", tiles.flat(direction)), ("input_copied", sources)):
        measured = metrics.measure(targets, pictures, maps=direction == "sat2map", paired=tiles.paired)
        measured = _guarded(measured, targets) if tiles.paired else measured
        size = sources.shape[1]
        rows.append(Row(name + suffix, "baseline", name, None, size, measured, _samples(pictures)))
    return rows


def _ranked(rows: Iterable[Row], direction: str) -> list[Row]:
    """Best first; the earlier step of two that are equal."""
    maps = direction == "sat2map"
    numbers = [{k: v for k, v in row.measured.values.items() if isinstance(v, float)} for row in rows]
    ordered = sorted(
        zip(rows, numbers, strict=True),
        key=lambda pair: ranking.ranking_key(pair[1], maps=maps),
        reverse=True,
    )
    return [
        replace(row, rank=place, guarded=maps or ranking.passes_guard(values))
        for place, (row, values) in enumerate(ordered, start=1)
    ]


def _examples(tiles: Tiles, direction: str) -> Examples:
    sources, targets = tiles.sources(direction), tiles.targets(direction)
    if not tiles.paired:
        targets = targets[:0]  # those would be of other places
    return Examples(spread(tiles.stems, SAMPLES), _samples(sources), _samples(targets))


def _samples(pictures: Pictures) -> Pictures:
    """The example tiles of a set; of unpaired sets of other length at other places."""
    return pictures[spread(range(len(pictures)), SAMPLES)]
