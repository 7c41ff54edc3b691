"""Reads. All of this is for staff: for anybody else there is nothing here."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.db.models import Model, OuterRef, Prefetch, QuerySet, Subquery

from accounts.models import User
from jobs.models import ACTIVE_STATES, JobState
from training_jobs import curves
from training_jobs.models import (
    Checkpoint,
    Dataset,
    DatasetVersion,
    Evaluation,
    Publication,
    Sweep,
    TimeLapse,
    TrainingRun,
    Upload,
)
from translator.models import Generator

Person = User | AnonymousUser
SHOWN_USERS: Final = 50
NOT_IN_LISTS: Final = ("log_tail", "facts", "usage", "baselines", "files", "columns", "error_details")
"""Columns of a run that may be large, and that no list of runs shows."""


@dataclass(frozen=True)
class Users:
    """What needs some versions.

    Attributes:
        rows: the first of them.
        count: how many there are.
    """

    rows: Sequence[Model]
    count: int

    def __bool__(self) -> bool:
        return self.count > 0


def may_train(user: Person) -> bool:
    """Whether this person sees datasets and training at all."""
    return bool(user.is_active and user.is_staff)


def datasets_visible(user: Person) -> QuerySet[Dataset]:
    """Every dataset, with its newest version in ``newest``; none for anybody but staff."""
    if not may_train(user):
        return Dataset.objects.none()
    newest = DatasetVersion.objects.filter(dataset=OuterRef("dataset")).order_by("-number").values("pk")[:1]
    return Dataset.objects.select_related("created_by").prefetch_related(
        Prefetch(
            "versions",
            queryset=DatasetVersion.objects.filter(pk=Subquery(newest)).select_related("created_by"),
            to_attr="newest_versions",
        )
    )


def dataset_visible(*, user: Person, dataset_id: uuid.UUID) -> Dataset:
    """One of them.

    Raises:
        Dataset.DoesNotExist: there is none, or none for this person.
    """
    return datasets_visible(user).get(pk=dataset_id)


def version_visible(*, user: Person, version_id: uuid.UUID) -> DatasetVersion:
    """One version.

    Raises:
        DatasetVersion.DoesNotExist: there is none, or none for this person.
    """
    if not may_train(user):
        raise DatasetVersion.DoesNotExist
    return DatasetVersion.objects.select_related("dataset", "created_by").get(pk=version_id)


def versions_users(versions: Iterable[DatasetVersion], *, most: int = SHOWN_USERS) -> Users:
    """What needs them: other versions that are still to be taken from their pictures, sweeps, runs, and the
    publications of their checkpoints; at most so many are loaded, with what names them and nothing else."""
    keys = [version.pk for version in versions]
    taken = DatasetVersion.objects.filter(taken_from__in=keys, state__in=ACTIVE_STATES).exclude(pk__in=keys)
    publications = Publication.objects.filter(checkpoint__run__dataset_version__in=keys)
    kinds: list[QuerySet[Any]] = [
        taken.select_related("dataset").only("number", "dataset__name"),
        Sweep.objects.filter(dataset_version__in=keys).only("name"),
        TrainingRun.objects.filter(dataset_version__in=keys).only("name"),
        publications.select_related("checkpoint__run").only("title", "state", "checkpoint__run__name"),
    ]
    rows: list[Model] = []
    for kind in kinds:
        rows += kind[: most - len(rows)]
    return Users(rows, len(rows) if len(rows) < most else sum(kind.count() for kind in kinds))


def versions_alike(version: DatasetVersion) -> QuerySet[DatasetVersion]:
    """Other versions of the very same bytes, in any dataset."""
    alike = DatasetVersion.objects.filter(archive_sha256=version.archive_sha256).exclude(archive_sha256="")
    return alike.exclude(pk=version.pk).select_related("dataset")


def version_numbered(*, user: Person, dataset_id: uuid.UUID, number: int) -> DatasetVersion:
    """One version, by its number.

    Raises:
        DatasetVersion.DoesNotExist: there is none, or none for this person.
    """
    if not may_train(user):
        raise DatasetVersion.DoesNotExist
    versions = DatasetVersion.objects.select_related("dataset", "created_by")
    return versions.get(dataset_id=dataset_id, number=number)


def dataset_versions(dataset: Dataset) -> QuerySet[DatasetVersion]:
    """All of a dataset's, the newest first."""
    return dataset.versions.select_related("created_by", "taken_from")


def versions_ready() -> QuerySet[DatasetVersion]:
    """What can be trained on."""
    return DatasetVersion.objects.filter(state=JobState.SUCCEEDED).select_related("dataset")


def runs_visible(user: Person) -> QuerySet[TrainingRun]:
    """Every run, newest first; none for anybody but staff."""
    if not may_train(user):
        return TrainingRun.objects.none()
    return TrainingRun.objects.select_related("dataset_version__dataset", "created_by")


def run_visible(*, user: Person, run_id: uuid.UUID) -> TrainingRun:
    """One run.

    Raises:
        TrainingRun.DoesNotExist: there is none, or none for this person.
    """
    return runs_visible(user).get(pk=run_id)


def checkpoint_visible(*, user: Person, checkpoint_id: uuid.UUID) -> Checkpoint:
    """One checkpoint.

    Raises:
        Checkpoint.DoesNotExist: there is none, or none for this person.
    """
    if not may_train(user):
        raise Checkpoint.DoesNotExist
    return Checkpoint.objects.select_related("run__dataset_version__dataset").get(pk=checkpoint_id)


def checkpoints_all(user: Person) -> QuerySet[Checkpoint]:
    """Every checkpoint, those of the newest run first; none for anybody but staff."""
    if not may_train(user):
        return Checkpoint.objects.none()
    rows = Checkpoint.objects.select_related("run").defer(*(f"run__{name}" for name in NOT_IN_LISTS))
    return rows.order_by("-run__created_at", "run", "step")


def checkpoints_visible(*, user: Person, checkpoint_ids: Sequence[uuid.UUID]) -> list[Checkpoint]:
    """Several, in the order of their ids; those that are not there (any more) are left out."""
    if not may_train(user):
        return []
    rows = Checkpoint.objects.select_related("run__dataset_version__dataset").in_bulk(list(checkpoint_ids))
    return [rows[each] for each in dict.fromkeys(checkpoint_ids) if each in rows]


def evaluations_of(checkpoints: Iterable[Checkpoint]) -> list[Evaluation]:
    """Theirs, the oldest first."""
    ids = [each.pk for each in checkpoints]
    return list(Evaluation.objects.filter(checkpoint__in=ids).order_by("created_at", "id"))


def evaluations_visible(user: Person) -> QuerySet[Evaluation]:
    """Every evaluation, newest first; none for anybody but staff."""
    if not may_train(user):
        return Evaluation.objects.none()
    rows = Evaluation.objects.select_related("checkpoint__run", "created_by")
    return rows.defer(*(f"checkpoint__run__{name}" for name in NOT_IN_LISTS))


def timelapse_of(run: TrainingRun, direction: str) -> TimeLapse | None:
    """A run's moving picture in a direction, if one was asked for."""
    return TimeLapse.objects.filter(run=run, direction=direction).first()


def publications_visible(user: Person) -> QuerySet[Publication]:
    """Every publication, newest first; none for anybody but staff."""
    if not may_train(user):
        return Publication.objects.none()
    rows = Publication.objects.select_related("checkpoint__run", "generator", "created_by")
    return rows.defer(*(f"checkpoint__run__{name}" for name in NOT_IN_LISTS))


def publication_visible(*, user: Person, publication_id: uuid.UUID) -> Publication:
    """One publication.

    Raises:
        Publication.DoesNotExist: there is none, or none for this person.
    """
    return publications_visible(user).get(pk=publication_id)


def versions_of(generator: Generator) -> list[tuple[Generator, Publication | None]]:
    """All versions of its name, the newest first, each with the publication that made it, if one did."""
    versions = list(Generator.objects.filter(name=generator.name).order_by("-version"))
    made = Publication.objects.filter(generator__in=versions).select_related("checkpoint__run")
    by_generator = {each.generator_id: each for each in made}
    return [(version, by_generator.get(version.pk)) for version in versions]


def curve_tail(run: TrainingRun, rows: int) -> tuple[curves.Steps, curves.Values]:
    """The last rows of its curves, at most a few more than ``rows``."""
    newest = run.chunks.order_by("-first_step").values_list("data", "rows")[:2]
    packed = [(bytes(data), count) for data, count in reversed(newest)]
    steps, values = curves.join(packed, len(run.columns))
    return steps[-rows:], values[-rows:]


def publications_of(run: TrainingRun) -> QuerySet[Publication]:
    """What was or is being published of a run, newest first."""
    return Publication.objects.filter(checkpoint__run=run).select_related("checkpoint", "generator")


def upload_owned(*, user: Person, upload_id: uuid.UUID) -> Upload:
    """An upload of one's own.

    Raises:
        Upload.DoesNotExist: there is none, or it is another's.
    """
    if not may_train(user):
        raise Upload.DoesNotExist
    return Upload.objects.get(pk=upload_id, owner_id=user.pk)


def uploads_waiting(*, user: Person) -> QuerySet[Upload]:
    """One's own uploads that no version has taken, the newest first."""
    taken = DatasetVersion.objects.filter(upload__isnull=False).values("upload_id")
    return Upload.objects.filter(owner_id=user.pk).exclude(pk__in=taken)


def upload_is_taken(upload: Upload) -> bool:
    """Whether a version was made of it."""
    return DatasetVersion.objects.filter(upload=upload).exists()


def upload_is_awaited(upload: Upload) -> bool:
    """Whether a version that is queued or at work has to read it."""
    return DatasetVersion.objects.filter(upload=upload, state__in=ACTIVE_STATES).exists()


def uploads_in_use() -> QuerySet[DatasetVersion, uuid.UUID | None]:
    """Ids of the uploads that a version still has to read."""
    waiting = DatasetVersion.objects.filter(upload__isnull=False)
    return waiting.filter(state__in=[*ACTIVE_STATES, JobState.FAILED, JobState.CANCELLED]).values_list(
        "upload_id", flat=True
    )
