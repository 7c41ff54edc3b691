"""The real processes: from POST to the result, with the broker away, and what a large picture costs."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from tests.support.live import LiveStack
from tests.support.waiting import wait_until
from tests.translator.factories import generator_file, opened, picture, pixels

MEMORY_LIMIT_KB = 1_500_000


class Api:
    """Somebody's program, talking to the live system."""

    def __init__(self, stack: LiveStack, token: str, generator: str) -> None:
        self._stack = stack
        self._headers = {"Authorization": f"Bearer {token}"}
        self._generator = generator

    def get(self, url: str) -> requests.Response:
        return requests.get(url, headers=self._headers, timeout=30)

    def submit(self, data: bytes) -> str:
        """The new translation's address."""
        response = requests.post(
            f"{self._stack.url}/api/v1/translations/",
            files={"image": ("map.png", data, "image/png")},
            data={"generator": self._generator},
            headers=self._headers,
            timeout=60,
        )
        assert response.status_code == 202, response.text
        return response.json()["url"]

    def finished(self, url: str, *, seconds: float = 30) -> dict[str, Any]:
        """Wait for its end."""

        def shown() -> dict[str, Any] | None:
            row = self.get(url).json()
            return row if row["status"] in ("succeeded", "failed", "cancelled") else None

        return wait_until(shown, seconds=seconds, what=f"the translation\n{self._stack.logs()}", every=0.1)


@pytest.fixture(scope="module")
def imported(live_stack: LiveStack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A generator imported into the running system; its id."""
    folder: Path = tmp_path_factory.mktemp("generator")
    (folder / "live.onnx").write_bytes(generator_file("live"))
    (folder / "sample.png").write_bytes(picture(64, 64))
    sample = ["--sample-input", str(folder / "sample.png")]
    said = live_stack.manage("generator_import", str(folder / "live.onnx"), "--publish", *sample)
    found = re.search(r"id ([0-9a-f-]{36})", said)
    assert found, said
    return found[1]


@pytest.fixture(scope="module")
def api(live_stack: LiveStack, imported: str) -> Api:
    return Api(live_stack, live_stack.add_user("translating-alice"), imported)


def test_there_and_back(live_stack: LiveStack, api: Api, imported: str) -> None:
    url = api.submit(picture(300, 200))
    row = api.finished(url)
    assert row["status"] == "succeeded"
    assert np.array_equal(opened(api.get(row["result_url"]).content), 255 - pixels(300, 200))
    stranger = Api(live_stack, live_stack.add_user("translating-bob"), imported)
    for address in (
        url,
        row["result_url"],
        row["original_url"],
        row["result_thumbnail_url"],
        f"{url}cancel/",
    ):
        assert stranger.get(address).status_code in (404, 405)
        assert requests.get(address, timeout=10, allow_redirects=False).status_code in (404, 405)


def test_the_worker_draws_the_sample(live_stack: LiveStack, api: Api, imported: str) -> None:
    address = f"{live_stack.url}/api/v1/generators/{imported}/samples/output/"
    drawn = wait_until(
        lambda: api.get(address) if api.get(address).ok else None, seconds=30, what="the sample"
    )
    assert np.array_equal(opened(drawn.content), 255 - pixels(64, 64))


def test_submitted_while_the_broker_is_away(live_stack: LiveStack, api: Api) -> None:
    live_stack.halt("broker")
    try:
        url = api.submit(picture())
        assert api.get(url).json()["status"] == "queued"
    finally:
        live_stack.resume("broker")
    assert api.finished(url, seconds=60)["status"] == "succeeded"


def noise(width: int, height: int) -> bytes:
    """A picture that compresses badly, as JPEG to stay below the limit."""
    rgb = np.random.default_rng(1).integers(0, 256, (height // 4, width // 4, 3)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_only_the_translate_worker_holds_onnx_runtime(live_stack: LiveStack) -> None:
    """It preloads at its start; the others stay small."""

    def holds(program: str) -> bool:
        return any("onnxruntime" in text for text in read_group(live_stack.pid(program), "maps"))

    wait_until(lambda: holds("translate"), seconds=30, what="the worker to preload")
    assert not [program for program in ("web", "maintenance", "beat") if holds(program)]


def read_group(pid: int, name: str) -> list[str]:
    """A file of /proc, for every process of a program's group."""
    texts = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # processes come and go
            if os.getpgid(int(folder.name)) == pid:
                texts.append((folder / name).read_text())
    return texts


def peak_kb(pid: int) -> int:
    """The most memory that one process of a program's group ever held."""
    return max(
        int(each) for text in read_group(pid, "status") for each in re.findall(r"VmHWM:\s+(\d+)", text)
    )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_25_megapixels(live_stack: LiveStack, api: Api) -> None:
    row = api.finished(api.submit(noise(5000, 5000)), seconds=240)
    assert (row["status"], row["width"], row["height"]) == ("succeeded", 5000, 5000)
    peaks = {program: peak_kb(live_stack.pid(program)) for program in ("translate", "web")}
    assert max(peaks.values()) < MEMORY_LIMIT_KB, peaks
