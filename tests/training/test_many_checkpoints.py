"""A run with 55 checkpoints of 218 MB: pages never touch the weights, and nothing is left when it goes."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.core.files.storage import storages

from accounts.models import User
from tests.support.live import LiveStack
from tests.training.conftest import Clients, brought
from tests.training.stored import GOOD, a_checkpoint, a_run
from translator.storage import walk

SIZE, COUNT = 218_000_000, 55
FOLDERS = ("runs", "checkpoints")

FILL = """
import secrets
from pathlib import Path
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from accounts.models import User
from mapgan.presets import preset
from training_jobs.models import Checkpoint, Dataset, DatasetVersion, TrainingRun
from training_jobs.objects import checkpoint_key
user = User.objects.get(username="mona")
dataset = Dataset.objects.create(name="Many", created_by=user)
version = DatasetVersion.objects.create(dataset=dataset, number=1, source="folder", state="succeeded",
    archive="a", report="r", summary={"pairs": {"train": 12}})
run = TrainingRun.objects.create(name="Many", dataset_version=version, config=preset("seed").to_dict(),
    created_by=user, state="succeeded", step=109_700)
for step in range(2_000, 112_000, 2_000):
    checkpoint = Checkpoint(run=run, step=step, attempt=1, size_bytes=218_000_000,
        weights_sha256="0" * 64,
        measures={"tiles": 20, "directions": {"map2sat": {"kid_random_cnn": 1 / step}}})
    key = checkpoint_key(checkpoint.pk, "arrays", "npz", attempt=1)
    checkpoint.files = {"arrays.npz": {"key": key, "bytes": 218_000_000, "sha256": "0" * 64}}
    path = Path(settings.MEDIA_ROOT) / key
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(218_000_000)  # its size, and no blocks of the disk
    checkpoint.save(force_insert=True)
session = SessionStore()
session.update({SESSION_KEY: str(user.pk), HASH_SESSION_KEY: user.get_session_auth_hash(),
    BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend"})
session.save()
result = [str(run.pk), str(run.checkpoints.first().pk), session.session_key]
"""


def test_the_web_process_neither_reads_nor_holds_weights(live_stack: LiveStack) -> None:
    token = live_stack.add_user("mona", is_staff=True)
    media = live_stack.var / "media"
    others = files_of(media)  # the stack is everybody's
    run, first, session = live_stack.python(FILL)
    mine = files_of(media) - others
    headers = {"Cookie": f"sessionid={session}", "Authorization": f"Bearer {token}"}

    def ask(path: str, method: str = "GET") -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", live_stack.port, timeout=60)
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    own = f"/training/runs/{run}/"
    ask("/training/runs/")  # warm: templates are compiled
    before = footprint(live_stack)
    status, page = ask(own)
    assert status == 200
    assert page.count('name="checkpoint"') == COUNT
    assert "12.0" in page or "11.2" in page  # gigabytes in all
    for path in (
        f"{own}checkpoints/?sort=map2sat.rank",
        f"{own}status/",
        f"{own}retention/",
        f"{own}checkpoints/delete/?checkpoint={first}",
        f"/training/checkpoints/compare/?checkpoint={first}",
        f"/training/checkpoints/{first}/publish/",
        f"/api/v1/checkpoints/?run={run}&page_size=100",
    ):
        assert ask(path)[0] == 200, path
    read, peak = (after - was for after, was in zip(footprint(live_stack), before, strict=True))
    assert read < SIZE / 4  # bytes of every read of the process, the database's pages included
    assert peak < SIZE / 4
    assert len(mine) == COUNT
    assert mine <= files_of(media)
    assert ask(f"/api/v1/training-runs/{run}/", "DELETE")[0] == 204
    assert not mine & files_of(media)


def footprint(stack: LiveStack) -> tuple[int, int]:
    """Bytes that the web processes have read so far, and the most memory they ever held."""
    parent = psutil.Process(stack.pid("web"))
    read = peak = 0
    for process in (parent, *parent.children(recursive=True)):
        read += process.io_counters().read_chars
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak += 1024 * int(status.partition("VmHWM:")[2].split()[0])
    return read, peak


def files_of(media: Path) -> set[Path]:
    """What is stored of runs and checkpoints."""
    found = (path for folder in FOLDERS for path in (media / folder).rglob("*"))
    return {path for path in found if path.is_file()}


@pytest.mark.parametrize("storage", ["local", "s3"])
@pytest.mark.django_db(transaction=True)
def test_no_weights_are_opened_and_nothing_is_left(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    clients: Clients,
    carol: User,
    archive: bytes,
    storage: str,
) -> None:
    if storage == "s3":
        request.getfixturevalue("s3_bucket")
    run = a_run(carol, brought(carol, archive))
    for number in range(COUNT):
        figures = {**GOOD, "kid_random_cnn": 1 / (number + 1)}
        a_checkpoint(run, 2000 * (number + 1), {"map2sat": figures}, size=SIZE)
    opened = watched(monkeypatch)
    own, first = run.get_absolute_url(), run.checkpoints.order_by("step")[0]
    chosen = f"checkpoint={first.pk}"
    for path in (
        own,
        f"{own}checkpoints/?sort=map2sat.rank",
        f"{own}samples/2000-map2sat/",
        f"/training/checkpoints/{first.pk}/thumbnail/map2sat/",
        f"/training/checkpoints/compare/?{chosen}",
        f"{own}checkpoints/delete/?{chosen}",
        f"/training/checkpoints/{first.pk}/publish/",
    ):
        answer = clients["carol"].get(path)
        assert answer.status_code in (200, 302), path
        answer.close()
    assert not [key for key in opened if key.startswith("checkpoints/")]
    assert len(list(walk("checkpoints"))) == 2 * COUNT
    assert clients["carol"].post(f"{own}delete/").status_code == 302
    assert [key for folder in FOLDERS for key in walk(folder)] == []


def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of all objects that are opened from now on."""
    opened: list[str] = []
    kind: Any = type(storages["default"])
    really = kind._open

    def note(self: Any, name: str, mode: str = "rb") -> Any:
        opened.append(name)
        return really(self, name, mode)

    monkeypatch.setattr(kind, "_open", note)
    return opened
