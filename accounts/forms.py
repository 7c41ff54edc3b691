"""Forms of the account pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms

from accounts.models import ApiToken

if TYPE_CHECKING:  # Django's class takes no parameter when it runs
    TokenModelForm = forms.ModelForm[ApiToken]
else:
    TokenModelForm = forms.ModelForm


class ApiTokenForm(TokenModelForm):
    """What a new token is for."""

    class Meta:
        model = ApiToken
        fields = ["name"]
        labels = {"name": "What is it for?"}
        help_texts = {"name": "A name to tell it from others, such as “laptop” or “nightly script”."}
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}
