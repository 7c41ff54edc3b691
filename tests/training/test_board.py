"""TensorBoard's files: brought, again when they grew, forgotten with their run; and the way to it."""

from __future__ import annotations

import io
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from jobs.models import JobState
from mapgan.presets import preset
from tests.pages.helpers import text_of
from tests.training.conftest import Clients, brought
from training_jobs import board
from training_jobs.models import DatasetVersion, TrainingRun
from training_jobs.objects import run_key, save_file
from training_jobs.services.runs import run_delete, run_start

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test's own, looked at whenever it is asked for."""
    settings.TENSORBOARD_DIR = tmp_path / "board"
    settings.TENSORBOARD_SOCKET = tmp_path / "board.sock"
    monkeypatch.setattr(board, "BRING_SECONDS", -1.0)
    return tmp_path / "board"


@pytest.fixture
def run(carol: User, archive: bytes) -> TrainingRun:
    """A run with two event files."""
    version = brought(carol, archive)
    DatasetVersion.objects.filter(pk=version.pk).update(
        state=JobState.SUCCEEDED, archive="a", report="r", summary={"pairs": {"train": 12}}
    )
    version.refresh_from_db()
    made = run_start(by=carol, name="Old town!", dataset_version=version, config=preset("draft"))
    wrote(made, "events.1", b"one")
    wrote(made, "events.2", b"two")
    return made


def wrote(run: TrainingRun, name: str, data: bytes, folder: str = "tensorboard/") -> None:
    """A worker stored this file of the run."""
    key = run_key(run.pk, "events", "mapgan", attempt=1)
    path = Path(board.settings.TENSORBOARD_DIR).parent / "one-file"
    path.write_bytes(data)
    save_file(key, path)
    run.files = {**run.files, f"{folder}{name}": key}
    run.save(update_fields=["files"])


def shown(folder: Path) -> dict[str, bytes]:
    """What TensorBoard sees of a run."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_files_are_brought_and_brought_again_when_they_grew(run: TrainingRun, folders: Path) -> None:
    name = board.board_open(run)
    assert name == f"old-town-{run.pk.hex[:8]}"
    assert shown(folders / name) == {"events.1": b"one", "events.2": b"two"}
    wrote(run, "events.2", b"two and more")
    wrote(run, "events.3", b"three")
    board.board_refresh()
    assert shown(folders / name) == {"events.1": b"one", "events.2": b"two and more", "events.3": b"three"}


@pytest.mark.parametrize("left", ["", "{}", '{"run": 7, "files": {}}', "[]"])
def test_what_a_kill_left_of_a_note_is_no_error(run: TrainingRun, folders: Path, left: str) -> None:
    name = board.board_open(run)
    (folders / name / board.SOURCE).write_text(left)
    board.board_refresh()
    assert not (folders / name).exists()
    assert board.board_open(run) == name
    (folders / name / board.SOURCE).write_text(left)
    assert board.board_open(run) == name
    board.board_refresh()
    assert shown(folders / name) == {"events.1": b"one", "events.2": b"two"}


def test_a_deleted_run_is_forgotten(carol: User, run: TrainingRun, folders: Path) -> None:
    name = board.board_open(run)
    run_delete(run=run, by=carol)
    board.board_refresh()
    assert not (folders / name).exists()


def test_only_the_last_ones_stay(run: TrainingRun, folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "KEPT_RUNS", 2)
    names = []
    for number in range(3):
        clone = TrainingRun.objects.create(
            name=f"Run {number}", dataset_version=run.dataset_version, config=run.config, files=run.files
        )
        names.append(board.board_open(clone))
    assert sorted(path.name for path in folders.iterdir() if path.is_dir()) == sorted(names[1:])


def test_a_name_from_a_row_never_leaves_the_folder(run: TrainingRun, folders: Path) -> None:
    run.name = "../../etc"
    wrote(run, "../../../evil", b"x")
    name = board.board_open(run)
    assert "/" not in name
    assert not (folders.parent / "evil").exists()
    assert (folders / name / "evil").exists()


def test_downloads(run: TrainingRun, clients: Clients) -> None:
    own = f"/training/runs/{run.pk}/"
    answer = clients["carol"].get(f"{own}tensorboard.zip")
    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            "Old-town/events.1": b"one", "Old-town/events.2": b"two",
        }  # fmt: skip
    wrote(run, "log.txt", b"step 1", folder="")
    answer = clients["carol"].get(f"{own}logs/log.txt")
    assert b"".join(answer.streaming_content) == b"step 1"
    assert 'filename="Old-town-log.txt"' in answer["Content-Disposition"]
    assert clients["carol"].get(f"{own}logs/log.jsonl").status_code == 404
    assert clients["carol"].get(f"{own}logs/split.json").status_code == 404
    answer = clients["carol"].get(f"{own}config.toml")
    assert b"generator_width = 20" in answer.content
    assert "Open in TensorBoard" in text_of(clients["carol"].get(own))


def test_a_run_that_wrote_nothing_yet(run: TrainingRun, clients: Clients) -> None:
    TrainingRun.objects.update(files={})
    own = f"/training/runs/{run.pk}/"
    answer = clients["carol"].get(f"{own}tensorboard/")
    assert answer.status_code == 404
    assert "has written nothing for TensorBoard yet" in text_of(answer)
    assert clients["carol"].get(f"{own}tensorboard.zip").status_code == 404
    assert "Open in TensorBoard" not in text_of(clients["carol"].get(own))


def test_it_does_not_answer(run: TrainingRun, clients: Clients, settings: Settings) -> None:
    answer = clients["carol"].get("/training/tensorboard/")
    assert answer.status_code == 503
    assert "TensorBoard does not answer" in text_of(answer)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.TENSORBOARD_URL = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert clients["carol"].get("/training/tensorboard/data/runs").status_code == 503


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked; as careless with its headers as an application may be."""

    def address_string(self) -> str:
        """A Unix socket has none."""
        return "local"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        """Also for POST."""
        length = int(self.headers.get("Content-Length") or 0)
        body = f"{self.command} {self.path}\n{self.headers}\n".encode() + self.rfile.read(length)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "sessionid=stolen")
        self.send_header("Content-Security-Policy", "script-src 'unsafe-eval' 'sha256-AbC+/='")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the name is the base class's


class Server(ThreadingMixIn, UnixStreamServer):
    """On a socket, as the real one."""

    daemon_threads = True


def test_what_is_passed_on_and_what_is_not(run: TrainingRun, clients: Clients, settings: Settings) -> None:
    with Server(str(settings.TENSORBOARD_SOCKET), Echo) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answer = clients["carol"].post(
            "/training/tensorboard/data/plugin/x?run=a&b=%20",
            b"question",
            content_type="application/json",
            headers={"Authorization": "Bearer secret", "X-TensorBoard-Feature-Flags": "{}"},
        )
        server.shutdown()
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith("POST /training/tensorboard/data/plugin/x?run=a&b=%20\n")
    assert text.endswith("question")
    assert "Feature-Flags" in text.title()
    assert "secret" not in text
    assert "Cookie" not in text
    assert not answer.cookies
    policy = answer["Content-Security-Policy"]
    assert "'sha256-AbC+/='" in policy
    assert "unsafe-eval" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "no-store" in answer["Cache-Control"]
