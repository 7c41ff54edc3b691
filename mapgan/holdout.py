"""Which tiles a run holds out where its data have no ``val/``: decided once, kept in ``run/split.json``.

Tiles that show the same ground stay on one side (:mod:`mapgan.doctor.ground`); whole groups are drawn
by the run's seed. A resumed run reads the file and decides nothing. A split that was made before
(``mapgan doctor --split``) can be given to a run; it then holds whether the data have a ``val/`` or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias

from mapgan import checkpoints
from mapgan.config import TrainConfig
from mapgan.datasets import DatasetError, some
from mapgan.whole import written

FILE: Final = "split.json"
FORMAT: Final = 1
PAIRS: Final = "pairs"
SMALLEST: Final = 5
"""Tiles from which on one is held out even where the share asks for less than one."""

Stems: TypeAlias = dict[str, list[str]]
"""Names of tiles by domain: :data:`PAIRS` alone, or ``A`` and ``B``."""


@dataclass(frozen=True)
class Holdout:
    """A split of the training tiles, and how it was made.

    Attributes:
        train: names of the tiles to learn from, by domain.
        val: names of the tiles held out, by domain; a domain's list may be empty.
        share: of the tiles that was asked for.
        seed: of the draw.
        groups: how many groups of tiles on shared ground were kept together, by domain; None where
            there are too many tiles to compare, and the draw was of single tiles.
        given: made before the run and given to it.
        test: names that are on neither side, kept for a last test.
    """

    train: Stems
    val: Stems
    share: float
    seed: int
    groups: dict[str, int | None]
    given: bool = False
    test: Stems = field(default_factory=dict)

    def side(self, domain: str) -> tuple[list[str], list[str]]:
        """Training and validation tiles of ``A`` or ``B``, which are the same of pairs, or of :data:`PAIRS`.

        Raises:
            DatasetError: pairs of a split whose domains are divided apart.
        """
        name = domain if domain in self.train else PAIRS
        if name not in self.train:
            raise DatasetError(
                "the split divides two domains apart, for a CycleGAN; pairs need a split of pairs"
            )
        return self.train[name], self.val[name]

    def fingerprint(self) -> str:
        """SHA-256 over all names, whichever side they are on: what the split was made for."""
        return _fingerprint({domain: [*self.train[domain], *self.val[domain]] for domain in self.train})


Grouping: TypeAlias = Callable[[str], list[list[int]] | None]
"""Gives for a domain the groups of places in its list that must stay together, or None: not compared."""


def given(run: Path, file: Path | None) -> Holdout | None:
    """The split that a run was given, now or when it began; None where it makes its own.

    Raises:
        DatasetError: it cannot be read, or the run began with another one.
    """
    began = read(run) if checkpoints.latest(run) is not None and (run / FILE).exists() else None
    if file is None:
        return began if began is not None and began.given else None
    made = replace(read_file(file), given=True)
    if checkpoints.latest(run) is not None and (began is None or not began.given or not _within(began, made)):
        raise DatasetError(f"the run in {run} began with another split than {file}; another folder takes it")
    return made


def _within(began: Holdout, made: Holdout) -> bool:
    """Whether a run's split is what it took of this one."""
    return all(
        set(began.side(domain)[side]) <= set(made.side(domain)[side])
        for domain in began.train
        for side in (0, 1)
    )


def _apply(run: Path, stems: Stems, split: Holdout) -> Holdout:
    """The part of a given split that these tiles are; those that it does not name are on neither side."""
    train, val = (
        {domain: _those(names, split.side(domain)[side]) for domain, names in stems.items()}
        for side in (0, 1)
    )
    if not all(train.values()):
        raise DatasetError("the split names none of these tiles to learn from: it was made for other data")
    made = replace(split, train=train, val=val, given=True)
    write(made, run)
    return made


def _those(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    chosen = set(wanted)
    return [name for name in names if name in chosen]


def decide(
    run: Path, stems: Stems, grouping: Grouping, config: TrainConfig, given: Holdout | None = None
) -> Holdout:
    """The split of a run: read from its file, or made and written there.

    Args:
        run: the run's folder, which exists.
        stems: usable tiles by domain, in the order of the data.
        grouping: asked only where a split must be made; it may be slow.
        config: gives the share and the seed.
        given: a split that decides instead, as :func:`given` found it.

    Raises:
        DatasetError: the run has checkpoints and its split does not fit these tiles or settings, or
            cannot be read; or a given one leaves nothing to learn from.
    """
    if given is not None:
        return _apply(run, stems, given)
    if checkpoints.latest(run) is not None and (run / FILE).exists():
        holdout = read(run)
        _check(holdout, stems, config, run)
        return holdout
    # without a checkpoint nothing has been learnt that another split would spoil
    holdout = _make(stems, grouping, config)
    write(holdout, run)
    return holdout


def read(run: Path) -> Holdout:
    """The split of a run.

    Raises:
        DatasetError: there is none, or it cannot be read.
    """
    return read_file(run / FILE)


def read_file(path: Path) -> Holdout:
    """A split, wherever it lies.

    Raises:
        DatasetError: there is none, or it cannot be read.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise DatasetError(f"{path} is of format {values['format']}; this program reads {FORMAT}")
        holdout = Holdout(
            values["train"], values["val"], values["share"], values["seed"], values["groups"],
            given=values.get("given", False), test=values.get("test", {}),
        )  # fmt: skip
        fits = holdout.fingerprint() == values["fingerprint"]
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} is damaged: {error}") from error
    if not fits:
        raise DatasetError(f"{path} was changed after it was written: its fingerprint does not fit")
    return holdout


def forget(run: Path) -> None:
    """Remove the split of a run that has learnt nothing yet and needs none."""
    if checkpoints.latest(run) is None:
        (run / FILE).unlink(missing_ok=True)


def _make(stems: Stems, grouping: Grouping, config: TrainConfig) -> Holdout:
    """Draw the groups of each domain."""
    from mapgan.doctor.splitting import make_split

    train: Stems = {}
    val: Stems = {}
    groups: dict[str, int | None] = {}
    for domain, names in stems.items():
        wanted = round(config.validation_share * len(names))
        if config.validation_share and len(names) >= SMALLEST:
            wanted = max(wanted, 1)
        train[domain], val[domain], groups[domain] = list(names), [], 0
        if wanted:
            places = grouping(domain)
            units = [[names[place] for place in group] for group in places or []]
            split = make_split(names, units, fraction=wanted / len(names), seed=config.seed)
            train[domain], val[domain] = split.train, split.val
            groups[domain] = None if places is None else len(units)
    return Holdout(train, val, config.validation_share, config.seed, groups)


def _check(holdout: Holdout, stems: Stems, config: TrainConfig, run: Path) -> None:
    """The split is of these tiles and of this configuration."""
    if (holdout.share, holdout.seed) != (config.validation_share, config.seed):
        raise DatasetError(
            f"{run / FILE} was made with validation_share {holdout.share:g} and seed {holdout.seed}; "
            f"the run now has {config.validation_share:g} and {config.seed}"
        )
    if holdout.fingerprint() == _fingerprint(stems):
        return
    for domain, names in stems.items():
        known = {*holdout.train.get(domain, []), *holdout.val.get(domain, [])}
        new, gone = set(names) - known, known - set(names)
        if new or gone:
            parts = [f"new: {some(new)}"] * bool(new) + [f"gone: {some(gone)}"] * bool(gone)
            raise DatasetError(
                f"the tiles are not those of {run / FILE} ({'; '.join(parts)}): a run goes on with the "
                "data, --exclude and --skip-broken it began with; other data need another folder"
            )
    raise DatasetError(f"the data are of another layout than those of {run / FILE}")


def _fingerprint(stems: Mapping[str, Sequence[str]]) -> str:
    """SHA-256 over the names of each domain, in any order."""
    listed = {domain: sorted(names) for domain, names in stems.items()}
    return sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


def write(holdout: Holdout, run: Path) -> None:
    """Write the file so that a reader, or a machine that lost its power, never has half of it."""
    values: dict[str, Any] = {
        "format": FORMAT,
        "made": "whole groups of tiles on shared ground, drawn by the seed until the share is reached",
        "share": holdout.share,
        "seed": holdout.seed,
        "groups": holdout.groups,
        "fingerprint": holdout.fingerprint(),
        "val": holdout.val,
        "train": holdout.train,
    }
    if holdout.given:
        values |= {"given": True, "test": holdout.test}
    with written(run / FILE) as file:
        file.write(json.dumps(values, indent=1).encode())
