"""Forms of the pages of operations."""

from __future__ import annotations

from django import forms

from jobs.models import QueuePause


class PauseForm(forms.ModelForm[QueuePause]):
    """Why a queue is paused."""

    class Meta:
        model = QueuePause
        fields = ["reason"]
        labels = {"reason": "Why?"}
        help_texts = {"reason": "People whose work waits read this, such as “The GPU gets a new driver.”"}
