"""Training and measuring what the plan names; what is done already is not done again."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from benchmarks.experiments.plan import Training
from benchmarks.results import ROOT, surroundings

MEASURED = Path(__file__).resolve().parent / "measured.json"
PROGRAMS = Path(sys.executable).parent
USAGE = "processor.json"
EVERY_SECONDS = 5.0
_STORE = threading.Lock()

Record = dict[str, Any]


class ExperimentError(RuntimeError):
    """A training or an evaluation failed; the message has its last words."""


def read() -> dict[str, Record]:
    """What was measured so far, by the training's name."""
    if not MEASURED.is_file():
        return {}
    records: dict[str, Record] = json.loads(MEASURED.read_text(encoding="utf-8"))
    return records


def run_all(
    trainings: list[Training],
    *,
    data: Path,
    out: Path,
    parallel: int,
    threads: int,
    tell: Callable[[str], None],
    anew: bool = False,
) -> None:
    """Train and measure, ``parallel`` at a time; a training that was cut off goes on where it was.

    Raises:
        ExperimentError: one failed, or was stopped; those that were done before stay recorded. Or ``anew`` is
            asked for where a run is already.
    """
    out.mkdir(parents=True, exist_ok=True)
    there = [each.name for each in trainings if (out / each.name).exists()]
    if anew and there:
        raise ExperimentError(f"{out} has {', '.join(there)} already: train anew into an empty folder")

    def one(training: Training) -> None:
        tell(f"{training.name}: training")
        _train(training, data, out, threads)
        record = _measure(training, data, out, threads)
        with _STORE:
            records = {**read(), training.name: record}
            text = json.dumps(dict(sorted(records.items())), indent=1) + "\n"
            MEASURED.write_text(text, encoding="utf-8")
        tell(f"{training.name}: measured")

    with ThreadPoolExecutor(parallel) as pool:
        jobs = [pool.submit(one, training) for training in trainings]
        try:
            for each in jobs:
                each.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for child in psutil.Process().children():
                child.terminate()  # saves, so that the next call goes on from there
            raise


def _train(training: Training, data: Path, out: Path, threads: int) -> None:
    """The training itself, counting the processor's seconds: others may share the machine."""
    folder = out / training.name
    resume = ["--resume"] if folder.is_dir() else []
    command = training.train(str(data), str(out), "--threads", str(threads), *resume)
    with (out / f"{training.name}.log").open("a", encoding="utf-8") as log:
        program = [str(PROGRAMS / command[0]), *command[1:]]
        process = subprocess.Popen(program, cwd=ROOT, stdout=log, stderr=log)
        try:
            _count(process, folder)
        finally:
            process.terminate()  # saves; nothing happens to one that has ended
            code = process.wait()
    if code or not completed(folder):
        raise ExperimentError(f"{training.name} is not complete (exit code {code}); see {folder}.log")


def completed(folder: Path) -> bool:
    """Whether all steps were made: a run that is asked to stop saves and ends without an error, too."""
    lines = (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ends = [event for event in map(json.loads, lines) if event["event"] == "finished"]
    return bool(ends) and ends[-1]["reason"] == "completed"


def _count(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Keep the processor seconds beside the run, those of earlier sittings included."""
    file = folder / USAGE
    earlier = json.loads(file.read_text())["seconds"] if file.is_file() else 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            times = watched.cpu_times()
            if folder.is_dir():
                file.write_text(json.dumps({"seconds": earlier + times.user + times.system}))
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(EVERY_SECONDS)


def _measure(training: Training, data: Path, out: Path, threads: int) -> Record:
    """Its last checkpoint on the held-out tiles, with averaged weights (where it has them) and as trained."""
    folder = out / training.name
    record: Record = {
        "about": surroundings(),
        "train": training.train("DATA", "OUT", "--threads", str(threads)),
        "evaluate": training.evaluate("DATA", "OUT"),
        "processor_seconds": round(json.loads((folder / USAGE).read_text())["seconds"]),
        "measures": {},
    }
    for weights, more in (("averaged", []), ("raw", ["--raw-weights"])):
        file = folder / f"holdout-{weights}.json"
        command = training.evaluate(str(data), str(out), *more, "--json", str(file))
        program = [str(PROGRAMS / command[0]), *command[1:]]
        result = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
        if result.returncode:
            raise ExperimentError(f"{training.name}: {result.stderr.strip()[-1000:]}")
        found = json.loads(file.read_text(encoding="utf-8"))
        record["tiles"] = found["held_out"]["tiles"]
        for direction, entry in found["directions"].items():
            rows = {row["name"] if row["kind"] == "baseline" else "generator": row for row in entry["rows"]}
            record["steps"] = rows["generator"]["step"]
            record["measures"].setdefault(direction, {})[weights] = _figures(rows["generator"])
            for name in ("median_colour", "input_copied"):
                record["measures"][direction][name] = _figures(rows[name])
    return record


def _figures(row: Record) -> Record:
    """The plain numbers and their intervals."""
    values = {name: value for name, value in row["measures"].items() if isinstance(value, int | float)}
    return {"values": values, "intervals": row["intervals"]}
