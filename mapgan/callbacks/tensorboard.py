"""TensorBoard's event files, written with its own record format and no TensorFlow.

``tensorboard --logdir RUN/tensorboard`` shows the losses, the learning rate, pictures a second and the
measures as curves, the fixed tiles as pictures (input, made, target), and what the discriminators
say of real and made validation tiles as histograms.
"""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from mapgan import events
from mapgan.callbacks.base import Callback, Exam, Session, View
from mapgan.imageio import to_unit
from mapgan.translating import Floats, Pictures, at_test_time

FOLDER: Final = "tensorboard"
PREFIX: Final = "events.out.tfevents."
BUCKETS: Final = 40
MAX_ROWS: Final = 8
GAP: Final = 4  # pixels between the pictures of a grid


class TensorBoard(Callback):
    """One event file a process. A resumed run takes back what was written about later steps."""

    def __init__(self) -> None:
        self._records: RecordWriter | None = None

    def start(self, session: Session, step: int) -> None:
        """Open a new file, which voids all that earlier files say of steps after ``step``."""
        self._session = session
        folder = session.run / FOLDER
        folder.mkdir(exist_ok=True)
        self._records = RecordWriter((folder / _next_name(folder)).open("xb"))
        self._write(event_pb2.Event(wall_time=time.time(), file_version="brain.Event:2"))
        # A reader drops everything from the step of a START on, except at the first START it sees.
        log = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
        self._write(event_pb2.Event(wall_time=time.time(), step=step + 1 if step else 0, session_log=log))
        self._records.flush()

    def hear(self, event: events.Event) -> None:
        """Curves."""
        if isinstance(event, events.Step):
            found = {f"losses/{name}": value for name, value in event.losses.items()}
            found["run/learning_rate"] = event.learning_rate
            found["run/images_per_second"] = event.images_per_second
            self._scalars(event.step, found)
        elif isinstance(event, events.Evaluation):
            rows = event.directions.items()
            self._scalars(event.step, {f"{way}/{name}": v for way, row in rows for name, v in row.items()})

    def examine(self, exam: Exam) -> None:
        """Pictures and histograms."""
        values = []
        for view in exam.session.views(min(MAX_ROWS, exam.session.config.samples)):
            made = exam.made(view)
            values.append(_image(f"samples/{view.direction}", _sheet(view, made)))
            for kind, logits in _verdicts(exam.session, view, made).items():
                values.append(_histogram(f"discriminator/{view.direction}/{kind}", logits))
        self._summary(exam.step, values)

    def close(self) -> None:
        """Finish the file."""
        if self._records is not None:
            self._records.close()

    def _scalars(self, step: int, values: dict[str, float]) -> None:
        """Write numbers under their names."""
        found = [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._summary(step, found)

    def _summary(self, step: int, values: list[Any]) -> None:
        """Write values of one step, so that a reader sees them at once."""
        if values and self._records is not None:
            summary = summary_pb2.Summary(value=values)
            self._write(event_pb2.Event(wall_time=time.time(), step=step, summary=summary))
            self._records.flush()

    def _write(self, event: Any) -> None:
        """Append one record."""
        if self._records is not None:
            self._records.write(event.SerializeToString())


def _next_name(folder: Path) -> str:
    """A name after all others: readers take the files in the order of their names, and clocks go back."""
    numbers = [int(path.name.removeprefix(PREFIX).split(".")[0]) for path in folder.glob(f"{PREFIX}*.mapgan")]
    return f"{PREFIX}{max([int(time.time()), *(number + 1 for number in numbers)]):010d}.mapgan"


def _sheet(view: View, made: Pictures) -> Pictures:
    """A tile a row: input, made and, where it is known, target."""
    columns = [view.sources, made] + ([view.targets] if view.paired else [])
    framed = [
        np.pad(pictures, ((0, 0), (GAP, 0), (GAP, 0), (0, 0)), constant_values=255) for pictures in columns
    ]
    rows = np.concatenate(framed, axis=2)
    sheet: Pictures = rows.reshape(-1, *rows.shape[2:])
    return sheet


def _image(tag: str, picture: Pictures) -> Any:
    """A PNG under a name."""
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "png")
    height, width, _ = picture.shape
    image = summary_pb2.Summary.Image(
        height=height, width=width, colorspace=3, encoded_image_string=data.getvalue()
    )
    return summary_pb2.Summary.Value(tag=tag, image=image)


def _histogram(tag: str, values: Floats) -> Any:
    """How often which values occur, in equal steps."""
    flat = values.astype(np.float64).ravel()
    counts, edges = np.histogram(flat, BUCKETS)
    histogram = summary_pb2.HistogramProto(
        min=flat.min(),
        max=flat.max(),
        num=flat.size,
        sum=flat.sum(),
        sum_squares=np.square(flat).sum(),
        bucket_limit=edges[1:].tolist(),
        bucket=counts.tolist(),
    )
    return summary_pb2.Summary.Value(tag=tag, histo=histogram)


def _verdicts(session: Session, view: View, made: Pictures) -> dict[str, Floats]:
    """The outputs of the discriminator of the target domain for real and made tiles.

    Pix2Pix's sees the source beside the candidate; CycleGAN's sees one picture.
    """
    paired = session.config.model == "pix2pix"
    name = "discriminator" if paired else f"discriminator_{'b' if view.direction == 'sat2map' else 'a'}"
    found: dict[str, Floats] = {}
    with at_test_time(session.state.model.networks[name]) as judge:
        for kind, pictures in (("made", made), ("real", view.targets)):
            shown = np.concatenate([view.sources, pictures], axis=-1) if paired else pictures
            found[kind] = np.concatenate([judge(to_unit(picture[None])) for picture in shown])
    return found
