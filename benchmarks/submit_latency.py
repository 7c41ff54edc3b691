"""From POST to ``succeeded``, through the whole system: web, database, broker, worker, storage.

    .venv/bin/python -m benchmarks.submit_latency [--rounds 20] [--side 256]

Starts a system of its own (as `make run` does, with a var folder that is thrown away), submits one picture
after the other to the default generator through the API and asks every few milliseconds how it goes. "The
rest" is everything that is not the network: upload, checks, storing, queueing, decoding, encoding, asking.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.machine import describe, load
from benchmarks.results import Row
from tests.support.live import LiveStack

ASK_SECONDS = 0.01
GIVE_UP_SECONDS = 120.0
TOTAL_LIMIT, REST_LIMIT = 2.0, 0.5  # what an idle machine with two cores must keep
SAMPLES = Path(__file__).resolve().parent.parent / "samples"
COLUMNS = ("total", "model", "rest", "accept", "wait", "decode", "store")


class Client:
    """The API with a token."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, address: str) -> dict[str, Any]:
        """One object."""
        return self._send(urllib.request.Request(address, headers=self._headers))  # noqa: S310 - our own server

    def submit(self, png: bytes, generator: str) -> dict[str, Any]:
        """Post a picture."""
        boundary = uuid.uuid4().hex
        part = f"--{boundary}\r\nContent-Disposition: form-data; name="
        body = f'{part}"generator"\r\n\r\n{generator}\r\n{part}"image"; filename="map.png"\r\n\r\n'
        data = body.encode() + png + f"\r\n--{boundary}--\r\n".encode()
        headers = {**self._headers, "Content-Type": f"multipart/form-data; boundary={boundary}"}
        address = f"{self._url}/api/v1/translations/"
        request = urllib.request.Request(address, data=data, headers=headers)  # noqa: S310
        return self._send(request)

    def _send(self, request: urllib.request.Request) -> dict[str, Any]:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own server
            body: dict[str, Any] = json.load(answer)
            return body


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="Time translations through the whole system.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--quick", action="store_true", help="three rounds, to see that it runs")
    parser.add_argument("--json", type=Path, help="also write the figures there, as `benchmarks` keeps them")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 3
    print(describe(), load(), sep="\n")
    stack = LiveStack()
    try:
        stack.start()
        client = Client(stack.url, stack.add_user("bench"))
        offered = client.get(f"{stack.url}/api/v1/generators/")["results"]
        if not offered:
            raise SystemExit("There are no generators in generators/.")
        picture = sample(options.side)
        translate(client, picture, offered[0]["id"])  # the worker loads it beforehand, but let nobody wait
        rounds = [translate(client, picture, offered[0]["id"]) for _ in range(options.rounds)]
    finally:
        stack.close()
    print(f"\n{offered[0]['title']}, {options.side} x {options.side}, {options.rounds} rounds\n")
    print(report(rounds))
    if options.json:
        figures = [vars(row) for row in rows(rounds, options.side)]
        options.json.write_text(json.dumps(figures), encoding="utf-8")


def sample(side: int) -> bytes:
    """A sample map of this size."""
    path = min(SAMPLES.glob("*.png"), default=None)
    image = Image.open(path) if path else Image.fromarray(np.full((side, side, 3), 200, np.uint8))
    buffer = io.BytesIO()
    image.convert("RGB").resize((side, side)).save(buffer, "PNG")
    return buffer.getvalue()


def translate(client: Client, png: bytes, generator: str) -> dict[str, float]:
    """One translation; seconds of its parts."""
    began = time.perf_counter()
    row = client.submit(png, generator)
    accepted = time.perf_counter()
    while row["status"] in ("queued", "running"):
        if time.perf_counter() - began > GIVE_UP_SECONDS:
            raise SystemExit(f"It is still {row['status']} after {GIVE_UP_SECONDS:.0f} s.")
        time.sleep(ASK_SECONDS)
        row = client.get(row["url"])
    total = time.perf_counter() - began
    if row["status"] != "succeeded":
        raise SystemExit(f"It {row['status']}: {row['error']}")
    parts = {part: float(row[f"seconds_{part}"]) for part in ("decode", "model", "store")}
    rest = total - parts["model"]
    wait = rest - (accepted - began) - parts["decode"] - parts["store"]
    return {"total": total, "rest": rest, "accept": accepted - began, "wait": wait, **parts}


def rows(rounds: list[dict[str, float]], side: int) -> list[Row]:
    """The two promises."""
    detail = f"median of {len(rounds)} rounds, {side} x {side}"
    total, rest = (statistics.median(each[name] for each in rounds) for name in ("total", "rest"))
    return [
        Row("a translation through the whole system", total, "s", TOTAL_LIMIT, "at_most", detail),
        Row("of which not the model", rest, "s", REST_LIMIT, "at_most", detail),
    ]


def report(rounds: list[dict[str, float]]) -> str:
    """Median and slowest, in milliseconds, and whether the promise was kept."""
    lines = [f"{'ms':8}" + "".join(f"{name:>9}" for name in COLUMNS)]
    for name, choose in (("median", statistics.median), ("slowest", max)):
        values = [choose([each[column] for each in rounds]) for column in COLUMNS]
        lines.append(f"{name:8}" + "".join(f"{value * 1e3:9.0f}" for value in values))
    total, rest = (statistics.median(each[name] for each in rounds) for name in ("total", "rest"))
    kept = "kept" if total < TOTAL_LIMIT and rest < REST_LIMIT else "NOT KEPT"
    lines.append(f"\nless than {TOTAL_LIMIT:g} s, of which less than {REST_LIMIT:g} s not the model: {kept}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
