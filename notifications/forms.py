"""Forms: where webhooks go, and what mail a person wants."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from notifications.http import Refused, reachable
from notifications.models import Endpoint, Preference
from notifications.sources import KINDS


class EndpointForm(forms.ModelForm[Endpoint]):
    """An endpoint; its secret is made by us."""

    kinds = forms.MultipleChoiceField(label="Events", widget=forms.CheckboxSelectMultiple)

    class Meta:
        model = Endpoint
        fields = ["name", "url", "kinds", "is_active"]
        labels = {"name": "Name", "url": "Address", "is_active": "Send to it"}
        help_texts = {
            "name": "For you, such as “Chat of the map team”.",
            "url": "Each event is sent there as a signed POST with a JSON body.",
            "is_active": "Switched off, it gets nothing, and what waits for it is dropped.",
        }
        widgets = {
            "name": forms.TextInput(attrs={"autocomplete": "off"}),
            "url": forms.URLInput(attrs={"placeholder": "https://", "autocomplete": "off"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Offer the kinds that the apps have."""
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        kinds = forms.MultipleChoiceField(
            label="Events",
            choices=[(kind.name, kind.words) for kind in KINDS.values()],
            widget=forms.CheckboxSelectMultiple,
            error_messages={"required": "Choose at least one event."},
        )
        self.fields["kinds"] = kinds
        if self.instance._state.adding:
            del self.fields["is_active"]
            self.initial["kinds"] = list(KINDS)

    def clean_url(self) -> str:
        """Somewhere we may go: said now, and looked at again at every delivery."""
        url = str(self.cleaned_data["url"]).strip()
        try:
            reachable(url, settings.WEBHOOK_NETWORKS)
        except Refused as refusal:
            raise forms.ValidationError(str(refusal)) from refusal
        return url


class PreferenceForm(forms.ModelForm[Preference]):
    """What mail one wants."""

    class Meta:
        model = Preference
        fields = ["scope", "on_finish", "on_failure", "on_alarm"]
        labels = {
            "scope": "Mail about",
            "on_finish": "when it finishes",
            "on_failure": "when it fails",
            "on_alarm": "when its watchdog raises an alarm",
        }
        help_texts = {"on_alarm": "Once an hour at most for one run; its page shows them all."}
        widgets = {"scope": forms.RadioSelect}
