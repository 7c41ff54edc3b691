"""A run's fixed samples as a moving picture. Pictures alone: no framework, so no child process."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from jobs.errors import JobFailed
from jobs.runner import Attempt, Done
from training_jobs.models import TimeLapse
from training_jobs.objects import FileStash, run_key
from training_jobs.worker.scratch import scratch
from translator.storage import ObjectMissing, read

FRAME_MILLISECONDS, LAST_MILLISECONDS = 250, 2_000
LONGEST: Final = 150
"""Pictures at most; of more checkpoints evenly spread ones are shown, always with the first and the last."""
WIDEST: Final = 768  # pixels
DRAWN: Final = 0.5
BAR: Final = 40  # pixels of the caption below the samples
INK, PAPER, MARK = (231, 236, 231), (16, 24, 23), (116, 207, 190)
QUALITY: Final = 80

Drawn = tuple[int, str]
"""Step and key of a checkpoint's samples."""


def lapse(job: TimeLapse, attempt: Attempt) -> Done:
    """Put what the checkpoints drew one after the other, the step burnt in.

    Raises:
        JobFailed: there are not two pictures to show.
        StorageUnavailable: worth another attempt.
    """
    attempt.report(0.0, "Drawing")
    rows = job.run.checkpoints.order_by("step").values_list("step", "sheets")
    drawn = _spread([(step, sheets[job.direction]) for step, sheets in rows if sheets.get(job.direction)])
    with scratch(job, attempt) as folder:
        path = folder / "lapse.webp"
        frames = _write(drawn, path, attempt)
        key = run_key(job.run_id, f"timelapse-{job.direction}", "webp", attempt=attempt.number)
        stash = FileStash()
        with stash:
            stash.save(key, path, attempt.check)
        fields = {"file": key, "size_bytes": path.stat().st_size, "frames": frames, "last_step": drawn[-1][0]}
        return Done(fields, discard=stash.discard)


def _spread(drawn: list[Drawn]) -> list[Drawn]:
    if len(drawn) <= LONGEST:
        return drawn
    return [drawn[place * (len(drawn) - 1) // (LONGEST - 1)] for place in range(LONGEST)]


def _write(drawn: list[Drawn], path: Path, attempt: Attempt) -> int:
    """The file; returns how many pictures it has. Pillow wants them all at once: some hundred megabytes."""
    frames = list(_frames(drawn, attempt))
    if len(frames) < 2:
        raise JobFailed("nothing_drawn", "There are not two checkpoints with samples any more.")
    durations = [FRAME_MILLISECONDS] * (len(frames) - 1) + [LAST_MILLISECONDS]
    attempt.report(DRAWN, "Packing")
    first, *rest = frames
    first.save(
        path, "WEBP", save_all=True, append_images=rest, duration=durations, loop=0, quality=QUALITY, method=2
    )
    return len(frames)


def _frames(drawn: list[Drawn], attempt: Attempt) -> Iterator[Image.Image]:
    """Every checkpoint's sheet with its caption; those that retention removed meanwhile are passed over."""
    font = ImageFont.load_default(size=20)
    size: tuple[int, int] | None = None
    for place, (step, key) in enumerate(drawn):
        attempt.report(DRAWN * place / len(drawn))
        try:
            data = read(key)
        except ObjectMissing:
            continue
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as sheet:
            size = size or _fitted(sheet.size)
            yield _captioned(sheet.convert("RGB").resize(size), step, drawn[-1][0], font)


def _fitted(size: tuple[int, int]) -> tuple[int, int]:
    """At most `WIDEST`, in the same shape."""
    scale = min(1.0, WIDEST / size[0])
    return round(size[0] * scale), round(size[1] * scale)


def _captioned(
    sheet: Image.Image, step: int, last: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> Image.Image:
    """The sheet with its step below, and a line that grows with it."""
    frame = Image.new("RGB", (sheet.width, sheet.height + BAR), PAPER)
    frame.paste(sheet, (0, 0))
    pen = ImageDraw.Draw(frame)
    share = step / max(last, 1)
    pen.rectangle((0, sheet.height, round(share * (sheet.width - 1)), sheet.height + 3), fill=MARK)
    pen.text((12, sheet.height + 4 + (BAR - 4) // 2), f"Step {step:,}", fill=INK, font=font, anchor="lm")
    return frame
