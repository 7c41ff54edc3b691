"""Early warning in plain words, so that nobody waits a night for a run that was lost in its first hour.

Each alarm is said once and, when its reason is gone, cleared; the clearing thresholds lie apart from the
raising ones, so that an alarm does not flicker. Nothing is judged in the first ``WARM_UP`` updates:
a young generator draws a grey blur with a grid in it, and that means nothing yet.

=============  ======================================================  ===================  =============
alarm          what is looked at                                       raised               cleared
=============  ======================================================  ===================  =============
d_won          median of each of a D's losses over the last reports    below 5 % of what    above 10 %
               (10 at least, that span 500 updates at least)           guessing costs
collapse       how much the outputs differ from tile to tile, as a     below 10 %           above 20 %
               share of how much the targets do
checkerboard   power of the outputs at the frequencies of a 2- or      30 times both, and   15 times, or
               4-pixel grid over that beside it; the same of the       one grey level       half a level
               targets
nan            every reported loss, and all weights at a checkpoint    at once; the loop
                                                                       ends the run
=============  ======================================================  ===================  =============
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt

from mapgan import events
from mapgan.callbacks.base import Callback, Exam, Session
from mapgan.translating import Pictures

WARM_UP: Final = 1_000
WINDOW_REPORTS: Final = 10
WINDOW_UPDATES: Final = 500
GUESSING: Final = {"bce": math.log(2), "lsgan": 0.25}
"""What a discriminator pays that cannot tell real from made, by ``gan_loss``."""
MIN_TILES: Final = 4
MAX_TILES: Final = 16
GRID: Final = 16
"""Tiles are compared by the means of GRID x GRID blocks: noise is no diversity."""
LUMA: Final = np.array([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Threshold:
    """An alarm goes off beyond ``raised`` and is over on the other side of ``cleared``."""

    raised: float
    cleared: float


D_WON: Final = Threshold(0.05, 0.1)
COLLAPSE: Final = Threshold(0.1, 0.2)
GRID_POWER: Final = Threshold(30.0, 15.0)
GRID_LEVELS: Final = Threshold(1.0, 0.5)

MESSAGES: Final = {
    "d_won": (
        "The discriminator has won: for {updates} updates it has told real from made almost without a "
        "mistake ({share:.1%} of the loss of guessing), so the generator learns little from it. If this "
        "lasts, stop; a smaller discriminator_width, a lower learning_rate or diff_augment may help."
    ),
    "collapse": (
        "The generator has collapsed in {direction}: it draws nearly the same picture for every tile (they "
        "differ {share:.0%} as much as the real ones do). It seldom recovers: go back to an earlier "
        "checkpoint, or try more l1_weight, a lower learning_rate or another seed."
    ),
    "checkerboard": (
        "The pictures in {direction} have a checkerboard: a regular grid of {levels:.1f} grey levels, "
        "{share:.0f} times stronger than what surrounds it in the spectrum. Transposed convolutions draw it; "
        "upsample = resize does not."
    ),
    "nan": (
        "{what} is not a number any more at step {step}: the run has blown up and stops here. A lower "
        "learning_rate may help; bfloat16 makes it likelier."
    ),
}


class Watchdog(Callback):
    """Listens to the losses and looks at the drawn tiles."""

    def __init__(self) -> None:
        self._raised: set[tuple[str, str | None]] = set()
        self._reports: deque[events.Step] = deque()

    def start(self, session: Session, step: int) -> None:
        """Take the run."""
        self._session = session
        self._guessing = GUESSING[session.config.gan_loss]

    def hear(self, event: events.Event) -> None:
        """Judge the discriminators' losses at every report."""
        if not isinstance(event, events.Step):
            return
        self._reports.append(event)
        while len(self._reports) > WINDOW_REPORTS and _span(self._reports, first=1) >= WINDOW_UPDATES:
            self._reports.popleft()
        updates = _span(self._reports)
        if event.step < WARM_UP or len(self._reports) < WINDOW_REPORTS or updates < WINDOW_UPDATES:
            return
        share = min(discriminator_shares([one.losses for one in self._reports], self._guessing), default=1.0)
        text = MESSAGES["d_won"].format(updates=updates, share=share)
        self._judge("d_won", None, event.step, text, bad=share < D_WON.raised, good=share > D_WON.cleared)

    def examine(self, exam: Exam) -> None:
        """Judge what the generators draw."""
        config = exam.session.config
        if exam.step < WARM_UP:
            return
        for view in exam.session.views(min(MAX_TILES, max(config.samples, config.evaluate_tiles))):
            if len(view.sources) < MIN_TILES:
                continue
            made, name = exam.made(view), view.direction
            real = diversity(view.targets)
            share = diversity(made) / real if real > 1 else 1.0  # tiles that are all alike say nothing
            text = MESSAGES["collapse"].format(direction=name, share=share)
            bad, good = share < COLLAPSE.raised, share > COLLAPSE.cleared
            self._judge("collapse", name, exam.step, text, bad=bad, good=good)
            levels, peak = grid(made)
            peak /= max(1.0, grid(view.targets)[1])
            text = MESSAGES["checkerboard"].format(direction=name, levels=levels, share=peak)
            bad = peak > GRID_POWER.raised and levels > GRID_LEVELS.raised
            good = peak < GRID_POWER.cleared or levels < GRID_LEVELS.cleared
            self._judge("checkerboard", name, exam.step, text, bad=bad, good=good)

    def _judge(
        self, kind: str, direction: str | None, step: int, message: str, *, bad: bool, good: bool
    ) -> None:
        """Raise or clear one alarm."""
        key = (kind, direction)
        if bad and key not in self._raised:
            self._raised.add(key)
            self._session.say(events.Alarm(kind=kind, direction=direction, step=step, message=message))
        elif good and key in self._raised:
            self._raised.discard(key)
            self._session.say(events.AlarmCleared(kind=kind, direction=direction, step=step))


def discriminator_shares(reports: list[dict[str, float]], guessing: float) -> list[float]:
    """For each discriminator, its losses' greatest median as a share of what guessing costs.

    Pix2Pix has one D with two terms, ``d_real`` and ``d_fake``; both must be low. CycleGAN has
    two, ``d_a`` and ``d_b``, each with one.
    """
    names = [name for name in reports[0] if name.startswith("d_")] if reports else []
    shares = {name: median(report.get(name, math.inf) for report in reports) / guessing for name in names}
    if {"d_real", "d_fake"} <= set(shares):
        return [max(shares.values())]
    return list(shares.values())


def diversity(pictures: Pictures) -> float:
    """Root mean square deviation of the tiles from their mean tile, in grey levels, on coarse blocks.

    Args:
        pictures: uint8 ``(n, s, s, 3)``.
    """
    count, side = pictures.shape[:2]
    step = max(1, side // GRID)
    cut = side // step * step
    blocks = pictures[:, :cut, :cut].reshape(count, cut // step, step, cut // step, step, 3)
    return float(np.sqrt(blocks.mean(axis=(2, 4), dtype=np.float64).var(axis=0).mean()))


def grid(pictures: Pictures) -> tuple[float, float]:
    """The strongest regular grid of 2 or 4 pixels in a set of pictures.

    Their luma's power spectra are averaged. A grid stands at one frequency exactly; what is compared is
    the power there with the median of its neighbours, along both axes (streets that follow the axes raise
    whole lines of the spectrum, so the greater median counts).

    Returns:
        Its amplitude in grey levels, and its power over its neighbours'.
    """
    side = pictures.shape[1] // 4 * 4
    if side < 32:
        return 0.0, 1.0
    luma = pictures[:, :side, :side].astype(np.float64) @ LUMA
    power = np.square(np.abs(np.fft.fft2(luma - luma.mean(axis=(1, 2), keepdims=True)))).mean(axis=0)
    half, quarter = side // 2, side // 4
    places = [(u, v) for u in (0, quarter, half) for v in (0, quarter, half) if (u, v) != (0, 0)]
    return max((_peak(power, u, v) for u, v in places), key=lambda found: found[1])


def _peak(power: npt.NDArray[np.float64], u: int, v: int) -> tuple[float, float]:
    """Amplitude at one frequency, and its power over that of the eight places beside it on either axis."""
    side = len(power)
    beside = np.array([-5, -4, -3, -2, 2, 3, 4, 5])
    around = max(np.median(power[(u + beside) % side, v]), np.median(power[u, (v + beside) % side]))
    amplitude = math.sqrt(max(power[u, v] - around, 0.0)) / side**2
    return amplitude, float(power[u, v] / (around + 1e-9 * side**4))


def _span(reports: deque[events.Step], first: int = 0) -> int:
    """Updates between a report and the last one."""
    return reports[-1].step - reports[first].step
