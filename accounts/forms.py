"""Forms of the account pages."""

from __future__ import annotations

from django import forms

from accounts.models import ApiToken


class ApiTokenForm(forms.ModelForm[ApiToken]):
    """What a new token is for."""

    class Meta:
        model = ApiToken
        fields = ["name"]
        labels = {"name": "What is it for?"}
        help_texts = {"name": "A name to tell it from others, such as “laptop” or “nightly script”."}
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}
