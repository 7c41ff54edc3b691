"""What accompanies a run: it writes what it should, changes nothing that is learnt, and harms nobody."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mapgan import callbacks, checkpoints, events, judging
from mapgan.callbacks import Callback, Crew, Exam, Session, samples
from mapgan.callbacks.base import View
from mapgan.callbacks.evaluation import read_metrics
from mapgan.config import TrainConfig
from mapgan.datasets import LoadedPairs, PairedDataset
from mapgan.engine.state import TrainState
from mapgan.pix2pix import Pix2Pix
from mapgan.presets import preset
from mapgan.ranking import kept
from mapgan.stopping import Stop
from mapgan.traindata import Validation
from mapgan.training import train
from mapgan.translating import translator
from mapgan.unpaired import Domain, LoadedDomains, UnpairedDataset

SMALL: dict[str, Any] = {
    "generator": "unet_32", "generator_width": 2, "discriminator_width": 2, "image_size": 32,
    "load_size": 36, "checkpoint_every": 2, "log_every": 1, "samples": 2, "evaluate_tiles": 3, "seed": 5,
}  # fmt: skip
CONFIG = TrainConfig(**SMALL, generator_norm="batch", ema_decay=0.9, steps=4)
CYCLE = preset("draft", model="cyclegan", **SMALL, steps=2, pool_size=2)


def pictures(count: int, side: int, seed: int) -> np.ndarray:
    """Random ones."""
    return np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def dataset() -> PairedDataset:
    """Five random pairs, from maps to aerial."""
    pairs = LoadedPairs(list("abcde"), pictures(5, 36, 0), pictures(5, 36, 1), [])
    return PairedDataset(pairs, image_size=32, a_to_b=False, flip=True, batch_size=1, seed=5)


def validation(*, paired: bool = True) -> Validation:
    """Four random tiles."""
    return Validation(list("wxyz"), pictures(4, 32, 2), pictures(4, 32, 3), paired=paired, held_out=4)


def files(folder: Path) -> dict[str, bytes]:
    """The contents of all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def curves(run: Path) -> EventAccumulator:
    """TensorBoard's own reader over a run."""
    found = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[events.Event]]:
    """A run of four steps with everything on, batch normalisation and averaged weights."""
    run = tmp_path_factory.mktemp("whole")
    heard: list[events.Event] = []
    train(CONFIG, dataset(), run, validation=validation(), listen=heard.append)
    return run, heard


def test_what_is_heard(whole: tuple[Path, list[events.Event]]) -> None:
    """In the order that mapgan.events promises, without a warning."""
    names = [event.name for event in whole[1]]
    at_checkpoint = ["checkpoint", "sample", "evaluation"]
    assert names == [
        "started", "baselines", "step", "step", *at_checkpoint, "step", "step", *at_checkpoint, "finished"
    ]  # fmt: skip
    started = whole[1][0]
    assert isinstance(started, events.Started)
    assert (started.validation, started.images) == (4, 5)
    assert started.memory_bytes > 0
    assert started.environment["backend"] == "tensorflow"


def test_looking_changes_nothing(tmp_path: Path, whole: tuple[Path, list[events.Event]]) -> None:
    """A run that nobody looks at has the same state, bit for bit: moving averages, random states, all."""
    train(CONFIG, dataset(), tmp_path, beside=[])
    assert not (tmp_path / "samples").exists()
    one, other = checkpoints.find(whole[0]), checkpoints.find(tmp_path)
    assert one.step == other.step == 4
    assert one.arrays_sha256 == other.arrays_sha256


def test_a_tile_with_the_longest_name_is_drawn(tmp_path: Path) -> None:
    """A file's name has 255 bytes."""
    stem, picture = "x" * 251, np.zeros((1, 8, 8, 3), np.uint8)
    view = View("map2sat", "generator", [stem], picture, picture, paired=True)
    samples._write(tmp_path, view, view.sources)
    assert [path.name for path in tmp_path.iterdir()] == [f"{stem}.png"]


def test_samples_are_what_the_checkpoint_draws(whole: tuple[Path, list[events.Event]]) -> None:
    """Averaged weights, one tile at a time, as the generator loaded from the checkpoint draws them."""
    run, heard = whole
    sample = next(event for event in heard if isinstance(event, events.Sample))
    assert sample == events.Sample(
        step=2,
        path=str(run / "samples" / "step-00000002"),
        directions=["map2sat"],
        stems={"map2sat": ["w", "x"]},
    )
    held_out = validation()
    network, _, _ = checkpoints.load_generator(run / "checkpoints" / "step-00000002")
    with translator(network) as translate:
        made = translate(held_out.first[:2])
    for index, stem in enumerate("wx"):
        for kind, expected in (
            ("step-00000002", made),
            ("input", held_out.first),
            ("target", held_out.second),
        ):
            with Image.open(run / "samples" / kind / "map2sat" / f"{stem}.png") as image:
                np.testing.assert_array_equal(np.asarray(image), expected[index])
    assert sorted(path.name for path in (run / "samples").iterdir()) == [
        "input", "step-00000002", "step-00000004", "target"
    ]  # fmt: skip


def test_measures_lie_in_the_checkpoint(whole: tuple[Path, list[events.Event]]) -> None:
    """The same as judging what the checkpoint draws; the baselines beside them."""
    run, heard = whole
    path = checkpoints.find(run).path
    network, _, _ = checkpoints.load_generator(path)
    held_out = validation()
    with translator(network) as translate:
        expected = judging.judge(translate, held_out.first[:3], held_out.second[:3], maps=False)
    found = json.loads((path / "metrics.json").read_text())
    assert (found["step"], found["tiles"], set(found["directions"])) == (4, 3, {"map2sat"})
    assert found["directions"]["map2sat"] == pytest.approx(expected, rel=1e-5)
    told = [event for event in heard if isinstance(event, events.Evaluation)][-1]
    assert told.directions == found["directions"] == read_metrics(path)
    baselines = json.loads((run / "baselines.json").read_text())
    copied = judging.judge(lambda batch: batch, held_out.first[:3], held_out.second[:3], maps=False)
    assert baselines["directions"]["map2sat"]["input_copied"] == pytest.approx(copied, rel=1e-5)
    assert baselines["directions"]["map2sat"]["median_colour"]["sharpness"] == 0.0


def test_tensorboard_reads_it(whole: tuple[Path, list[events.Event]]) -> None:
    """Curves, pictures and histograms, through TensorBoard's own reader."""
    run, heard = whole
    found = curves(run)
    steps = [event for event in heard if isinstance(event, events.Step)]
    for name in ("d_real", "d_fake", "g_gan", "g_l1"):
        points = found.Scalars(f"losses/{name}")
        assert [point.step for point in points] == [1, 2, 3, 4]
        assert [point.value for point in points] == pytest.approx([one.losses[name] for one in steps])
    assert [point.value for point in found.Scalars("run/learning_rate")] == pytest.approx([2e-4] * 4)
    assert {"run/images_per_second", "map2sat/rmse"} <= set(found.Tags()["scalars"])
    picture = found.Images("samples/map2sat")[-1]
    assert (picture.step, picture.width, picture.height) == (4, 3 * 36, 2 * 36)
    for kind in ("real", "made"):
        histogram = found.Histograms(f"discriminator/map2sat/{kind}")[-1]
        # A PatchGAN gives 2 x 2 logits for 32 pixels; two tiles are shown.
        assert (histogram.step, histogram.histogram_value.num) == (4, 8)


def test_resuming_takes_back_later_steps_and_makes_up_for_what_is_missing(
    tmp_path: Path, whole: tuple[Path, list[events.Event]]
) -> None:
    """As after a kill at step 4, before the checkpoint of step 2 was drawn and measured."""
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    paths = checkpoints.steps(run)
    shutil.rmtree(paths[4])
    (paths[2] / "metrics.json").unlink()
    for name in ("step-00000002", "step-00000004"):
        shutil.rmtree(run / "samples" / name)
    heard: list[events.Event] = []
    short = TrainConfig.from_dict({**CONFIG.to_dict(), "steps": 3})
    train(short, dataset(), run, validation=validation(), resume=True, listen=heard.append)
    assert [event.name for event in heard] == [
        "resumed", "started", "sample", "evaluation", "step", "checkpoint", "sample", "evaluation", "finished"
    ]  # fmt: skip
    points = curves(run).Scalars("losses/g_l1")
    assert [point.step for point in points] == [1, 2, 3]  # 4 is void
    assert [point.step for point in curves(run).Images("samples/map2sat")] == [2, 3]
    before, after = files(whole[0] / "samples" / "step-00000002"), files(run / "samples" / "step-00000002")
    assert before == after
    assert (run / "checkpoints/step-00000002/metrics.json").read_bytes() == (
        whole[0] / "checkpoints/step-00000002/metrics.json"
    ).read_bytes()


def test_other_validation_tiles_are_measured_anew(
    tmp_path: Path, whole: tuple[Path, list[events.Event]]
) -> None:
    """As many of the same names, other pixels: nothing old stands beside what is new without a word."""
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    other = Validation(list("wxyz"), pictures(4, 32, 8), pictures(4, 32, 9), paired=True, held_out=4)
    measured = checkpoints.find(run).path / "metrics.json"
    for expected in (
        ["resumed", "started", "warning", "baselines", "evaluation", "finished"],
        ["resumed", "started", "finished"],
    ):
        before = [path.read_bytes() for path in (run / "baselines.json", measured)]
        heard: list[events.Event] = []
        train(CONFIG, dataset(), run, validation=other, resume=True, listen=heard.append)
        assert [event.name for event in heard] == expected
        after = [path.read_bytes() for path in (run / "baselines.json", measured)]
        assert (before == after) == ("baselines" not in expected)
    with Image.open(run / "samples" / "input" / "map2sat" / "w.png") as image:
        np.testing.assert_array_equal(np.asarray(image), other.first[0])


@pytest.mark.parametrize("paired", [True, False])
def test_a_cyclegan_in_both_directions(tmp_path: Path, *, paired: bool) -> None:
    """From A with a_to_b and from B with b_to_a; without pairs only sets are measured."""
    domains = LoadedDomains(
        Domain(list("abc"), pictures(3, 36, 0)), Domain(list("vwxy"), pictures(4, 36, 1)), []
    )
    data = UnpairedDataset(domains, image_size=32, flip=True, batch_size=1, seed=5)
    held_out, heard = validation(paired=paired), list[events.Event]()
    train(CYCLE, data, tmp_path, validation=held_out, listen=heard.append)
    assert not [event for event in heard if isinstance(event, events.Warned)]
    for direction, sources, stems in (
        ("sat2map", held_out.first, ["w", "x"]),
        ("map2sat", held_out.second, ["w", "x"] if paired else ["b1", "b2"]),
    ):
        network, _, _ = checkpoints.load_generator(tmp_path, direction=direction)
        with translator(network) as translate:
            made = translate(sources[:2])
        for index, stem in enumerate(stems):
            with Image.open(tmp_path / "samples/step-00000002" / direction / f"{stem}.png") as image:
                np.testing.assert_array_equal(np.asarray(image), made[index])
        assert (tmp_path / "samples/target" / direction).is_dir() is paired
    found = read_metrics(checkpoints.find(tmp_path).path)
    assert set(found) == {"map2sat", "sat2map"}
    assert "swd" in found["map2sat"]
    assert ("rmse" in found["map2sat"]) is paired
    assert {"discriminator/sat2map/made", "discriminator/sat2map/real"} <= set(
        curves(tmp_path).Tags()["histograms"]
    )


def test_who_asked_for_an_end_does_not_wait_for_pictures(tmp_path: Path) -> None:
    """The state is saved; drawing and measuring it is made up for when the run resumes."""
    train(CONFIG, dataset(), tmp_path, validation=validation(), stop=Stop(lambda: True))
    assert list(checkpoints.steps(tmp_path)) == [1]
    assert not (tmp_path / "samples" / "step-00000001").exists()
    short = TrainConfig.from_dict({**CONFIG.to_dict(), "steps": 1})
    train(short, dataset(), tmp_path, validation=validation(), resume=True)
    assert (tmp_path / "samples" / "step-00000001").is_dir()


class Clumsy(Callback):
    """Fails in all it does."""

    def __init__(self) -> None:
        self.calls = 0

    def hear(self, event: events.Event) -> None:
        """Count and fail."""
        self.calls += 1
        raise OSError(28, "No space left on device")

    def examine(self, exam: Exam) -> None:
        """Fail."""
        raise ValueError("no idea")

    def close(self) -> None:
        """Fail."""
        raise RuntimeError("cannot end")


def test_a_failing_callback_is_heard_and_harms_nobody(tmp_path: Path) -> None:
    """Said once a matter, however often it fails; the training ends as it would have."""
    clumsy, heard = Clumsy(), list[events.Event]()
    assert train(CONFIG, dataset(), tmp_path, listen=heard.append, beside=[clumsy]) == 4
    assert clumsy.calls == len(heard)
    warned = [event.message for event in heard if isinstance(event, events.Warned)]
    assert len(warned) == 3
    assert "Clumsy failed (OSError: [Errno 28] No space left on device); the training goes on" in warned
    assert "no idea" in warned[1]
    assert "cannot end" in warned[2]
    assert checkpoints.find(tmp_path).step == 4


def test_what_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    """Files where TensorBoard and the samples want folders: the real callbacks fail, the run does not."""
    (tmp_path / "tensorboard").write_text("in the way")
    (tmp_path / "samples").write_text("in the way")
    heard: list[events.Event] = []
    assert train(CONFIG, dataset(), tmp_path, validation=validation(), listen=heard.append) == 4
    warned = " ".join(event.message for event in heard if isinstance(event, events.Warned))
    assert "TensorBoard failed" in warned
    assert "Samples failed" in warned
    assert (checkpoints.find(tmp_path).path / "metrics.json").is_file()


def test_which_checkpoints_stay() -> None:
    """The newest, the best by the library's rule in each direction, and multiples."""

    def config(**fields: int) -> TrainConfig:
        return TrainConfig(generator="unet_32", image_size=32, load_size=32, direction="sat2map", **fields)

    steps = range(10, 80, 10)
    measures = {
        step: {"sat2map": {"palette_miou": miou}}
        for step, miou in zip(steps, (0.1, 0.5, 0.3, 0.4, 0.2, 0.2, 0.1), strict=True)
    }
    assert kept(steps, measures, config(keep_best=1, keep_every=30)) == set(steps)
    assert kept(steps, measures, config(keep_checkpoints=2)) == {60, 70}
    assert kept(steps, measures, config(keep_checkpoints=2, keep_best=2)) == {20, 40, 60, 70}
    assert kept(steps, measures, config(keep_checkpoints=1, keep_every=30)) == {30, 60, 70}
    assert kept(steps, {}, config(keep_checkpoints=1, keep_best=3)) == {70}
    both = TrainConfig.from_dict({**CYCLE.to_dict(), "keep_checkpoints": 1, "keep_best": 1})
    rows = {
        10: {"sat2map": {"palette_miou": 0.9}, "map2sat": {"swd": 9.0}},
        20: {"sat2map": {"palette_miou": 0.1}, "map2sat": {"swd": 1.0}},
        30: {"sat2map": {"palette_miou": 0.2}, "map2sat": {"swd": 5.0}},
        40: {},
    }
    assert kept(rows, rows, both) == {10, 20, 40}


def test_the_newest_stays_and_the_run_resumes(tmp_path: Path) -> None:
    """Whatever was measured; who goes is said."""
    config = TrainConfig.from_dict({**CONFIG.to_dict(), "checkpoint_every": 1, "keep_checkpoints": 1})
    heard: list[events.Event] = []
    train(config, dataset(), tmp_path, listen=heard.append)
    assert list(checkpoints.steps(tmp_path)) == [4]
    assert [event.step for event in heard if isinstance(event, events.Removed)] == [1, 2, 3]
    longer = TrainConfig.from_dict({**config.to_dict(), "steps": 5})
    assert train(longer, dataset(), tmp_path, resume=True) == 5


def test_views_without_tiles() -> None:
    """Nothing to draw, nothing to fail on."""
    empty = Validation([], pictures(0, 32, 0), pictures(0, 32, 0), paired=True, held_out=0)
    state = TrainState(Pix2Pix(CONFIG), CONFIG)
    for held_out in (None, empty):
        said: list[events.Event] = []
        session = Session(Path("nowhere"), CONFIG, state, dataset(), held_out, {}, said.append)
        assert session.views(5) == []
        beside = [one for one in callbacks.standard() if type(one).__name__ != "TensorBoard"]
        with Crew(beside, said.append) as crew:
            crew.start(session, 0)
            crew.examine(session, 2, Path("nowhere/checkpoints/step-00000002"))
        assert said == []
