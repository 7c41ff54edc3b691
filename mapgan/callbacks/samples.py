"""The fixed validation tiles as every checkpoint draws them, for the eye and the time-lapse.

``samples/step-00002000/map2sat/STEM.png`` is what the generator made; ``samples/input/map2sat/STEM.png``
and ``samples/target/map2sat/STEM.png`` are written at every start. Equal runs write equal files.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from PIL import Image

from mapgan import events
from mapgan.callbacks.base import Callback, Exam, Session, View
from mapgan.translating import Pictures
from mapgan.whole import written

FOLDER: Final = "samples"


class Samples(Callback):
    """Draws ``config.samples`` tiles at every checkpoint."""

    repeatable = True

    def start(self, session: Session, step: int) -> None:
        """Write inputs and targets."""
        for view in session.views(session.config.samples):
            _write(session.run / FOLDER / "input" / view.direction, view, view.sources)
            if view.paired:
                _write(session.run / FOLDER / "target" / view.direction, view, view.targets)

    def examine(self, exam: Exam) -> None:
        """Draw every tile in every direction; a folder that is there is complete."""
        session = exam.session
        views = session.views(session.config.samples)
        folder = session.run / FOLDER / exam.path.name
        if not views or folder.is_dir():
            return
        part = folder.with_name(f".part-{folder.name}")
        shutil.rmtree(part, ignore_errors=True)
        for view in views:
            _write(part / view.direction, view, exam.made(view))
        part.rename(folder)
        session.say(
            events.Sample(
                step=exam.step,
                path=str(folder),
                directions=[view.direction for view in views],
                stems={view.direction: view.stems for view in views},
            )
        )


def _write(folder: Path, view: View, pictures: Pictures) -> None:
    """A PNG a tile, each whole or not there."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem, picture in zip(view.stems, pictures, strict=True):
        with written(folder / f"{stem}.png") as file:
            Image.fromarray(picture).save(file, "png", compress_level=4)
