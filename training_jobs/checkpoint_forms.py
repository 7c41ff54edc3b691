"""Forms around checkpoints."""

from __future__ import annotations

from typing import Any

from django import forms

from training_jobs.models import TrainingRun
from training_jobs.services.checkpoints import Retention
from training_jobs.services.evaluations import TILES_LIMIT

MOST = 1_000_000


class EvaluateForm(forms.Form):
    """On how many tiles."""

    tiles = forms.IntegerField(required=False, min_value=0, max_value=TILES_LIMIT)


class RetentionForm(forms.Form):
    """Which checkpoints a run keeps."""

    keep_checkpoints = forms.IntegerField(
        label="Keep the newest", min_value=0, max_value=MOST, help_text="0 keeps every checkpoint."
    )
    keep_best = forms.IntegerField(
        label="And the best",
        min_value=0,
        max_value=MOST,
        help_text="By the library's rule, on the tiles measured while it trains; in each direction.",
    )
    keep_every = forms.IntegerField(
        label="And every so many steps",
        min_value=0,
        max_value=100_000_000,
        help_text="Whose step is a multiple of this; 0 for none.",
    )

    def __init__(self, data: Any = None, *, run: TrainingRun) -> None:
        super().__init__(
            data, initial={name: run.config.get(name, 0) for name in vars(Retention(keep_checkpoints=0))}
        )

    def retention(self) -> Retention:
        """The valid form's values."""
        return Retention(**self.cleaned_data)
