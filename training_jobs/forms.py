"""Forms of training."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar, Final

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile

from accounts.models import User
from training_jobs.models import Dataset, DatasetVersion, Side, SplitKind, Upload
from training_jobs.selectors import upload_is_taken, upload_owned, versions_ready
from training_jobs.services import (
    About,
    DatasetRefused,
    Source,
    SplitChoice,
    UploadRefused,
    dataset_create,
    dataset_update,
    s3_places,
    upload_append,
    upload_begin,
    version_create,
)
from training_jobs.services.datasets import LARGEST_SEED
from training_jobs.services.uploads import CHUNK_LIMIT, SUFFIXES

SPLIT_CHOICES: Final = [
    (
        SplitKind.KEPT,
        "As they come: val/ or test/ of the archive is held out; without them each run draws its own share.",
    ),
    (
        SplitKind.GROUPED,
        "Drawn now, for every run alike: tiles that show the same ground stay on one side. val/ and test/ of "
        "the archive are not used.",
    ),
]
PLACE_WORDS: Final = {"folder": "a folder", "s3": "a prefix on S3", "version": "a version"}


class AboutForm(forms.ModelForm[Dataset]):
    """What is said of a dataset."""

    class Meta:
        model = Dataset
        fields = ["name", "description", "attribution", "licence", "ground_resolution"]
        widgets = {"description": forms.Textarea(attrs={"rows": 3})}

    def about(self) -> About:
        """The valid form's values."""
        return About(**{name: self.cleaned_data[name] for name in self.Meta.fields})

    def save_changes(self, *, by: User) -> bool:
        """Change the dataset; False, with the error in the form, when it cannot be."""
        try:
            dataset_update(dataset=self.instance, by=by, about=self.about())
        except DatasetRefused as refusal:
            self.add_error(refusal.field or None, str(refusal))
            return False
        return True


PER_CENT: Final = 100.0


class SourceForm(forms.Form):
    """Where the pictures come from: an archive, sent before or with the form, or a place the site may read;
    which half is which, and how they are divided."""

    archive = forms.Field(
        required=False, widget=forms.FileInput(attrs={"accept": ",".join(SUFFIXES)}), label="Archive"
    )
    folder = forms.CharField(required=False, max_length=300, label="Or a folder of the server")
    s3 = forms.CharField(required=False, max_length=300, label="Or a prefix on S3")
    a_side = forms.ChoiceField(
        choices=Side.choices,
        initial=Side.LEFT,
        label="Which half is the aerial picture?",
        help_text="Where two halves lie side by side in one picture. Folders A and B say it themselves.",
    )
    split_kind = forms.ChoiceField(
        choices=SPLIT_CHOICES,
        initial=SplitKind.KEPT,
        required=False,
        widget=forms.RadioSelect,
        label="How are they divided?",
    )
    split_share = forms.IntegerField(
        min_value=1, max_value=90, initial=10, required=False, label="For validation, in per cent"
    )
    split_test_share = forms.IntegerField(
        min_value=0,
        max_value=90,
        initial=0,
        required=False,
        label="For a last test, in per cent",
        help_text="No run learns from these or is compared on them.",
    )
    split_seed = forms.IntegerField(
        min_value=0,
        max_value=LARGEST_SEED,
        initial=0,
        required=False,
        label="Seed of the draw",
        help_text="Equal seeds give equal splits.",
    )
    places: ClassVar[tuple[str, ...]] = ("folder", "s3")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        """Offer what this person may use."""
        super().__init__(*args, **kwargs)
        self.user = user
        if not settings.DATASET_ROOTS:
            del self.fields["folder"]
        allowed = s3_places()
        if allowed:
            names = ", ".join(map(str, allowed))
            self.fields["s3"].help_text = f"At or below {names}"
            self.fields["s3"].widget.attrs["placeholder"] = str(allowed[0])
        else:
            del self.fields["s3"]

    def clean(self) -> dict[str, Any]:
        """One source, and only one."""
        cleaned: dict[str, Any] = super().clean() or {}
        # FilePond puts the id of a finished upload in place of the file; a browser without script, the file.
        sent = self.files.get("archive")
        named = str(self.data.get("archive") or "")
        elsewhere = [name for name in self.places if cleaned.get(name)]
        if bool(sent or named) + len(elsewhere) != 1:
            others = [PLACE_WORDS[name] for name in self.places if name in self.fields]
            choices = " or ".join(["an archive", *others])
            only = ", only one of them" if sent or named or elsewhere else ""
            self.add_error("archive", f"Choose {choices}{only}.")
        if sent or named:
            cleaned["upload"] = self._upload(sent, named)
        return cleaned

    def source(self) -> Source:
        """The valid form's source."""
        values = self.cleaned_data
        return Source(
            upload=values.get("upload"),
            folder=values.get("folder", ""),
            s3=values.get("s3", ""),
            version=values.get("version"),
            a_side=values["a_side"],
            split=SplitChoice(
                kind=values["split_kind"] or SplitKind.KEPT,
                share=_number(values["split_share"], 10) / PER_CENT,
                test_share=_number(values["split_test_share"], 0) / PER_CENT,
                seed=_number(values["split_seed"], 0),
            ),
        )

    @property
    def kept_upload(self) -> Upload | None:
        """A whole upload that came with a form that was refused: it need not be sent again."""
        upload: Upload | None = getattr(self, "cleaned_data", {}).get("upload")
        return upload if upload is not None and upload.is_complete and not upload_is_taken(upload) else None

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
    """Other pictures for a dataset that is there, or those of one of its versions, divided anew."""

    version = forms.ModelChoiceField(
        queryset=DatasetVersion.objects.none(),
        required=False,
        label="Or the pictures of a version again",
        empty_label="None of them",
        help_text="To divide them another way, or to exchange the halves; nothing is uploaded again.",
    )
    places: ClassVar[tuple[str, ...]] = ("folder", "s3", "version")

    def __init__(self, *args: Any, user: User, dataset: Dataset, **kwargs: Any) -> None:
        """Offer the dataset's versions that are ready."""
        super().__init__(*args, user=user, **kwargs)
        self.dataset = dataset
        field = self.fields["version"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - for the types
        field.queryset = versions_ready().filter(dataset=dataset)
        if not field.queryset.exists():
            del self.fields["version"]

    def save(self) -> DatasetVersion | None:
        """Make the version; None, with the error in the form, when it cannot be."""
        try:
            return version_create(dataset=self.dataset, by=self.user, source=self.source())
        except DatasetRefused as refusal:
            self.add_error(refusal.field if refusal.field in self.fields else None, str(refusal))
            return None


def _number(value: int | None, default: int) -> int:
    return default if value is None else value


def _take(user: User, sent: UploadedFile[bytes]) -> Upload:
    """A file that came with the form, as an upload like any other."""
    upload = upload_begin(owner=user, filename=sent.name or "", size=sent.size or 0)
    for data in sent.chunks(CHUNK_LIMIT):
        upload_append(upload=upload, offset=upload.received, data=data)
    return upload
