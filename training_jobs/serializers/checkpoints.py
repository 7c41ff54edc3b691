"""Checkpoints, their evaluations and publications in the API."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from jobs.models import JobState
from training_jobs.models import Checkpoint, Evaluation, Publication
from training_jobs.services.evaluations import TILES_LIMIT
from translator.models import GeneratorState
from translator.serializers import ErrorSerializer, GeneratorBriefSerializer


class CheckpointSerializer(serializers.ModelSerializer[Checkpoint]):
    """A stored checkpoint."""

    measures = serializers.DictField(help_text="While it trained, by direction; empty until measured.")
    best_in = serializers.SerializerMethodField(
        help_text="Directions in which it is its run's best by the library's rule, on the tiles measured "
        "while it trained."
    )
    url = serializers.HyperlinkedIdentityField(
        view_name="training-api:checkpoint", lookup_field="pk", lookup_url_kwarg="checkpoint_id"
    )

    class Meta:
        model = Checkpoint
        fields = [
            "id", "run", "step", "size_bytes", "weights_sha256", "pinned", "measures", "best_in", "url",
            "created_at",
        ]  # fmt: skip

    def get_best_in(self, checkpoint: Checkpoint) -> list[str]:
        """Of its run's checkpoints."""
        best: dict[Any, list[str]] = self.context.get("best", {})
        return best.get(checkpoint.pk, [])


class CheckpointFilterSerializer(serializers.Serializer[Any]):
    """What lists can be narrowed to."""

    run = serializers.UUIDField(required=False)


class PinSerializer(serializers.Serializer[Any]):
    """Whether retention leaves it alone."""

    pinned = serializers.BooleanField()


class EvaluateSerializer(serializers.Serializer[Any]):
    """On how many held-out tiles."""

    tiles = serializers.IntegerField(
        min_value=0, max_value=TILES_LIMIT, default=0, help_text="At most; 0 for all."
    )


class JobSerializer(serializers.ModelSerializer[Any]):
    """What every job shows."""

    status = serializers.ChoiceField(source="state", choices=JobState.choices)
    error = serializers.SerializerMethodField()

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, job: Evaluation | Publication) -> dict[str, str] | None:
        """Null unless it failed."""
        if job.state != JobState.FAILED:
            return None
        return {"code": job.error_code, "message": job.error_message}


JOB_FIELDS = ["id", "status", "progress", "stage", "error", "created_at", "started_at", "finished_at"]


class EvaluationSerializer(JobSerializer):
    """An evaluation."""

    result = serializers.DictField(
        help_text="Tiles, measures and 95 % intervals by direction, and what the baselines score; empty "
        "until it is done."
    )
    url = serializers.HyperlinkedIdentityField(
        view_name="training-api:evaluation", lookup_field="pk", lookup_url_kwarg="evaluation_id"
    )

    class Meta:
        model = Evaluation
        fields = [*JOB_FIELDS, "checkpoint", "tiles", "result", "url"]


class PublicationSerializer(JobSerializer):
    """A publication."""

    generator = GeneratorBriefSerializer(allow_null=True)
    offered = serializers.SerializerMethodField(help_text="To whom its generator is offered; null before.")
    parity = serializers.DictField(
        help_text="How far the file is from its network: `largest` and `mean` in levels of 255, on `tiles`."
    )
    url = serializers.HyperlinkedIdentityField(
        view_name="training-api:publication", lookup_field="pk", lookup_url_kwarg="publication_id"
    )

    class Meta:
        model = Publication
        fields = [
            *JOB_FIELDS, "checkpoint", "direction", "name", "title", "description", "limits", "attribution",
            "flat_colours", "everyone", "parity", "generator", "offered", "url",
        ]  # fmt: skip

    def get_offered(self, publication: Publication) -> str | None:
        """Its generator's state."""
        return publication.generator.state if publication.generator else None


class CardSerializer(serializers.Serializer[Any]):
    """What a generator's card says."""

    title = serializers.CharField(max_length=120)
    description = serializers.CharField(max_length=4000, allow_blank=True, default="")
    limits = serializers.CharField(max_length=4000, allow_blank=True, default="")
    attribution = serializers.CharField(max_length=200, allow_blank=True, default="")


class PublishSerializer(CardSerializer):
    """How a checkpoint is offered."""

    direction = serializers.RegexField(
        "^(?:map2sat|sat2map|both)$",
        help_text="`map2sat`, `sat2map`, or `both`: that makes two publications, whose names end in their "
        "direction.",
    )
    name = serializers.CharField(max_length=64, help_text="a-z, 0-9, dot, dash and underscore.")
    flat_colours = serializers.BooleanField(
        default=False,
        help_text="Of maps: what is drawn near to a common colour of the training maps becomes that colour.",
    )
    everyone = serializers.BooleanField(default=False)


class OfferSerializer(serializers.Serializer[Any]):
    """To whom a generator is offered."""

    state = serializers.ChoiceField(
        choices=GeneratorState.choices,
        help_text="Publishing an earlier version again rolls back to it: the one before retires.",
    )
