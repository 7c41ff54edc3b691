"""The forms that publish a checkpoint and edit what its card says."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User
from training_jobs.models import Checkpoint, Publication
from training_jobs.services.publications import (
    Offer,
    both_directions,
    directions_of,
    publication_describe,
    publications_request,
)
from training_jobs.services.runs import RunRefused
from translator.models import Direction
from translator.services import CardText

BOTH = "both"
TEXTS = ("title", "description", "limits", "attribution")
ROWS = {"description": 3, "limits": 2}
HELP = {
    "description": "What it is good for, for people who choose a generator.",
    "limits": "What it is not good at: other regions, zooms, seasons, styles of maps.",
}


def _widgets() -> dict[str, forms.Widget]:
    return {name: forms.Textarea(attrs={"rows": rows}) for name, rows in ROWS.items()}


class PublishForm(forms.ModelForm[Publication]):
    """How a checkpoint is offered: one of its directions, or all it has in one action."""

    class Meta:
        model = Publication
        fields = [
            "direction", "title", "name", "description", "limits", "attribution", "flat_colours", "everyone",
        ]  # fmt: skip
        widgets = _widgets()
        labels = {
            "everyone": "Offer it to everybody at once",
            "flat_colours": "Draw maps in flat colours",
            "name": "Short name",
        }
        help_texts = HELP

    def __init__(self, data: Any = None, *, checkpoint: Checkpoint, user: User, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.checkpoint, self.user = checkpoint, user
        self.directions = directions_of(checkpoint)
        choices = [(name, Direction(name).label) for name in self.directions]
        own = checkpoint.run.config["direction"]
        if Direction.SATELLITE_TO_MAP in self.directions:
            self.fields["flat_colours"].initial = True
        else:
            del self.fields["flat_colours"]
        help_text = ""
        if len(self.directions) > 1:
            choices.insert(0, (BOTH, "Both directions"))
            own = BOTH
            help_text = "Both at once become two generators; their short names end in the direction."
        self.fields["direction"] = forms.ChoiceField(choices=choices, initial=own, help_text=help_text)

    def _post_clean(self) -> None:
        """The service has the last word; the row's own checks would not know both directions."""

    def save(self, commit: bool = True) -> list[Publication]:  # type: ignore[override]
        """Ask for it; nothing, with the error in the form, when it cannot be."""
        if not self.is_valid():
            return []
        values = {name: self.cleaned_data[name] for name in self.Meta.fields if name in self.fields}
        offer = Offer(**values)
        offers = both_directions(offer, self.directions) if offer.direction == BOTH else [offer]
        try:
            return publications_request(checkpoint=self.checkpoint, by=self.user, offers=offers)
        except RunRefused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
            return []


class CardForm(forms.ModelForm[Publication]):
    """What a generator's card says to people; before it is published and after."""

    class Meta:
        model = Publication
        fields = list(TEXTS)
        widgets = _widgets()
        help_texts = HELP

    def apply(self, *, by: User) -> bool:
        """Change it; False, with the error in the form, when it cannot be."""
        if not self.is_valid():
            return False
        text = CardText(**{name: self.cleaned_data[name] for name in TEXTS})
        try:
            publication_describe(publication=self.instance, by=by, text=text)
        except RunRefused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
            return False
        return True
