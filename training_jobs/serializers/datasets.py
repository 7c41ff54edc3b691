"""Datasets and their versions in the API."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from jobs.models import JobState
from jobs.selectors import queue_position
from training_jobs.models import Dataset, DatasetVersion, Side, SplitKind, Upload
from training_jobs.services import About, Source, SplitChoice
from training_jobs.services.datasets import LARGEST_SEED, LOCATION_LIMIT
from translator.serializers import ErrorSerializer

SHEETS = {"sheet_a": "a", "sheet_b": "b", "sheet_problems": "problems"}


class SplitSerializer(serializers.Serializer[Any]):
    """How the pictures are divided."""

    kind = serializers.ChoiceField(
        choices=SplitKind.choices,
        default=SplitKind.KEPT,
        help_text="kept: val/ or test/ of the pictures, or each run's own share. grouped: drawn once for all "
        "runs; tiles of the same ground stay on one side.",
    )
    share = serializers.FloatField(
        default=0.1, min_value=0.001, max_value=0.999, help_text="For validation (grouped)."
    )
    test_share = serializers.FloatField(
        default=0.0, min_value=0, max_value=0.998, help_text="Kept for a last test (grouped)."
    )
    seed = serializers.IntegerField(default=0, min_value=0, max_value=LARGEST_SEED)


class SplitCountsSerializer(serializers.Serializer[Any]):
    """Tiles of each side, by domain: pairs, or A and B."""

    train = serializers.DictField(child=serializers.IntegerField())
    val = serializers.DictField(child=serializers.IntegerField())
    test = serializers.DictField(child=serializers.IntegerField())


class MadeSplitSerializer(SplitSerializer):
    """How they were divided, and what came of it."""

    counts = SplitCountsSerializer(allow_null=True, help_text="Null unless grouped and examined.")


class SourceSerializer(serializers.Serializer[Any]):
    """Where pictures come from: name exactly one of upload, folder, s3 and version."""

    upload = serializers.UUIDField(required=False, help_text="The id of a complete upload of yours.")
    folder = serializers.CharField(
        required=False, max_length=LOCATION_LIMIT, help_text="Of the server, inside its configured roots."
    )
    s3 = serializers.CharField(
        required=False, max_length=LOCATION_LIMIT, help_text="s3://bucket/prefix, inside the configured ones."
    )
    a_side = serializers.ChoiceField(
        choices=Side.choices, default=Side.LEFT, help_text="The aerial half, where one picture holds both."
    )
    split = SplitSerializer(required=False)

    PLACES: ClassVar[tuple[str, ...]] = ("upload", "folder", "s3")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One place, and only one."""
        if sum(name in attrs for name in self.PLACES) != 1:
            message = f"Name exactly one of {', '.join(self.PLACES)}."
            raise serializers.ValidationError({self.PLACES[0]: [message]}, "invalid")
        return attrs

    def to_source(self, *, upload: Upload | None, version: DatasetVersion | None = None) -> Source:
        """For the services; who may use what is decided there."""
        values = self.validated_data
        return Source(
            upload=upload,
            folder=values.get("folder", ""),
            s3=values.get("s3", ""),
            version=version,
            a_side=values["a_side"],
            split=SplitChoice(**values.get("split", {})),
        )


class NewVersionSerializer(SourceSerializer):
    """Other pictures for a dataset, or those of one of its versions, divided anew."""

    version = serializers.IntegerField(
        required=False, min_value=1, help_text="The number of a version that is ready."
    )

    PLACES: ClassVar[tuple[str, ...]] = ("upload", "folder", "s3", "version")


class AboutSerializer(serializers.ModelSerializer[Dataset]):
    """What is said of a dataset."""

    class Meta:
        model = Dataset
        fields = ["name", "description", "attribution", "licence", "ground_resolution"]
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "name": {"validators": []}
        }  # the service says that it is taken

    def validate_ground_resolution(self, value: float | None) -> float | None:
        """A finite number."""
        if value is not None and not value < float("inf"):
            raise serializers.ValidationError("Write a number.", "invalid")
        return value

    def to_about(self, dataset: Dataset | None = None) -> About:
        """For the services: what is sent, over what was there."""
        before = {name: getattr(dataset, name) for name in self.Meta.fields} if dataset else {}
        return About(**{**before, **self.validated_data})


class NewDatasetSerializer(AboutSerializer, SourceSerializer):
    """A new dataset with its pictures."""

    class Meta(AboutSerializer.Meta):
        fields = [*AboutSerializer.Meta.fields, "upload", "folder", "s3", "a_side", "split"]

    def to_about(self, dataset: Dataset | None = None) -> About:
        """Without the pictures' part."""
        values = self.validated_data
        return About(**{name: values[name] for name in AboutSerializer.Meta.fields if name in values})


class VersionSerializer(serializers.ModelSerializer[DatasetVersion]):
    """One state of a dataset's pictures; once it is examined it never changes."""

    status = serializers.ChoiceField(source="state", choices=JobState.choices)
    split = serializers.SerializerMethodField()
    pairs = serializers.SerializerMethodField()
    findings = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username", default=None, help_text="A username.")
    url = serializers.SerializerMethodField()
    report_url = serializers.SerializerMethodField()
    sheet_urls = serializers.SerializerMethodField()

    class Meta:
        model = DatasetVersion
        fields = [
            "id", "number", "status", "progress", "stage", "cancel_requested", "error", "source", "location",
            "a_side", "split", "pairs", "findings", "archive_bytes", "archive_sha256", "url", "report_url",
            "sheet_urls", "created_by", "created_at", "started_at", "finished_at",
        ]  # fmt: skip

    @extend_schema_field(MadeSplitSerializer)
    def get_split(self, version: DatasetVersion) -> dict[str, Any]:
        """How it is divided."""
        return {
            "kind": version.split_kind,
            "share": version.split_share,
            "test_share": version.split_test_share,
            "seed": version.split_seed,
            "counts": version.summary.get("split"),
        }

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_pairs(self, version: DatasetVersion) -> dict[str, int]:
        """Usable pairs by the pictures' own splits; empty until examined. A flat set's key is ``all``."""
        counts: dict[str, int] = version.summary.get("pairs", {})
        return {split or "all": count for split, count in counts.items()}

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_findings(self, version: DatasetVersion) -> dict[str, int]:
        """How many findings of each severity; empty until examined."""
        found: dict[str, int] = version.summary.get("findings", {})
        return found

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, version: DatasetVersion) -> dict[str, str] | None:
        """Null unless its examination failed."""
        if version.state != JobState.FAILED:
            return None
        return {"code": version.error_code, "message": version.error_message}

    @extend_schema_field(serializers.URLField())
    def get_url(self, version: DatasetVersion) -> str:
        """Where it is."""
        return self._address(version, "version")

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_report_url(self, version: DatasetVersion) -> str | None:
        """The doctor's whole report (JSON); null until examined."""
        return self._address(version, "version-report") if version.report else None

    @extend_schema_field(serializers.DictField(child=serializers.URLField()))
    def get_sheet_urls(self, version: DatasetVersion) -> dict[str, str]:
        """Grids of small pictures (WebP); the report's ``sheets`` says what is where."""
        return {
            kind: self._address(version, "version-sheet", kind=kind)
            for column, kind in SHEETS.items()
            if getattr(version, column)
        }

    def _address(self, version: DatasetVersion, name: str, **more: str) -> str:
        place = {"dataset_id": version.dataset_id, "number": version.number, **more}
        return reverse(f"training-api:{name}", kwargs=place, request=self.context["request"])


class VersionDetailSerializer(VersionSerializer):
    """A version by itself: with its place in the queue, which a list would count for every row."""

    queue_position = serializers.SerializerMethodField()

    class Meta(VersionSerializer.Meta):
        fields = [*VersionSerializer.Meta.fields, "queue_position"]

    def get_queue_position(self, version: DatasetVersion) -> int | None:
        """1 is next; null unless queued."""
        return queue_position(job=version)


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    """A dataset, with its newest version."""

    newest_version = serializers.SerializerMethodField()
    created_by = serializers.CharField(source="created_by.username", default=None, help_text="A username.")
    url = serializers.HyperlinkedIdentityField(
        view_name="training-api:dataset", lookup_field="pk", lookup_url_kwarg="dataset_id"
    )
    versions_url = serializers.HyperlinkedIdentityField(
        view_name="training-api:versions", lookup_field="pk", lookup_url_kwarg="dataset_id"
    )

    class Meta:
        model = Dataset
        fields = [
            "id", "name", "description", "attribution", "licence", "ground_resolution", "newest_version",
            "url", "versions_url", "created_by", "created_at",
        ]  # fmt: skip

    @extend_schema_field(VersionSerializer(allow_null=True))
    def get_newest_version(self, dataset: Dataset) -> Any:
        """The one with the highest number."""
        newest: list[DatasetVersion] = getattr(dataset, "newest_versions", [])
        return VersionSerializer(newest[0], context=self.context).data if newest else None
