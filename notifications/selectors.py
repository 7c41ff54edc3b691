"""Reads. The pages are for staff: for anybody else there is nothing here."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from accounts.access import is_staff
from accounts.models import User
from notifications.models import Delivery, DeliveryState, Endpoint, Event, Preference

Person = User | AnonymousUser


def preference_of(user: User) -> Preference:
    """What mail this person wants; what everybody wants when they never said."""
    return Preference.objects.filter(user=user).first() or Preference(user=user)


def mail_readers() -> Iterable[tuple[User, Preference]]:
    """Staff with an address, and what they want."""
    people = User.objects.filter(is_active=True, is_staff=True).exclude(email="")
    for user in people.select_related("notification_preference"):
        yield user, getattr(user, "notification_preference", None) or Preference(user=user)


def endpoints_visible(user: Person) -> QuerySet[Endpoint]:
    """Every endpoint; none for anybody but staff."""
    if not is_staff(user):
        return Endpoint.objects.none()
    return Endpoint.objects.select_related("created_by")


def endpoint_visible(*, user: Person, endpoint_id: uuid.UUID) -> Endpoint:
    """One of them.

    Raises:
        Endpoint.DoesNotExist: there is none, or none for this person.
    """
    return endpoints_visible(user).get(pk=endpoint_id)


def endpoints_hearing(kind: str) -> list[Endpoint]:
    """Those that are on and want this kind."""
    return [each for each in Endpoint.objects.filter(is_active=True) if kind in each.kinds]


def deliveries_visible(user: Person) -> QuerySet[Delivery]:
    """Every delivery, newest first; none for anybody but staff."""
    if not is_staff(user):
        return Delivery.objects.none()
    return Delivery.objects.select_related("event", "endpoint", "user")


def delivery_visible(*, user: Person, delivery_id: uuid.UUID) -> Delivery:
    """One of them.

    Raises:
        Delivery.DoesNotExist: there is none, or none for this person.
    """
    return deliveries_visible(user).get(pk=delivery_id)


def deliveries_pending() -> QuerySet[Delivery]:
    """What is still to be sent."""
    return Delivery.objects.filter(state=DeliveryState.PENDING)


def keys_known(keys: Iterable[str]) -> set[str]:
    """Which of these are recorded already."""
    return set(Event.objects.filter(key__in=list(keys)).values_list("key", flat=True))
