"""The JSON lines: one object a line, numbers that JSON has."""

from __future__ import annotations

import json

from mapgan import events


def test_lines() -> None:
    """Name, time and fields; a line break in a message stays inside its line."""
    line = events.to_line(events.Failed(reason='a "b"\nc'), now=lambda: 12.3456)
    assert "\n" not in line
    assert json.loads(line) == {"event": "failed", "time": 12.346, "reason": 'a "b"\nc', "step": 0}


def test_nan_becomes_null() -> None:
    """json.loads of a strict reader accepts every line."""
    step = events.Step(
        step=1,
        steps=2,
        epoch=0.5,
        losses={"a": float("nan"), "b": 1.5},
        learning_rate=1e-4,
        images_per_second=float("inf"),
        eta=0.0,
        memory_bytes=1,
    )
    read = json.loads(events.to_line(step, now=lambda: 0))
    assert read["losses"] == {"a": None, "b": 1.5}
    assert read["images_per_second"] is None
