"""The API's objects: what comes in is checked here, what goes out is shaped here."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from accounts.access import is_staff
from jobs.models import JobState
from jobs.selectors import queue_position
from translator.models import Direction, Generator, Translation, Visibility
from translator.selectors import TranslationFilters
from translator.services.translations import SEEDS


class ProblemFaultSerializer(serializers.Serializer[Any]):
    """One thing wrong with the input."""

    field = serializers.CharField(allow_blank=True, help_text="Empty when it is about the whole request.")
    code = serializers.CharField()
    message = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="A stable word for programs.")
    errors = ProblemFaultSerializer(many=True, required=False)  # type: ignore[assignment]  # a field


class GeneratorBriefSerializer(serializers.ModelSerializer[Generator]):
    """A generator, as a translation names it."""

    class Meta:
        model = Generator
        fields = ["id", "name", "title", "direction", "version"]


class GeneratorSerializer(serializers.ModelSerializer[Generator]):
    """A generator that translations can be asked of."""

    card = serializers.DictField(help_text="What the file says of itself: training, metrics, licence.")
    url = serializers.HyperlinkedIdentityField(
        view_name="api:generator", lookup_field="pk", lookup_url_kwarg="generator_id"
    )
    attribution = serializers.CharField(source="owed_to", help_text="Whom its training data is owed to.")
    sample_input_url = serializers.SerializerMethodField()
    sample_output_url = serializers.SerializerMethodField()

    class Meta:
        model = Generator
        fields = [
            "id", "name", "title", "direction", "version", "description", "limits", "attribution",
            "state", "is_default", "sha256", "size_bytes", "card", "url",
            "sample_input_url", "sample_output_url", "created_at",
        ]  # fmt: skip

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_sample_input_url(self, generator: Generator) -> str | None:
        """A picture it was tried on."""
        return self._sample(generator, "input") if generator.sample_input else None

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_sample_output_url(self, generator: Generator) -> str | None:
        """What it made of it; comes a little after an import."""
        return self._sample(generator, "output") if generator.sample_output else None

    def _sample(self, generator: Generator, kind: str) -> str:
        place = {"generator_id": generator.pk, "kind": kind}
        return reverse("api:generator-sample", kwargs=place, request=self.context["request"])


class ErrorSerializer(serializers.Serializer[Any]):
    """Why a translation failed."""

    code = serializers.CharField()
    message = serializers.CharField()


class TranslationSerializer(serializers.ModelSerializer[Translation]):
    """A translation, as lists show it."""

    status = serializers.ChoiceField(source="state", choices=JobState.choices)
    generator = GeneratorBriefSerializer()
    owner = serializers.CharField(source="owner.username", help_text="A username.")
    filename = serializers.SerializerMethodField()
    elapsed_seconds = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    url = serializers.HyperlinkedIdentityField(
        view_name="api:translation", lookup_field="pk", lookup_url_kwarg="translation_id"
    )
    original_url = serializers.SerializerMethodField()
    original_thumbnail_url = serializers.SerializerMethodField()
    result_url = serializers.SerializerMethodField()
    result_thumbnail_url = serializers.SerializerMethodField()

    class Meta:
        model = Translation
        fields = [
            "id", "status", "url", "progress", "stage", "cancel_requested", "error", "generator",
            "visibility", "owner", "filename", "width", "height", "source_format", "source_bytes",
            "result_bytes", "seed", "original_url", "original_thumbnail_url", "result_url",
            "result_thumbnail_url", "created_at", "started_at", "finished_at", "elapsed_seconds",
            "seconds_decode", "seconds_model", "seconds_store",
        ]  # fmt: skip

    def get_filename(self, translation: Translation) -> str | None:
        """The upload's name, for its owner; others get null, because names tell of people."""
        user = self.context["request"].user
        return translation.filename if translation.owner_id == user.pk or is_staff(user) else None

    def get_elapsed_seconds(self, translation: Translation) -> float | None:
        """Of the last attempt."""
        return None if translation.elapsed is None else translation.elapsed.total_seconds()

    @extend_schema_field(ErrorSerializer(allow_null=True))
    def get_error(self, translation: Translation) -> dict[str, str] | None:
        """Null unless it failed."""
        if translation.state != JobState.FAILED:
            return None
        return {"code": translation.error_code, "message": translation.error_message}

    @extend_schema_field(serializers.URLField())
    def get_original_url(self, translation: Translation) -> str:
        """The upload, upright and without metadata (PNG)."""
        return self._file(translation, "original")

    @extend_schema_field(serializers.URLField())
    def get_original_thumbnail_url(self, translation: Translation) -> str:
        """WebP, at most 320 pixels a side."""
        return self._file(translation, "original-thumbnail")

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_result_url(self, translation: Translation) -> str | None:
        """The translation, in the upload's size (PNG); null until it succeeded."""
        return self._file(translation, "result") if translation.result else None

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_result_thumbnail_url(self, translation: Translation) -> str | None:
        """WebP, at most 320 pixels a side; null until it succeeded."""
        return self._file(translation, "result-thumbnail") if translation.result_thumbnail else None

    def _file(self, translation: Translation, kind: str) -> str:
        place = {"translation_id": translation.pk, "kind": kind}
        return reverse("api:translation-file", kwargs=place, request=self.context["request"])


class TranslationDetailSerializer(TranslationSerializer):
    """A translation by itself: with its place in the queue, which a list would count for every row."""

    queue_position = serializers.SerializerMethodField()

    class Meta(TranslationSerializer.Meta):
        fields = [*TranslationSerializer.Meta.fields, "queue_position"]

    def get_queue_position(self, translation: Translation) -> int | None:
        """1 is next; null unless queued."""
        return queue_position(job=translation)


class SubmitSerializer(serializers.Serializer[Any]):
    """A picture to translate. Its declared type and name decide nothing."""

    image = serializers.FileField(help_text="PNG, JPEG, WebP or TIFF.")
    generator = serializers.UUIDField(help_text="The id of a generator on offer.")
    visibility = serializers.ChoiceField(choices=Visibility.choices, default=Visibility.PRIVATE)
    seed = serializers.IntegerField(
        min_value=0, max_value=SEEDS - 1, required=False, help_text="Drawn when left out; equal seeds repeat."
    )


class VisibilitySerializer(serializers.Serializer[Any]):
    """Who sees a translation."""

    visibility = serializers.ChoiceField(choices=Visibility.choices)


class GalleryFilterSerializer(serializers.Serializer[Any]):
    """What the gallery can be narrowed to."""

    generator = serializers.UUIDField(required=False)
    direction = serializers.ChoiceField(choices=Direction.choices, required=False)
    person = serializers.CharField(required=False, max_length=150, help_text="A username.")

    def to_filters(self) -> TranslationFilters:
        """For the selectors."""
        values = self.validated_data
        return TranslationFilters(
            generator=values.get("generator"),
            direction=values.get("direction"),
            person=values.get("person"),
            state=values.get("status"),
        )


class OwnFilterSerializer(GalleryFilterSerializer):
    """What one's own list can be narrowed to."""

    person = None  # type: ignore[assignment]  # removes the inherited field
    status = serializers.ChoiceField(choices=JobState.choices, required=False)
