"""What happens beside the updates: the shape of a callback, what it gets to see, and who calls it.

A callback reads everything and changes nothing that is learnt: a run with callbacks has the same
weights, bit for bit, as one without. None of them can end a training: what it raises is said once as
a ``warning`` event, and the training goes on without it until it works again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mapgan import checkpoints, events
from mapgan.config import TrainConfig
from mapgan.engine.state import TrainState
from mapgan.translating import Pictures, translator

if TYPE_CHECKING:
    from mapgan.traindata import Batches, Validation


@dataclass(frozen=True, eq=False)
class View:
    """One direction of a run on the validation tiles.

    Attributes:
        direction: ``map2sat`` or ``sat2map``.
        network: name of the generator.
        stems: names of the tiles.
        sources: uint8 ``(n, s, s, 3)``.
        targets: real pictures of the other domain, the same number.
        paired: whether ``targets[i]`` is what ``sources[i]`` should become.
    """

    direction: str
    network: str
    stems: list[str]
    sources: Pictures
    targets: Pictures
    paired: bool


@dataclass(frozen=True, eq=False)
class Session:
    """A run as its callbacks see it.

    ``environment`` is what the exact bits depend on beside the configuration; ``say`` is heard by
    everybody, the run's listener included.
    """

    run: Path
    config: TrainConfig
    state: TrainState
    dataset: Batches
    validation: Validation | None
    environment: dict[str, Any]
    say: events.Listener

    def views(self, tiles: int) -> list[View]:
        """The first ``tiles`` validation tiles in every direction of the run; none without tiles."""
        held_out = self.validation
        found: list[View] = []
        if held_out is None:
            return found
        for direction in self.config.directions:
            turned = self.config.model == "cyclegan" and direction == "map2sat"
            sources, targets = held_out.first, held_out.second
            if turned:
                sources, targets = targets, sources
            count = min(tiles, len(sources))
            # The pictures of B have names of their own, which nobody kept.
            named = held_out.paired or not turned
            stems = held_out.stems[:count] if named else [f"b{index + 1}" for index in range(count)]
            if count:
                network = self.config.generator_for(direction)
                found.append(
                    View(direction, network, stems, sources[:count], targets[:count], held_out.paired)
                )
        return found

    def averages(self, network: str) -> dict[str, Any] | None:
        """The averaged weights of a generator by their path in it; None when the run keeps none."""
        prefix = f"{network}/"
        below = {
            path.removeprefix(prefix): value
            for path, value in self.state.averages.items()
            if path.startswith(prefix)
        }
        return below or None


@dataclass(frozen=True, eq=False)
class Exam:
    """A checkpoint just saved (or resumed from), and what its generators make of the validation tiles."""

    session: Session
    step: int
    path: Path
    _made: dict[tuple[str, bytes], Pictures] = field(default_factory=dict)

    def translate(self, view: View) -> Callable[[Pictures], Pictures]:
        """The generator of ``view`` with the averaged weights if there are any; draws no tile twice."""
        network = self.session.state.model.networks[view.network]
        averages = self.session.averages(view.network)

        def one(picture: Pictures) -> Pictures:
            key = (view.direction, picture.tobytes())
            if key not in self._made:
                with translator(network, averages) as run:
                    self._made[key] = run(picture[None])[0]
            return self._made[key]

        return lambda pictures: np.stack([one(picture) for picture in pictures])

    def made(self, view: View) -> Pictures:
        """The translations of all tiles of ``view``, uint8 ``(n, s, s, 3)``."""
        return self.translate(view)(view.sources)


class Callback:
    """Somebody who accompanies a run. Every method may be left out.

    Attributes:
        repeatable: whether :meth:`examine` may see a checkpoint again, when a run resumes from it; it
            then does what a process that died in between left undone.
    """

    repeatable = False

    def start(self, session: Session, step: int) -> None:
        """Before the first update; ``step`` updates are done."""

    def hear(self, event: events.Event) -> None:
        """Every event of the run."""

    def examine(self, exam: Exam) -> None:
        """A checkpoint is complete on disk."""

    def close(self) -> None:
        """The run is over, well or badly."""


class Crew:
    """The callbacks of a run as one: each is called in turn, and none can do harm."""

    def __init__(self, callbacks: Sequence[Callback], listen: events.Listener) -> None:
        self._callbacks = callbacks
        self._listen = listen
        self._failed: set[tuple[str, str]] = set()
        self._step = 0

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        self._each("close", lambda callback: callback.close())

    def say(self, event: events.Event) -> None:
        """Tell the run's listener and every callback."""
        self._step = getattr(event, "step", self._step)
        self._listen(event)
        self._each("hear", lambda callback: callback.hear(event))

    def start(self, session: Session, step: int) -> None:
        """Begin; where a run resumes, what was left undone at its checkpoint is done now."""
        self._step = step
        self._each("start", lambda callback: callback.start(session, step))
        path = checkpoints.steps(session.run).get(step)
        if path is not None:
            exam = Exam(session, step, path)
            self._each("examine", lambda one: one.examine(exam) if one.repeatable else None)

    def examine(self, session: Session, step: int, path: Path) -> None:
        """Show a new checkpoint around."""
        exam = Exam(session, step, path)
        self._each("examine", lambda callback: callback.examine(exam))

    def _each(self, what: str, call: Callable[[Callback], None]) -> None:
        """Call all; who fails is named, once until it works again."""
        for callback in self._callbacks:
            key = (type(callback).__name__, what)
            try:
                call(callback)
                self._failed.discard(key)
            except Exception as error:  # noqa: BLE001 - whatever it is, the training is worth more
                if key not in self._failed:
                    self._failed.add(key)
                    text = f"{key[0]} failed ({type(error).__name__}: {error}); the training goes on"
                    self.say(events.Warned(step=self._step, message=text))
