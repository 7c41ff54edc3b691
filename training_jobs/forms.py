"""Forms of training."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from accounts.models import User
from training_jobs.models import Dataset, DatasetVersion, Side, Upload
from training_jobs.selectors import upload_owned
from training_jobs.services import (
    About,
    DatasetRefused,
    Source,
    UploadRefused,
    dataset_create,
    dataset_update,
    upload_append,
    upload_begin,
    version_create,
)
from training_jobs.services.uploads import CHUNK_LIMIT, SUFFIXES


class AboutForm(forms.ModelForm[Dataset]):
    """What is said of a dataset."""

    class Meta:
        model = Dataset
        fields = ["name", "description", "attribution", "licence", "ground_resolution"]
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}

    def about(self) -> About:
        """The valid form's values."""
        return About(**{name: self.cleaned_data[name] for name in self.Meta.fields})

    def save_changes(self) -> bool:
        """Change the dataset; False, with the error in the form, when it cannot be."""
        try:
            dataset_update(dataset=self.instance, about=self.about())
        except DatasetRefused as refusal:
            self.add_error(refusal.field or None, str(refusal))
            return False
        return True


class SourceForm(forms.Form):
    """Where the pictures come from: an archive, sent before or with the form, or a folder of the server."""

    archive = forms.Field(
        required=False, widget=forms.FileInput(attrs={"accept": ",".join(SUFFIXES)}), label="Archive"
    )
    folder = forms.CharField(required=False, max_length=300, label="Or a folder of the server")
    a_side = forms.ChoiceField(
        choices=Side.choices,
        initial=Side.LEFT,
        label="Which half is the aerial picture?",
        help_text="Where two halves lie side by side in one picture. Folders A and B say it themselves.",
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        """Offer what this person may use."""
        super().__init__(*args, **kwargs)
        self.user = user
        if not settings.DATASET_ROOTS:
            del self.fields["folder"]

    def clean(self) -> dict[str, Any]:
        """One source, and only one."""
        cleaned: dict[str, Any] = super().clean() or {}
        # FilePond puts the id of a finished upload in place of the file; a browser without script, the file.
        sent = self.files.get("archive")
        named = str(self.data.get("archive") or "")
        folder = cleaned.get("folder", "")
        if bool(sent or named) == bool(folder):
            place = "an archive, or name a folder" if "folder" in self.fields else "an archive"
            self.add_error("archive", f"Choose {place}{', not both' if folder else ''}.")
        elif not folder:
            cleaned["upload"] = self._upload(sent, named)
        return cleaned

    def source(self) -> Source:
        """The valid form's source."""
        values = self.cleaned_data
        return Source(upload=values.get("upload"), folder=values.get("folder", ""), a_side=values["a_side"])

    def _upload(self, sent: UploadedFile[bytes] | None, named: str) -> Upload | None:
        try:
            if sent is not None:
                return _take(self.user, sent)
            return upload_owned(user=self.user, upload_id=uuid.UUID(named))
        except UploadRefused as refusal:
            self.add_error("archive", str(refusal))
        except (ValueError, Upload.DoesNotExist):
            self.add_error("archive", "This upload is not there any more. Please choose the file again.")
        return None


class DatasetForm:
    """A new dataset: what is said of it, and its pictures."""

    def __init__(self, data: Any = None, files: Any = None, *, user: User) -> None:
        """Both parts share one form on the page."""
        self.user = user
        self.about = AboutForm(data)
        self.source = SourceForm(data, files, user=user)

    def save(self) -> DatasetVersion | None:
        """Make it; None, with the errors in the parts, when it cannot be."""
        if not self.about.is_valid() or not self.source.is_valid():
            self.source.is_valid()  # both parts' errors at once
            return None
        try:
            return dataset_create(by=self.user, about=self.about.about(), source=self.source.source())
        except DatasetRefused as refusal:
            part = self.about if refusal.field in self.about.fields else self.source
            part.add_error(refusal.field if refusal.field in part.fields else None, str(refusal))
            return None


class VersionForm(SourceForm):
    """Other pictures for a dataset that is there."""

    def save(self, dataset: Dataset) -> DatasetVersion | None:
        """Make the version; None, with the error in the form, when it cannot be."""
        try:
            return version_create(dataset=dataset, by=self.user, source=self.source())
        except DatasetRefused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
            return None


def _take(user: User, sent: UploadedFile[bytes]) -> Upload:
    """A file that came with the form, as an upload like any other."""
    upload = upload_begin(owner=user, filename=sent.name or "", size=sent.size or 0)
    for data in sent.chunks(CHUNK_LIMIT):
        upload_append(upload=upload, offset=upload.received, data=data)
    return upload
