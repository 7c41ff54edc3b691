"""What accompanies a training, one module a matter; see :mod:`mapgan.callbacks.base` for their shape."""

from __future__ import annotations

from mapgan.callbacks.base import Callback, Crew, Exam, Session, View
from mapgan.callbacks.evaluation import Evaluation
from mapgan.callbacks.retention import Retention
from mapgan.callbacks.samples import Samples
from mapgan.callbacks.tensorboard import TensorBoard
from mapgan.callbacks.watchdog import Watchdog

__all__ = ["Callback", "Crew", "Exam", "Session", "View", "standard"]


def standard() -> list[Callback]:
    """Those of every run, in an order that matters: what is measured is judged, then thinned out."""
    return [TensorBoard(), Samples(), Evaluation(), Watchdog(), Retention()]
