"""Training runs in the API."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.models import JobState
from jobs.selectors import queue_position
from mapgan.config import MODELS, ConfigError, TrainConfig, settings
from mapgan.presets import PRESETS, preset
from training_jobs.models import Dataset, DatasetVersion, RunNote, TrainingRun
from training_jobs.run_forms import HIDDEN
from training_jobs.run_selectors import RUN_ORDERS, RUN_STATES, RunFilters
from translator.serializers import ErrorSerializer

LARGEST: Final = 2**53  # what every reader of JSON keeps exactly
ORDERS: Final = {name or "newest": words for name, words in RUN_ORDERS.items()}


class RunSerializer(serializers.ModelSerializer[TrainingRun]):
    """A run, as lists show it."""

    status = serializers.SerializerMethodField()
    url = serializers.HyperlinkedIdentityField(
        view_name="training-api:run", lookup_field="pk", lookup_url_kwarg="run_id"
    )
    dataset = serializers.CharField(source="dataset_version.dataset.name")
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    model = serializers.ChoiceField(source="config.model", choices=MODELS)
    preset = serializers.CharField(source="config.preset")
    steps = serializers.IntegerField()
    error = serializers.SerializerMethodField()
    sweep = serializers.SerializerMethodField()

    class Meta:
        model = TrainingRun
        fields = [
            "id", "name", "status", "url", "dataset", "dataset_version", "model", "preset", "step", "steps",
            "epoch", "progress", "stage", "images_per_second", "eta_seconds", "memory_bytes", "alarms",
            "attempt", "resumed_step", "cancel_requested", "error", "sweep", "cloned_from", "created_by",
            "created_at", "started_at", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(serializers.ChoiceField(choices=list(RUN_STATES)))
    def get_status(self, run: TrainingRun) -> str:
        """``paused`` is a queued run that waits for a person."""
        return "paused" if run.is_paused else run.state

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, run: TrainingRun) -> dict[str, str] | None:
        """Null unless it failed."""
        if run.state != JobState.FAILED:
            return None
        return {"code": run.error_code, "message": run.error_message}

    @extend_schema_field(serializers.UUIDField(allow_null=True))
    def get_sweep(self, run: TrainingRun) -> str | None:
        """The sweep that launched it, if one did."""
        trial = getattr(run, "trial", None)
        return None if trial is None else str(trial.sweep_id)


class RunDetailSerializer(RunSerializer):
    """A run with its settings."""

    queue_position = serializers.SerializerMethodField()
    settings = serializers.DictField(source="config", help_text="Every setting of the library.")

    class Meta(RunSerializer.Meta):
        fields = [*RunSerializer.Meta.fields, "queue_position", "settings", "facts", "baselines", "columns"]
        read_only_fields = fields

    def get_queue_position(self, run: TrainingRun) -> int | None:
        """1 is next; null when it does not wait."""
        return queue_position(job=run)


class RunFilterSerializer(serializers.Serializer[Any]):
    """What a list of runs is narrowed to, and its order."""

    q = serializers.CharField(required=False, max_length=100, help_text="A part of the name.")
    status = serializers.ChoiceField(choices=list(RUN_STATES), required=False)
    dataset = serializers.UUIDField(required=False)
    model = serializers.ChoiceField(choices=MODELS, required=False)
    sort = serializers.ChoiceField(choices=list(ORDERS), required=False)

    def to_filters(self) -> RunFilters:
        """For the selector.

        Raises:
            Dataset.DoesNotExist: there is none.
        """
        values = self.validated_data
        dataset = Dataset.objects.get(pk=values["dataset"]) if "dataset" in values else None
        sort = values.get("sort", "")
        return RunFilters(
            text=values.get("q", ""),
            state=values.get("status", ""),
            dataset=dataset,
            model=values.get("model", ""),
            sort="" if sort == "newest" else sort,
        )


class SettingsField(serializers.DictField):
    """Settings of the library by name; what they take is checked by the library."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Numbers that fit a row."""
        values: dict[str, Any] = super().to_internal_value(data)
        for name, value in values.items():
            if isinstance(value, int | float) and not abs(value) <= LARGEST:
                raise serializers.ValidationError({name: ["This number is too large."]})
        return values


class LaunchSerializer(serializers.Serializer[Any]):
    """What a run or a sweep begins with: a preset or another run, and the settings that differ from it."""

    name = serializers.CharField(max_length=120)
    dataset_version = serializers.PrimaryKeyRelatedField(queryset=DatasetVersion.objects.all())
    model = serializers.ChoiceField(choices=MODELS, default="pix2pix", help_text="Of the preset.")
    preset = serializers.ChoiceField(choices=list(PRESETS), default="draft")
    clone = serializers.PrimaryKeyRelatedField(
        queryset=TrainingRun.objects.all(),
        required=False,
        allow_null=True,
        help_text="A run whose settings are taken instead of a preset's.",
    )
    settings = SettingsField(
        default=dict, help_text="Other values than there; with other steps, a preset's decay keeps its share."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The library has the last word on settings; adds ``config``."""
        changes, parent = attrs["settings"], attrs.get("clone")
        for name in HIDDEN:
            if name in changes:
                raise serializers.ValidationError({"settings": {name: ["This is no setting of a run."]}})
        try:
            if parent is not None:
                attrs["config"] = TrainConfig.from_dict({**parent.config, **changes})
            else:
                attrs["config"] = preset(attrs["preset"], model=attrs["model"], **changes)
        except ConfigError as error:
            name = str(error).split(maxsplit=1)[0]
            faults: Any = {name: [str(error)]} if name in settings() else [str(error)]
            raise serializers.ValidationError({"settings": faults}) from error
        return attrs


class ExtendSerializer(serializers.Serializer[Any]):
    """More steps for a run."""

    steps = serializers.IntegerField(min_value=1, max_value=100_000_000, help_text="In all.")


class EstimateSerializer(serializers.Serializer[Any]):
    """What a run would cost, after one like it or, where there is none, as the networks' shapes say."""

    steps = serializers.IntegerField()
    passes = serializers.FloatField(help_text="Over the dataset.", allow_null=True)
    checkpoints = serializers.IntegerField(help_text="That a complete run leaves.")
    seconds = serializers.FloatField(allow_null=True, help_text="Null: no run like it has been here.")
    disk_bytes = serializers.IntegerField()
    memory_bytes = serializers.IntegerField()
    after = serializers.UUIDField(
        source="after.pk", default=None, allow_null=True, help_text="The run that says so."
    )


class CurveQuerySerializer(serializers.Serializer[Any]):
    """Which part of the curves."""

    first = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1, help_text="Step.")
    last = serializers.IntegerField(required=False, min_value=0, max_value=2**31 - 1, help_text="Step.")
    points = serializers.IntegerField(default=2_000, min_value=50, max_value=2_000, help_text="At most.")


class CurvesSerializer(serializers.Serializer[Any]):
    """Curves as columns, thinned so that every peak stays."""

    columns = serializers.ListField(child=serializers.CharField())
    steps = serializers.ListField(child=serializers.IntegerField())
    values = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField(allow_null=True)),
        help_text="A list for each column, a figure for each step.",
    )
    step = serializers.IntegerField(help_text="Of the run.")


class NoteSerializer(serializers.ModelSerializer[RunNote]):
    """A line of a run's story."""

    by = serializers.CharField(source="by.username", default=None, allow_null=True)

    class Meta:
        model = RunNote
        fields = ["at", "kind", "message", "step", "attempt", "by"]
