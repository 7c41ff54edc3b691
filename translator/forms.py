"""Forms of the translator's pages."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile

from accounts.models import User
from jobs.models import JobState
from translator.models import Direction, Generator, Translation, Visibility
from translator.samples import sample_maps
from translator.selectors import generators_offered
from translator.services import UploadRejected, translation_submit

ACCEPT = "image/png,image/jpeg,image/webp,image/tiff,.png,.jpg,.jpeg,.webp,.tif,.tiff"


class SubmitForm(forms.Form):
    """A picture (an upload, or one of the sample maps), a generator, and who may see the result."""

    image = forms.FileField(
        required=False,
        allow_empty_file=True,  # the service says the same of it as the API does
        widget=forms.FileInput(attrs={"accept": ACCEPT}),
    )
    sample = forms.ChoiceField(
        required=False, error_messages={"invalid_choice": "There is no such sample map."}
    )
    generator = forms.ModelChoiceField(
        queryset=Generator.objects.none(),
        error_messages={
            "required": "Choose a generator.",
            "invalid_choice": "This generator is not on offer any more. Choose another one.",
        },
    )
    visibility = forms.ChoiceField(
        choices=Visibility.choices, error_messages={"required": "Choose private or public."}
    )
    key = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        """Offer what this person may choose; the first of it is chosen already."""
        super().__init__(*args, **kwargs)
        self.user = user
        self.samples: dict[str, Path] = sample_maps()
        self.fields["sample"].choices = [(name, name) for name in self.samples]  # type: ignore[attr-defined]
        self.generators = list(generators_offered(user))
        self.fields["generator"].queryset = generators_offered(user)  # type: ignore[attr-defined]
        self.initial.setdefault("visibility", Visibility.PRIVATE)
        self.initial.setdefault("key", uuid.uuid4().hex)
        if self.initial.get("generator") not in {str(generator.pk) for generator in self.generators}:
            # Maps to satellite images: what people come for, and what the samples are for.
            order = sorted(self.generators, key=lambda each: each.direction != Direction.MAP_TO_SATELLITE)
            self.initial["generator"] = str(order[0].pk) if order else None

    def clean(self) -> dict[str, Any]:
        """There is something to translate."""
        data = super().clean() or self.cleaned_data
        if not data.get("image") and not data.get("sample") and not self.errors.get("image"):
            self.add_error("image", "Choose an image to translate.")
        return data

    @property
    def chosen_generator(self) -> str:
        """Id of the one that is checked when the form shows."""
        return str(self["generator"].value() or "")

    @property
    def chosen_sample(self) -> str:
        """Name of the sample map that would be sent, or nothing."""
        name = str(self["sample"].value() or "")
        return name if name in self.samples else ""

    def submit(self) -> Translation | None:
        """Hand it to the service. None when that refuses; then the form has the reason.

        Raises:
            StorageError: nothing can be stored right now.
        """
        image: UploadedFile[Any] | None = self.cleaned_data.get("image")
        sample = self.samples.get(self.cleaned_data["sample"])
        try:
            return translation_submit(
                owner=self.user,
                generator=self.cleaned_data["generator"],
                data=image if image else sample.read_bytes() if sample else b"",
                filename=(image.name or "") if image else sample.name if sample else "",
                visibility=self.cleaned_data["visibility"],
                idempotency_key=self._idempotency_key(image),
            )
        except UploadRejected as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, refusal.message)
            return None

    def _idempotency_key(self, image: UploadedFile[Any] | None) -> str:
        """A second press of the same button is the same submission; other content or choices are another."""
        if not self.cleaned_data["key"]:
            return ""
        digest = hashlib.sha256()
        data = self.cleaned_data
        chosen = (data["key"], data["sample"], data["generator"].pk, data["visibility"])
        digest.update("\n".join(map(str, chosen)).encode())
        if image:
            for chunk in image.chunks():
                digest.update(chunk)
            image.seek(0)
        return digest.hexdigest()


class FilterForm(forms.Form):
    """What a list is narrowed to. It only draws the fields: selectors read the query string themselves."""

    generator = forms.ChoiceField(required=False)
    direction = forms.ChoiceField(required=False, choices=[("", "Both"), *Direction.choices])
    state = forms.ChoiceField(required=False, choices=[("", "Any"), *JobState.choices])
    person = forms.CharField(
        required=False,
        max_length=150,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, generators: list[Generator], leave_out: str, **kwargs: Any) -> None:
        """Offer these generators; ``leave_out`` names the field that this list has no use for."""
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        names = [(str(each.pk), str(each)) for each in generators]
        self.fields["generator"].choices = [("", "All"), *names]  # type: ignore[attr-defined]
        del self.fields[leave_out]
