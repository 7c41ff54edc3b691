"""Sweeps in the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from training_jobs.models import Method, Pruner, Sweep, SweepState
from training_jobs.search import AXES_LIMIT, LISTED_LIMIT, POINTS_LIMIT, SIZE_LIMIT, Axis
from training_jobs.serializers.runs import LARGEST, LaunchSerializer, RunSerializer
from training_jobs.services.sweeps import CONCURRENCY_LIMIT, Plan


@extend_schema_field(OpenApiTypes.NUMBER)
class NumberField(serializers.Field[Any, Any, Any, Any]):
    """A number as it came: settings tell whole ones from others."""

    def to_internal_value(self, data: Any) -> int | float:
        """Neither words nor switches."""
        if isinstance(data, bool) or not isinstance(data, int | float) or not abs(data) <= LARGEST:
            raise serializers.ValidationError("This is no number that a setting can have.")
        return data

    def to_representation(self, value: Any) -> Any:
        """As it is."""
        return value


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "boolean"}, {"type": "string"}]})
class ValueField(serializers.Field[Any, Any, Any, Any]):
    """A value of any setting."""

    def to_internal_value(self, data: Any) -> str | int | float | bool:
        """A number, a switch or a word."""
        if not isinstance(data, str | int | float | bool):
            raise serializers.ValidationError("This is no value that a setting can have.")
        if isinstance(data, str):
            if len(data) > 100 or "\x00" in data:
                raise serializers.ValidationError("This is no value that a setting can have.")
        elif not abs(data) <= LARGEST:
            raise serializers.ValidationError("This number is too large.")
        return data

    def to_representation(self, value: Any) -> Any:
        """As it is."""
        return value


class AxisSerializer(serializers.Serializer[Any]):
    """A setting that varies: a list of values, or everything from ``low`` to ``high``."""

    name = serializers.CharField(max_length=40)
    values = serializers.ListField(child=ValueField(), required=False, max_length=LISTED_LIMIT)
    low = NumberField(required=False)
    high = NumberField(required=False)
    log = serializers.BooleanField(default=False, help_text="Walk through a range by factors.")
    points = serializers.IntegerField(
        default=3, min_value=2, max_value=POINTS_LIMIT, help_text="Of a range in a grid."
    )

    def axis(self, values: dict[str, Any]) -> Axis:
        """Of its valid values."""
        return Axis(**{**values, "values": tuple(values.get("values", ()))})


class SweepSerializer(serializers.ModelSerializer[Sweep]):
    """A sweep."""

    status = serializers.ChoiceField(source="state", choices=SweepState.choices)
    url = serializers.HyperlinkedIdentityField(
        view_name="training-api:sweep", lookup_field="pk", lookup_url_kwarg="sweep_id"
    )
    dataset = serializers.CharField(source="dataset_version.dataset.name")
    created_by = serializers.CharField(source="created_by.username", default=None, allow_null=True)
    space = serializers.ListField(child=serializers.DictField(), help_text="The settings that vary.")
    settings = serializers.DictField(source="config", help_text="What all runs share.")
    launched = serializers.IntegerField(help_text="Runs so far.")
    ended = serializers.IntegerField(help_text="Of those, that are over.")
    failed = serializers.IntegerField(help_text="Of those, that failed.")

    class Meta:
        model = Sweep
        fields = [
            "id", "name", "status", "url", "dataset", "dataset_version", "method", "pruner", "size",
            "concurrency", "seed", "space", "settings", "launched", "ended", "failed", "problem",
            "created_by", "created_at", "finished_at",
        ]  # fmt: skip
        read_only_fields = fields


class SweepStartSerializer(LaunchSerializer):
    """A sweep to begin: what its runs share, and how it searches."""

    name = serializers.CharField(max_length=100)
    space = serializers.ListField(child=AxisSerializer(), min_length=1, max_length=AXES_LIMIT)
    method = serializers.ChoiceField(choices=Method.choices, default=Method.GRID)
    pruner = serializers.ChoiceField(choices=Pruner.choices, default=Pruner.NONE)
    size = serializers.IntegerField(
        default=12, min_value=1, max_value=SIZE_LIMIT, help_text="A grid has as many as combinations."
    )
    concurrency = serializers.IntegerField(default=1, min_value=1, max_value=CONCURRENCY_LIMIT)
    search_seed = serializers.IntegerField(default=0, min_value=0, max_value=2**31 - 1)

    def plan(self) -> Plan:
        """Of the valid values."""
        values = self.validated_data
        return Plan(
            axes=[AxisSerializer().axis(each) for each in values["space"]],
            method=values["method"],
            pruner=values["pruner"],
            size=values["size"],
            concurrency=values["concurrency"],
            seed=values["search_seed"],
        )


class SweepUpdateSerializer(serializers.Serializer[Any]):
    """Other numbers of runs."""

    size = serializers.IntegerField(required=False, min_value=1, max_value=SIZE_LIMIT)
    concurrency = serializers.IntegerField(required=False, min_value=1, max_value=CONCURRENCY_LIMIT)


class SweepDeleteSerializer(serializers.Serializer[Any]):
    """What becomes of its runs."""

    with_runs = serializers.BooleanField(default=False, help_text="Delete them with their files, too.")


class TrialSerializer(serializers.Serializer[Any]):
    """A trial of a sweep (`TrialRow`), with its run and its place by the rule for the best checkpoint."""

    number = serializers.IntegerField(source="trial.number")
    values = serializers.DictField(source="trial.values", help_text="Of the settings that vary.")
    place = serializers.IntegerField(allow_null=True, help_text="1 is the best; null: nothing measured.")
    best_step = serializers.IntegerField(source="standing.best.step", default=None, allow_null=True)
    measures = serializers.DictField(
        source="standing.best.measures", default=None, allow_null=True, child=serializers.FloatField()
    )
    pruned_step = serializers.IntegerField(source="trial.pruned_step", allow_null=True)
    refusal = serializers.CharField(source="trial.refusal", allow_blank=True)
    run = RunSerializer(source="trial.run", allow_null=True)
