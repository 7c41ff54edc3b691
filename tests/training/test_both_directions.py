"""A draft CycleGAN on two unpaired folders, by the site's services and its real workers: both directions are
published in one action, and somebody with an account translates with each."""

from __future__ import annotations

import http.client
import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mapgan.presets import preset
from tests.mapgan.pairs import REAL_MAPS, write_maps
from tests.support.live import LiveStack
from tests.support.waiting import wait_until
from tests.training.conftest import zipped
from tests.training.live_runs import BRING, START, query
from tests.translator.factories import picture

pytestmark = pytest.mark.slow

SMALL: dict[str, Any] = {
    "generator": "resnet_6", "generator_width": 4, "discriminator_width": 4, "image_size": 64,
    "load_size": 72, "steps": 6, "checkpoint_every": 3, "log_every": 1, "samples": 2, "evaluate_tiles": 2,
    "decay_steps": 0,
    "validation_share": 0.2,
}  # fmt: skip


def write_domains(folder: Path) -> Path:
    """Aerial pictures in trainA/, maps of other places in trainB/: the real ones where they are."""
    found = sorted(REAL_MAPS.rglob("*.jpg"))[:24]
    found = found or sorted(write_maps(folder / "drawn", 24, side=64).iterdir())
    for side in ("trainA", "trainB"):
        (folder / "domains" / side).mkdir(parents=True)
    for number, path in enumerate(found):
        with Image.open(path) as pair:
            half = pair.width // 2
            left = number % 2 == 0
            box = (0, 0, half, pair.height) if left else (half, 0, pair.width, pair.height)
            side = "trainA" if left else "trainB"
            pair.convert("RGB").crop(box).resize((64, 64)).save(folder / "domains" / side / f"{number}.png")
    return folder / "domains"


class Person:
    """Somebody with a token."""

    def __init__(self, stack: LiveStack, name: str, **fields: Any) -> None:
        self.port, self.token = stack.port, stack.add_user(name, **fields)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        kind: str = "application/json",
    ) -> tuple[int, bytes]:
        """A request to the API."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Authorization": f"Bearer {self.token}", **({"Content-Type": kind} if data else {})}
        connection.request(method, path, body=data, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()

    def translate(self, generator: str, image: bytes) -> str:
        """Submit a picture; the translation's address."""
        mark = uuid.uuid4().hex
        head = 'Content-Disposition: form-data; name="{}"'
        body = (
            (
                f"--{mark}\r\n{head.format('generator')}\r\n\r\n{generator}\r\n"
                f'--{mark}\r\n{head.format("image")}; filename="a.png"\r\n\r\n'
            ).encode()
            + image
            + f"\r\n--{mark}--\r\n".encode()
        )
        status, answer = self.ask(
            "POST", "/api/v1/translations/", body, f"multipart/form-data; boundary={mark}"
        )
        assert status == 202, answer
        return str(json.loads(answer)["url"]).partition(f":{self.port}")[2]


def test_both_directions_are_published_and_used(live_stack: LiveStack, tmp_path: Path) -> None:
    staff, member = Person(live_stack, "cyra", is_staff=True), Person(live_stack, "ursel")
    path = tmp_path / "unpaired.zip"
    path.write_bytes(zipped(write_domains(tmp_path)))
    version = live_stack.python(BRING.format(archive=str(path), staff="cyra", name="cyra"))

    def state(table: str, row: str) -> str:
        sql = f"SELECT state, error_message || error_details FROM training_{table} WHERE id = ?"  # noqa: S608
        found, why = query(live_stack, sql, row)[0]
        assert found not in ("failed", "cancelled"), f"{why}\n{live_stack.logs()}"
        return str(found)

    wait_until(lambda: state("datasetversion", version) == "succeeded", seconds=300, what="the examination")
    config = {**preset("draft", model="cyclegan").to_dict(), **SMALL}
    start = START.format(staff="cyra", version=version, runs=[("Both ways", json.dumps(config))])
    (run,) = live_stack.python(start)
    wait_until(lambda: state("trainingrun", run) == "succeeded", seconds=400, what="the training")
    status, answer = staff.ask("GET", f"/api/v1/checkpoints/?run={uuid.UUID(run)}")
    last = json.loads(answer)["results"][-1]
    assert (status, last["step"]) == (200, 6)
    offer = {
        "direction": "both",
        "name": "both-ways",
        "title": "Both ways",
        "everyone": True,
        "flat_colours": True,
    }
    status, answer = staff.ask("POST", f"/api/v1/checkpoints/{last['id']}/publications/", offer)
    assert status == 202, answer
    made = [uuid.UUID(row["id"]).hex for row in json.loads(answer)]
    assert len(made) == 2
    for row in made:
        wait_until(lambda row=row: state("publication", row) == "succeeded", seconds=400, what="publishing")  # type: ignore[misc]
    _, answer = member.ask("GET", "/api/v1/generators/")
    offered = {each["name"]: each for each in json.loads(answer)["results"]}
    for direction in ("map2sat", "sat2map"):
        generator = offered[f"both-ways-{direction}"]
        assert (generator["direction"], generator["state"]) == (direction, "published")
        assert generator["card"]["metrics"]["held_out"]["tiles"] > 0
        assert bool(generator["card"]["flat_colours"]) == (direction == "sat2map")  # photographs have none
        translation = member.translate(generator["id"], picture(96, 80))

        def done(translation: str = translation) -> bool:
            told = json.loads(member.ask("GET", translation)[1])
            assert told["status"] not in ("failed", "cancelled"), told
            return bool(told["status"] == "succeeded")

        wait_until(done, seconds=200, what="the translation")
        status, result = member.ask("GET", f"{translation}result/")
        with Image.open(io.BytesIO(result)) as image:
            assert (status, image.format, image.size) == (200, "PNG", (96, 80))
