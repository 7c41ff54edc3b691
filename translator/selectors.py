"""Reads, with the access rules: a private translation is its owner's (and the staff's, who moderate)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.access import is_staff
from accounts.models import User
from jobs.models import JobState
from jobs.selectors import queue_pause_of, workers_alive
from translator.models import Direction, Generator, GeneratorState, Translation, Visibility

Person = User | AnonymousUser

WORKER_PATIENCE = timedelta(seconds=20)  # a worker that was just started has signed by then

IS_PUBLIC = Q(visibility=Visibility.PUBLIC, state=JobState.SUCCEEDED)


@dataclass(frozen=True)
class TranslationFilters:
    """What a list is narrowed to; None means no matter which.

    Attributes:
        person: a username.
        state: a `JobState`; the gallery only has succeeded ones.
    """

    generator: uuid.UUID | None = None
    direction: Direction | None = None
    person: str | None = None
    state: JobState | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> TranslationFilters:
        """Read a page's query string; a value that means nothing filters nothing."""
        names = ("generator", "direction", "person", "state")
        # PostgreSQL refuses texts with NUL in them.
        values = {name: query.get(name, "").replace("\0", "").strip() for name in names}
        try:
            generator = uuid.UUID(values["generator"]) if values["generator"] else None
        except ValueError:
            generator = None
        return cls(
            generator=generator,
            direction=Direction(values["direction"]) if values["direction"] in Direction.values else None,
            person=values["person"] or None,
            state=JobState(values["state"]) if values["state"] in JobState.values else None,
        )

    def apply(self, rows: QuerySet[Translation]) -> QuerySet[Translation]:
        """The rows that match."""
        if self.generator:
            rows = rows.filter(generator_id=self.generator)
        if self.direction:
            rows = rows.filter(generator__direction=self.direction)
        if self.person:
            rows = rows.filter(owner__username=self.person)
        if self.state:
            rows = rows.filter(state=self.state)
        return rows


NO_FILTERS = TranslationFilters()


def generators_offered(user: Person) -> QuerySet[Generator]:
    """The generators this person may choose: a direction's default first, a name's newest version first."""
    offered = [GeneratorState.PUBLISHED, *([GeneratorState.TRIAL] if is_staff(user) else [])]
    return Generator.objects.filter(state__in=offered)


def generators_behind(rows: QuerySet[Translation]) -> QuerySet[Generator]:
    """The generators that made these, retired ones too: what a list of them can be narrowed to."""
    return Generator.objects.filter(Exists(rows.order_by().filter(generator=OuterRef("pk"))))


def nobody_translates(translation: Translation) -> bool:
    """Whether it waits although its queue is open, because no living worker takes from it.

    The rows tell, not the broker: a page that asks every second must not wait for a server that is away.
    """
    if translation.state != JobState.QUEUED or timezone.now() - translation.queued_at < WORKER_PATIENCE:
        return False
    if queue_pause_of(Translation.QUEUE):
        return False
    return not any(Translation.QUEUE in worker.queues for worker in workers_alive())


def generator_visible(*, user: Person, generator_id: uuid.UUID) -> Generator:
    """A generator this person may look at: one that is offered, or a retired one whose results are around.

    Raises:
        Generator.DoesNotExist: there is none, or it is on trial.
    """
    rows = Generator.objects.all()
    if not is_staff(user):
        rows = rows.exclude(state=GeneratorState.TRIAL)
    return rows.get(pk=generator_id)


def generators_to_preload() -> list[Generator]:
    """The default of each direction."""
    return list(Generator.objects.filter(is_default=True))


def generators_without_sample_output() -> QuerySet[Generator]:
    """Those whose sample pair a worker has yet to complete."""
    rows = Generator.objects.exclude(state=GeneratorState.RETIRED)
    return rows.exclude(sample_input="").filter(sample_output="")


def _with_relations() -> QuerySet[Translation]:
    return Translation.objects.select_related("owner", "generator")


def translation_visible(*, user: Person, translation_id: uuid.UUID) -> Translation:
    """One translation that this person may see.

    Raises:
        Translation.DoesNotExist: there is none, or it is not for this person's eyes.
    """
    rows = _with_relations()
    if not is_staff(user):
        mine = Q(owner_id=user.pk) if user.is_authenticated else Q(pk=None)
        rows = rows.filter(IS_PUBLIC | mine)
    return rows.get(pk=translation_id)


def translation_owned(*, user: Person, translation_id: uuid.UUID) -> Translation:
    """One of this person's own translations.

    Raises:
        Translation.DoesNotExist: there is none, or it is another's.
    """
    if not user.is_authenticated:
        raise Translation.DoesNotExist
    return _with_relations().get(pk=translation_id, owner_id=user.pk)


def translation_managed(*, user: Person, translation_id: uuid.UUID) -> Translation:
    """One that this person may cancel, delete or hide: an own one; any, for staff.

    Raises:
        Translation.DoesNotExist: there is none, or it is another's.
    """
    if is_staff(user):
        return _with_relations().get(pk=translation_id)
    return translation_owned(user=user, translation_id=translation_id)


def translations_of(*, user: Person, filters: TranslationFilters = NO_FILTERS) -> QuerySet[Translation]:
    """This person's own translations, newest first."""
    if not user.is_authenticated:
        return Translation.objects.none()
    return filters.apply(_with_relations().filter(owner_id=user.pk))


def gallery(*, filters: TranslationFilters = NO_FILTERS) -> QuerySet[Translation]:
    """What everybody may see, newest first."""
    return filters.apply(_with_relations().filter(IS_PUBLIC))
