"""Writes on publications."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction

from accounts.models import User
from jobs.services import job_enqueue
from training_jobs.models import Checkpoint, Publication, RunNote
from training_jobs.services.runs import RunRefused
from translator.models import Direction


@dataclass(frozen=True, kw_only=True)
class Offer:
    """How a checkpoint is offered; see `training_jobs.models.Publication`."""

    direction: str
    name: str
    title: str
    description: str = ""
    everyone: bool = False


def directions_of(checkpoint: Checkpoint) -> list[str]:
    """The directions a checkpoint can translate in."""
    return list(checkpoint.run.settings.directions)


def publication_request(*, checkpoint: Checkpoint, by: User, offer: Offer) -> Publication:
    """Have a checkpoint exported and imported into the translator.

    Raises:
        RunRefused: it did not learn this direction, or the name or title is not acceptable.
    """
    if offer.direction not in directions_of(checkpoint):
        raise RunRefused("This run does not learn that direction.", field="direction")
    row = Publication(checkpoint=checkpoint, created_by=by, **vars(offer))
    try:
        row.clean_fields(exclude=["created_by", "checkpoint", "generator"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise RunRefused(messages[0], field=field) from error
    with transaction.atomic():
        row.save(force_insert=True)
        RunNote.objects.create(
            run=checkpoint.run,
            by=by,
            attempt=checkpoint.attempt,
            step=checkpoint.step,
            kind="publish",
            message=f"Asked to publish step {checkpoint.step:,}, {Direction(offer.direction).label.lower()}, "
            f"as {offer.title}.",
        )
        job_enqueue(job=row)
    return row
