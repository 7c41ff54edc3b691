"""The form that publishes a checkpoint."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User
from training_jobs.models import Checkpoint, Publication
from training_jobs.services.publications import Offer, directions_of, publication_request
from training_jobs.services.runs import RunRefused
from translator.models import Direction


class PublishForm(forms.ModelForm[Publication]):
    """How a checkpoint is offered."""

    class Meta:
        model = Publication
        fields = ["direction", "title", "name", "description", "everyone"]
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}
        labels = {"everyone": "Offer it to everybody at once", "name": "Short name"}

    def __init__(self, data: Any = None, *, checkpoint: Checkpoint, user: User, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.checkpoint, self.user = checkpoint, user
        choices = [(name, Direction(name).label) for name in directions_of(checkpoint)]
        own = checkpoint.run.config["direction"]
        self.fields["direction"] = forms.ChoiceField(choices=choices, initial=own)

    def save(self, commit: bool = True) -> Publication | None:  # type: ignore[override]
        """Ask for it; None, with the error in the form, when it cannot be."""
        if not self.is_valid():
            return None
        offer = Offer(**{name: self.cleaned_data[name] for name in self.Meta.fields})
        try:
            return publication_request(checkpoint=self.checkpoint, by=self.user, offer=offer)
        except RunRefused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
            return None
