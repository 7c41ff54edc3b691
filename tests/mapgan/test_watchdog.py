"""The watchdog: each fault it knows is seen once, healthy runs are left in peace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapgan import checkpoints, events
from mapgan.callbacks import Callback, Exam, Session
from mapgan.callbacks.watchdog import WARM_UP, Watchdog, discriminator_shares, diversity, grid
from mapgan.config import TrainConfig
from mapgan.datasets import find_pairs, load_pair, read_stems, select_pairs
from mapgan.engine.state import TrainState
from mapgan.inference import Generator
from mapgan.pix2pix import Pix2Pix
from mapgan.traindata import Validation
from mapgan.training import DivergedError, train
from tests.mapgan.pairs import REAL_MAPS
from tests.mapgan.test_callbacks import CONFIG as TINY
from tests.mapgan.test_callbacks import dataset, pictures

CONFIG = TrainConfig(
    generator="unet_32", generator_width=2, discriminator_width=2, image_size=32, load_size=32, samples=4
)
GENERATORS = Path(__file__).parents[2] / "generators"


class Watched:
    """A watchdog with a run to watch, and what it said."""

    def __init__(self, **fields: Any) -> None:
        self.said: list[events.Event] = []
        self.config = TrainConfig.from_dict({**CONFIG.to_dict(), **fields})
        self.state = TrainState(Pix2Pix(self.config), self.config)
        # Blocks of one colour a tile: pictures that differ from each other.
        colours = np.linspace(40, 220, 4).astype(np.uint8)[:, None, None, None]
        tiles = np.broadcast_to(colours, (4, 32, 32, 3)) + pictures(4, 32, 0) // 16
        held_out = Validation(list("wxyz"), tiles, tiles, paired=True, held_out=4)
        self.session = Session(
            Path("nowhere"), self.config, self.state, dataset(), held_out, {}, self.said.append
        )
        self.dog = Watchdog()
        self.dog.start(self.session, 0)

    def report(self, step: int, **losses: float) -> list[str]:
        """What it says to a report of the losses."""
        before = len(self.said)
        self.dog.hear(
            events.Step(
                step=step, steps=9_999, epoch=1.0, losses=losses, learning_rate=1e-4, images_per_second=1.0,
                eta=1.0, memory_bytes=1,
            )
        )  # fmt: skip
        return [event.name for event in self.said[before:]]

    def look(self, step: int, made: np.ndarray | None = None) -> list[events.Event]:
        """What it says to a checkpoint; ``made`` stands in for what the generator would draw."""
        before = len(self.said)
        exam = Exam(self.session, step, Path("nowhere"))
        if made is not None:
            (view,) = self.session.views(4)
            exam._made.update(  # what translate would have kept
                {("map2sat", source.tobytes()): one for source, one in zip(view.sources, made, strict=True)}
            )
        self.dog.examine(exam)
        return self.said[before:]


def test_the_discriminator_has_won() -> None:
    """Both terms near zero for long: said once, cleared once it loses again, then said anew."""
    watched = Watched()
    for step in range(50, 5_001, 50):
        expected = ["alarm"] if step == WARM_UP else []
        assert watched.report(step, d_real=0.01, d_fake=0.02, g_gan=6.0) == expected, step
    alarm = watched.said[0]
    assert isinstance(alarm, events.Alarm)
    assert (alarm.kind, alarm.direction, alarm.step) == ("d_won", None, WARM_UP)
    assert "for 500 updates" in alarm.message
    assert "2.9% of the loss of guessing" in alarm.message
    said = [watched.report(5_000 + 50 * number, d_real=0.4, d_fake=0.5) for number in range(1, 12)]
    assert [name for names in said for name in names] == ["alarm_cleared"]
    said = [watched.report(5_550 + 50 * number, d_real=0.0, d_fake=0.0) for number in range(1, 12)]
    assert [name for names in said for name in names] == ["alarm"]


@pytest.mark.parametrize(
    ("losses", "every"),
    [
        ({"d_real": 0.4, "d_fake": 0.4}, 50),  # an even fight
        ({"d_real": 0.001, "d_fake": 0.4}, 50),  # sure of the real ones only
        ({"d_real": 0.06, "d_fake": 0.05}, 50),  # strong, yet the generator still hears of it
        ({"d_real": 0.001, "d_fake": 0.001}, 500),  # too few reports to say so
    ],
)
def test_a_strong_discriminator_has_not_won(losses: dict[str, float], every: int) -> None:
    """Nothing is said."""
    watched = Watched()
    for step in range(every, 4_001, every):
        assert watched.report(step, **losses) == []


def test_a_single_bad_report_changes_nothing() -> None:
    """With batches of one every tenth loss may be anything."""
    watched = Watched()
    for step in range(50, 4_001, 50):
        low = 0.0001 if step % 150 else 0.6
        assert watched.report(step, d_real=0.6 - low, d_fake=low) == []


def test_either_of_two_discriminators() -> None:
    """CycleGAN's are judged apart, against 0.25, the cost of guessing by least squares."""
    reports = [{"d_a": 0.2, "d_b": 0.01, "g_a": 0.0}] * 3
    assert discriminator_shares(reports, 0.25) == pytest.approx([0.8, 0.04])
    assert discriminator_shares([{"d_real": 0.1, "d_fake": 0.2}], 1.0) == [0.2]
    assert discriminator_shares([], 1.0) == []


def test_a_collapsed_generator() -> None:
    """One whose last layer forgot its input draws one picture for all; when it recovers, that is said."""
    watched = Watched()
    last = watched.state.model.networks["generator"].get_layer("up1_conv")
    last.kernel.assign(np.zeros(last.kernel.shape, np.float32))
    assert watched.look(WARM_UP - 1) == []
    (alarm,) = watched.look(WARM_UP)
    assert isinstance(alarm, events.Alarm)
    assert (alarm.kind, alarm.direction, alarm.step) == ("collapse", "map2sat", WARM_UP)
    assert "they differ 0% as much" in alarm.message
    assert watched.look(WARM_UP + 1) == []
    (view,) = watched.session.views(4)
    assert watched.look(2_000, view.sources) == [
        events.AlarmCleared(kind="collapse", direction="map2sat", step=2_000)
    ]


def test_a_checkerboard() -> None:
    """A real transposed convolution whose taps are unequal draws a grid of two pixels."""
    watched = Watched()
    for layer in watched.state.model.networks["generator"].layers:
        if layer.name in ("up1_conv", "down1_conv"):
            kernel = np.zeros(layer.kernel.shape, np.float32)
            kernel[1, 1] = 0.5  # of 4 x 4 taps one in four pixels gets anything
            layer.kernel.assign(kernel)
    said = {event.kind: event for event in watched.look(WARM_UP) if isinstance(event, events.Alarm)}
    alarm = said["checkerboard"]
    assert alarm.direction == "map2sat"
    assert "upsample = resize" in alarm.message
    (view,) = watched.session.views(4)
    cleared = watched.look(2_000, view.sources)
    assert events.AlarmCleared(kind="checkerboard", direction="map2sat", step=2_000) in cleared


def test_the_grid_is_measured() -> None:
    """A planted one has its amplitude; noise, stripes that are no grid, and tiny pictures have none."""
    y, x = np.indices((64, 64))
    noise = np.random.default_rng(0).normal(128, 20, (8, 64, 64, 3))

    def planted(pattern: np.ndarray) -> np.ndarray:
        return np.clip(noise + pattern[None, :, :, None], 0, 255).astype(np.uint8)

    for pattern in ((x + y) % 2, x % 2, y % 2):
        levels, peak = grid(planted(6.0 * pattern - 3.0))
        assert levels == pytest.approx(3.0, abs=0.3)
        assert peak > 100
    levels, peak = grid(planted(6.0 * (x % 4 // 2) - 3.0))
    assert levels == pytest.approx(3 / np.sqrt(2), abs=0.3)
    assert peak > 50
    for quiet in (noise, noise + 40 * (y[None, :, :, None] > 30)):
        levels, peak = grid(np.clip(quiet, 0, 255).astype(np.uint8))
        assert levels < 0.5
        assert peak < 8
    assert grid(pictures(2, 16, 0)) == (0.0, 1.0)


def test_noise_is_no_diversity() -> None:
    """Coarse blocks count: one scene in different grain is one scene."""
    assert diversity(pictures(6, 64, 0)) < 25
    flat = np.stack([np.full((64, 64, 3), level, np.uint8) for level in (0, 100, 200)])
    assert diversity(flat) == pytest.approx(np.std([0, 100, 200]))
    assert diversity(flat[:1]) == 0


@pytest.mark.skipif(not REAL_MAPS.is_dir(), reason="no real tiles at hand")
@pytest.mark.parametrize("direction", ["map2sat", "sat2map"])
def test_good_generators_are_left_in_peace(direction: str) -> None:
    """The bundled ones, on tiles they never saw, are far from every threshold."""
    stems = read_stems(REAL_MAPS / "holdout.tsv")[:6]
    halves = [load_pair(pair, 256) for pair in select_pairs(find_pairs(REAL_MAPS), stems)]
    a, b = (np.stack(side) for side in zip(*halves, strict=True))
    sources, targets = (a, b) if direction == "sat2map" else (b, a)
    generator = Generator(GENERATORS / f"pix2pix-{direction}.onnx")
    made = np.stack([generator.translate(source) for source in sources])
    assert diversity(made) > 0.4 * diversity(targets)
    assert grid(made)[0] < 0.5


class Poison(Callback):
    """Spoils one weight after the second update."""

    def start(self, session: Session, step: int) -> None:
        """Find the weight."""
        self._bias = session.state.model.networks["generator"].get_layer("up1_conv").bias

    def hear(self, event: events.Event) -> None:
        """Do it."""
        if isinstance(event, events.Step) and event.step == 2:
            self._bias.assign(np.full(3, np.nan, np.float32))


def test_a_weight_that_is_no_number_ends_the_run(tmp_path: Path) -> None:
    """Said as an alarm; no checkpoint holds it, and the one before stays."""
    heard: list[events.Event] = []
    config = TrainConfig.from_dict({**TINY.to_dict(), "checkpoint_every": 1})
    with pytest.raises(
        DivergedError, match="not a number at step 2; the last good checkpoint is that of step 1"
    ):
        train(config, dataset(), tmp_path, listen=heard.append, beside=[Poison()])
    assert list(checkpoints.steps(tmp_path)) == [1]
    alarm = heard[-1]
    assert isinstance(alarm, events.Alarm)
    assert (alarm.kind, alarm.step) == ("nan", 2)
    assert "generator/up1_conv/bias is not a number any more at step 2" in alarm.message
