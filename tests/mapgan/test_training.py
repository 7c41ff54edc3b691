"""The loop: resuming equals never having stopped; whatever goes wrong, the last good state stays."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapgan import checkpoints, events, training
from mapgan.callbacks import Callback, Exam
from mapgan.config import TrainConfig
from mapgan.datasets import LoadedPairs, PairedDataset
from mapgan.runlock import InUseError
from mapgan.stopping import stop_on_signals
from mapgan.training import DivergedError, TrainingError, train
from tests.mapgan.stops import StopAfter

CONFIG = TrainConfig(
    generator="unet_64",
    generator_width=4,
    discriminator_width=4,
    image_size=64,
    load_size=72,
    ema_decay=0.9,
    decay_steps=4,
    steps=8,
    checkpoint_every=3,
    log_every=2,
    seed=5,
)


def dataset(config: TrainConfig = CONFIG, seed: int = 0) -> PairedDataset:
    """Five random pairs."""
    a, b = np.random.default_rng(seed).integers(0, 256, (2, 5, 72, 72, 3), dtype=np.uint8)
    return PairedDataset(
        LoadedPairs(list("abcde"), a, b, []),
        image_size=config.image_size,
        a_to_b=False,
        flip=True,
        batch_size=config.batch_size,
        seed=config.seed,
    )


def changed(**fields: Any) -> TrainConfig:
    """``CONFIG`` with other values."""
    return TrainConfig.from_dict({**CONFIG.to_dict(), **fields})


def everything(run: Path) -> dict[str, np.ndarray]:
    """All arrays of a run's newest checkpoint."""
    return checkpoints.read_arrays(checkpoints.find(run))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[events.Event]]:
    """An uninterrupted run and what it said."""
    run = tmp_path_factory.mktemp("whole")
    heard: list[events.Event] = []
    assert train(CONFIG, dataset(), run, listen=heard.append) == 8
    return run, heard


def test_a_run_says_what_it_does(whole: tuple[Path, list[events.Event]]) -> None:
    """Started, reports, checkpoints at every third step and the last, finished."""
    run, heard = whole
    assert [event.name for event in heard] == [
        "started", "step", "checkpoint", "step", "step", "checkpoint", "step", "checkpoint", "finished"
    ]  # fmt: skip
    assert [event.step for event in heard if isinstance(event, events.Checkpoint)] == [3, 6, 8]
    assert [event.step for event in heard if isinstance(event, events.Step)] == [2, 4, 6, 8]
    started, last = heard[0], heard[-1]
    assert isinstance(started, events.Started)
    assert (started.images, started.step, started.steps) == (5, 0, 8)
    assert started.parameters == sum(checkpoints.find(run).parameters.values())
    assert last == events.Finished(step=8, reason="completed")
    step = heard[1]
    assert isinstance(step, events.Step)
    assert set(step.losses) == {"d_real", "d_fake", "g_gan", "g_l1"}
    assert step.images_per_second > 0
    assert TrainConfig.from_toml(run / "config.toml") == CONFIG


@pytest.mark.parametrize("stop_after", [1, 6])
def test_stopped_and_resumed_equals_uninterrupted(
    tmp_path: Path, whole: tuple[Path, list[events.Event]], stop_after: int
) -> None:
    """Every array of the state, bit for bit: weights, moments, averages, random states."""
    heard: list[events.Event] = []
    assert train(CONFIG, dataset(), tmp_path, stop=StopAfter(stop_after), listen=heard.append) == stop_after
    assert heard[-1] == events.Finished(step=stop_after, reason="stopped")
    heard.clear()
    assert train(CONFIG, dataset(), tmp_path, resume=True, listen=heard.append) == 8
    assert heard[0] == events.Resumed(step=stop_after)
    expected, found = everything(whole[0]), everything(tmp_path)
    assert expected.keys() == found.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert checkpoints.find(tmp_path).weights_sha256 == checkpoints.find(whole[0]).weights_sha256


def test_a_signal_during_a_save_ends_the_run_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No pictures, no further step, no second checkpoint: a large one takes long enough."""
    save = checkpoints.save

    def interrupted(*arguments: Any, **named: Any) -> Path:
        os.kill(os.getpid(), signal.SIGTERM)
        return save(*arguments, **named)

    class Examiner(Callback):
        """Whom nobody may wait for."""

        def examine(self, exam: Exam) -> None:
            """Never called."""
            pytest.fail("a checkpoint was examined after the signal")

    monkeypatch.setattr(checkpoints, "save", interrupted)
    heard: list[events.Event] = []
    with stop_on_signals() as stop:
        assert train(CONFIG, dataset(), tmp_path, stop=stop, listen=heard.append, beside=[Examiner()]) == 3
    assert list(checkpoints.steps(tmp_path)) == [3]
    assert heard[-1] == events.Finished(step=3, reason="stopped")


def test_resuming_a_finished_run_does_nothing(tmp_path: Path, whole: tuple[Path, list[events.Event]]) -> None:
    """No step is made, and the weights stay."""
    run, _ = whole
    before = checkpoints.find(run).arrays_sha256
    heard: list[events.Event] = []
    assert train(CONFIG, dataset(), run, resume=True, listen=heard.append) == 8
    assert [event.name for event in heard] == ["resumed", "started", "finished"]
    assert checkpoints.find(run).arrays_sha256 == before


def test_more_steps_continue_a_finished_run(tmp_path: Path) -> None:
    """As if they had been asked for from the start, where the rate does not fall."""
    lengths = [changed(steps=steps, decay_steps=0, checkpoint_every=2) for steps in (2, 4)]
    for config in lengths:
        train(config, dataset(), tmp_path / "longer", resume=True)
    train(lengths[1], dataset(), tmp_path / "at once")
    one, other = (checkpoints.find(tmp_path / name) for name in ("longer", "at once"))
    assert (one.step, one.arrays_sha256) == (other.step, other.arrays_sha256)


def warnings(heard: list[events.Event]) -> list[str]:
    """What was warned of."""
    return [event.message for event in heard if isinstance(event, events.Warned)]


def test_another_machine_is_said(
    tmp_path: Path, whole: tuple[Path, list[events.Event]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of the framework or another processor computes other last bits."""
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    monkeypatch.setattr(training, "processor", lambda: "Abacus 2")
    monkeypatch.setattr(training.engine.select(), "version", lambda: "tensorflow 9.9")
    heard: list[events.Event] = []
    train(CONFIG, dataset(), run, resume=True, listen=heard.append)
    framework, machine = warnings(heard)
    assert re.fullmatch(
        r"framework was tensorflow \d+\.\d+.* and is now tensorflow 9\.9: .*bit for bit.*", framework
    )
    assert re.fullmatch(r"processor was .+ and is now Abacus 2: .*bit for bit.*", machine)
    assert max(checkpoints.steps(run)) == 8


def test_another_decay_of_steps_already_made_is_said(
    tmp_path: Path, whole: tuple[Path, list[events.Event]]
) -> None:
    """The rate had fallen from the sixth on, which in a run of ten it does later."""
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    heard: list[events.Event] = []
    train(changed(steps=10), dataset(), run, resume=True, listen=heard.append)
    (message,) = warnings(heard)
    assert "run of 8 steps (decay_steps 4) and is now that of one of 10 (4): updates 6 to 8" in message
    for step, path in checkpoints.steps(run).items():
        if step > 3:
            shutil.rmtree(path)
    heard.clear()
    train(changed(steps=9), dataset(), run, resume=True, listen=heard.append)
    assert warnings(heard) == []


def test_resume_without_a_checkpoint_starts_at_zero(
    tmp_path: Path, whole: tuple[Path, list[events.Event]]
) -> None:
    """It says so, and the result is the same."""
    heard: list[events.Event] = []
    train(changed(keep_checkpoints=1), dataset(), tmp_path, resume=True, listen=heard.append)
    assert heard[0] == events.Resumed(step=0)
    assert list(checkpoints.steps(tmp_path)) == [8]
    assert [event.step for event in heard if isinstance(event, events.Removed)] == [3, 6]
    assert checkpoints.find(tmp_path).weights_sha256 == checkpoints.find(whole[0]).weights_sha256


def test_another_seed_is_another_run(tmp_path: Path, whole: tuple[Path, list[events.Event]]) -> None:
    """Equal hashes above mean something only if this one differs."""
    train(changed(seed=6), dataset(changed(seed=6)), tmp_path)
    assert checkpoints.find(tmp_path).weights_sha256 != checkpoints.find(whole[0]).weights_sha256


def test_what_cannot_be_resumed(whole: tuple[Path, list[events.Event]]) -> None:
    """Another configuration, other data, a new run on top of an old one."""
    run, _ = whole
    with pytest.raises(TrainingError, match=r"l1_weight was 100\.0, now 10\.0"):
        train(changed(l1_weight=10.0), dataset(), run, resume=True)
    with pytest.raises(TrainingError, match="training data are not those"):
        train(CONFIG, dataset(seed=1), run, resume=True)
    with pytest.raises(TrainingError, match="already has checkpoints"):
        train(CONFIG, dataset(), run)


def test_a_damaged_checkpoint_is_fatal_and_the_way_out_works(
    tmp_path: Path, whole: tuple[Path, list[events.Event]]
) -> None:
    """Never a silent restart: the message names the one to go back to, and doing what it says does it."""
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    paths = checkpoints.steps(run)
    for step in (8, 6):
        arrays = paths[step] / "arrays.npz"
        arrays.write_bytes(arrays.read_bytes()[:-100])
    with pytest.raises(checkpoints.CheckpointError) as error:
        train(CONFIG, dataset(), run, resume=True)
    assert f"{paths[8]}/arrays.npz is damaged" in str(error.value)
    assert f"is that of step 3: to go on from there, move {paths[8]}" in str(error.value)
    for step in (8, 6):
        paths[step].rename(tmp_path / f"moved-{step}")
    assert train(CONFIG, dataset(), run, resume=True) == 8
    assert checkpoints.find(run).weights_sha256 == checkpoints.find(whole[0]).weights_sha256
    for path in checkpoints.steps(run).values():
        (path / "manifest.json").write_text("{")
    with pytest.raises(checkpoints.CheckpointError, match="No other checkpoint of the run is whole"):
        train(CONFIG, dataset(), run, resume=True)


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    """The lock is held for the whole run and free afterwards."""
    caught: list[str] = []

    def intrude(event: events.Event) -> None:
        if isinstance(event, events.Started):
            with pytest.raises(InUseError, match="another process is training") as error:
                train(CONFIG, dataset(), tmp_path)
            caught.append(str(error.value))

    train(changed(steps=1, decay_steps=0), dataset(), tmp_path, listen=intrude)
    assert len(caught) == 1
    train(changed(steps=1, decay_steps=0), dataset(), tmp_path, resume=True)


def test_nan_ends_the_run_and_keeps_the_last_good_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message has the loss, the step and what is left."""
    real = training.engine.select()

    class Breaking:
        """The real engine, whose fifth update gives NaN."""

        prepare = staticmethod(real.prepare)
        threads = staticmethod(real.threads)
        version = staticmethod(real.version)
        placed = staticmethod(real.placed)

        @staticmethod
        def compile_step(state: Any) -> Any:
            update = real.compile_step(state)
            count = iter(range(1, 100))

            class Broken:
                """The update of the state above."""

                sync = staticmethod(update.sync)

                def __call__(self, *batch: Any) -> Any:
                    losses = update(*batch)
                    return {**losses, "g_l1": float("nan")} if next(count) >= 5 else losses

            return Broken()

    monkeypatch.setattr(training.engine, "select", Breaking)
    heard: list[events.Event] = []
    with pytest.raises(DivergedError, match=r"g_l1 is not a number at step 6; .* of step 3"):
        train(CONFIG, dataset(), tmp_path, listen=heard.append)
    assert checkpoints.find(tmp_path).step == 3
    alarm = heard[-1]
    assert isinstance(alarm, events.Alarm)
    assert (alarm.kind, alarm.step) == ("nan", 6)
