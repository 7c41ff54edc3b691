"""Writes on publications, and on the generators that came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F

from accounts.models import User
from jobs.services import job_cancel, job_enqueue, job_retry
from mapgan.config import ConfigError
from training_jobs.models import Checkpoint, Publication, RunNote
from training_jobs.services.audit import log_changed
from training_jobs.services.runs import RunRefused
from translator.models import Direction, Generator, GeneratorState
from translator.services import CardText, generator_describe, generator_set_state

NAME_LIMIT = 64


@dataclass(frozen=True, kw_only=True)
class Offer:
    """How a checkpoint is offered; see `training_jobs.models.Publication`."""

    direction: str
    name: str
    title: str
    description: str = ""
    limits: str = ""
    attribution: str = ""
    flat_colours: bool = False
    everyone: bool = False


def directions_of(checkpoint: Checkpoint) -> list[str]:
    """The directions a checkpoint can translate in.

    Raises:
        RunRefused: this version of the library does not know its run's settings, and could not export it.
    """
    try:
        return list(checkpoint.run.settings.directions)
    except ConfigError as error:
        message = f"This version of the library does not know the settings of its run: {error}."
        raise RunRefused(message) from error


def publication_request(*, checkpoint: Checkpoint, by: User, offer: Offer) -> Publication:
    """Have a checkpoint exported and imported into the translator.

    Raises:
        RunRefused: it did not learn this direction, or the name or title is not acceptable.
    """
    return publications_request(checkpoint=checkpoint, by=by, offers=[offer])[0]


def both_directions(offer: Offer, directions: Sequence[str]) -> list[Offer]:
    """One offer for each direction, under names of their own: a name has one direction for ever."""
    return [
        replace(offer, direction=each, name=f"{offer.name[: NAME_LIMIT - len(each) - 1]}-{each}")
        for each in directions
    ]


def publications_request(*, checkpoint: Checkpoint, by: User, offers: Sequence[Offer]) -> list[Publication]:
    """Several directions of a checkpoint in one action: all of them are asked for, or none.

    Raises:
        RunRefused: as `publication_request`.
    """
    rows = [_checked(checkpoint, by, offer) for offer in offers]
    with transaction.atomic():
        for row in rows:
            row.save(force_insert=True)
            direction = Direction(row.direction).label.lower()
            _note(
                row, by, "publish", f"Asked to publish step {checkpoint.step:,}, {direction}, as {row.title}."
            )
            job_enqueue(job=row)
    return rows


def publication_cancel(*, publication: Publication, by: User) -> bool:
    """Stop it. False when it had finished already."""
    changed = job_cancel(job=publication)
    if changed:
        _note(publication, by, "publish", f"Cancelled the publication of {publication.title}.")
    return changed


def publication_retry(*, publication: Publication, by: User) -> bool:
    """Try a failed or cancelled one again. False in any other state, or when its checkpoint is gone."""
    changed = publication.checkpoint_id is not None and job_retry(job=publication)
    if changed:
        _note(publication, by, "publish", f"Asked once more to publish {publication.title}.")
    return changed


def publication_describe(*, publication: Publication, by: User, text: CardText) -> None:
    """Change what its card says, before it is a generator or after.

    Raises:
        RunRefused: a text is missing or too long.
    """
    row = publication
    for name, value in vars(text).items():
        setattr(row, name, value)
    _clean(row)
    with transaction.atomic():
        row.save(update_fields=list(vars(text)))
        row.refresh_from_db(fields=["generator"])
        if row.generator is not None:
            generator_describe(generator=row.generator, text=text)
        _note(row, by, "card", f"Changed what the card of {row.title} says.")


def publication_offer(*, publication: Publication, by: User, state: GeneratorState) -> None:
    """Who is offered its generator: staff on trial, everybody, nobody any more.

    Offering an earlier version to everybody again is how one rolls back: the one before retires.

    Raises:
        RunRefused: it has not become a generator.
    """
    if publication.generator is None:
        raise RunRefused("It has not become a generator yet.")
    generator_offer(generator=publication.generator, by=by, state=state)


def generator_offer(*, generator: Generator, by: User, state: GeneratorState) -> None:
    """The same for any version of a generator, also one that no training of this site made."""
    generator_set_state(generator=generator, state=state)
    words = {
        GeneratorState.PUBLISHED: "Offered to everybody",
        GeneratorState.TRIAL: "Offered to staff, on trial",
        GeneratorState.RETIRED: "Retired",
    }
    made = Publication.objects.filter(generator=generator)
    publication = made.order_by(F("checkpoint_id").asc(nulls_last=True)).first()
    if publication is not None:
        _note(publication, by, "offer", f"{words[state]}: {generator}.")
    else:
        log_changed(generator, by, f"{words[state]}.")


def _note(publication: Publication, by: User, kind: str, message: str) -> None:
    """In its run's story, at its checkpoint; in the log, where that is gone."""
    checkpoint = publication.checkpoint
    if checkpoint is None:
        log_changed(publication, by, message)
        return
    RunNote.objects.create(
        run=checkpoint.run,
        by=by,
        attempt=checkpoint.attempt,
        step=checkpoint.step,
        kind=kind,
        message=message,
    )


def _checked(checkpoint: Checkpoint, by: User, offer: Offer) -> Publication:
    if offer.direction not in directions_of(checkpoint):
        raise RunRefused("This run does not learn that direction.", field="direction")
    row = Publication(checkpoint=checkpoint, created_by=by, **vars(offer))
    _clean(row)
    other = Generator.objects.filter(name=offer.name).exclude(direction=offer.direction).first()
    if other is not None:
        message = f"{offer.name} is a generator of the other direction. Choose another short name."
        raise RunRefused(message, field="name")
    return row


def _clean(row: Publication) -> None:
    try:
        row.clean_fields(exclude=["created_by", "checkpoint", "generator", "parity"])
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise RunRefused(messages[0], field=field) from error
