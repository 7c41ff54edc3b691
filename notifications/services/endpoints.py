"""Writes on endpoints by people, and on what mail a person wants."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from accounts.models import User
from notifications.models import Delivery, DeliveryState, Endpoint, Event, Preference
from notifications.signing import make_secret
from notifications.sources import TEST

OLD_SECRET_SIGNS = timedelta(days=1)


def endpoint_create(*, by: User, name: str, url: str, kinds: Sequence[str]) -> tuple[Endpoint, str]:
    """A new endpoint. The second value is its secret, to be shown once."""
    secret = make_secret()
    row = Endpoint.objects.create(name=name, url=url, kinds=list(kinds), secret=secret, created_by=by)
    return row, secret


def endpoint_update(
    *, endpoint: Endpoint, name: str, url: str, kinds: Sequence[str], is_active: bool
) -> None:
    """What a person edits. Switched on, it begins afresh; switched off, what waits for it is dropped."""
    fields = {"name": name, "url": url, "kinds": list(kinds), "is_active": is_active}
    if is_active:
        fields |= {"switched_off": ""}
    Endpoint.objects.filter(pk=endpoint.pk).update(**fields)
    if not is_active:
        _drop_waiting(endpoint)
    endpoint.refresh_from_db()


def endpoint_switch_off(*, endpoint: Endpoint, reason: str) -> None:
    """It said that it is gone for good."""
    Endpoint.objects.filter(pk=endpoint.pk).update(is_active=False, switched_off=reason)
    _drop_waiting(endpoint)


def _drop_waiting(endpoint: Endpoint) -> None:
    waiting = Delivery.objects.filter(endpoint=endpoint, state=DeliveryState.PENDING)
    waiting.update(state=DeliveryState.DROPPED)


def endpoint_new_secret(*, endpoint: Endpoint) -> str:
    """Another secret, to be shown once; for a day messages are signed with the old one, too."""
    secret = make_secret()
    Endpoint.objects.filter(pk=endpoint.pk).update(
        old_secret=F("secret"), old_secret_until=timezone.now() + OLD_SECRET_SIGNS, secret=secret
    )
    endpoint.refresh_from_db()
    return secret


def endpoint_delete(*, endpoint: Endpoint) -> None:
    """With the log of what was sent there."""
    endpoint.delete()


def endpoint_test(*, endpoint: Endpoint, by: User) -> Delivery:
    """Send it an event of its own, whatever kinds it hears."""
    number = uuid.uuid4()
    event = Event.objects.create(
        key=f"{TEST.name}:{number}",
        kind=TEST.name,
        about=str(endpoint.pk),
        owner=by,
        title=f"Test of {endpoint.name}"[:200],
        reason=f"{by.username} sent this test.",
        path=endpoint.get_absolute_url(),
        data={"message": "This is a test.", "sent_by": by.username},
        happened_at=timezone.now(),
    )
    return Delivery.objects.create(event=event, endpoint=endpoint)


def preference_save(
    *, user: User, scope: str, on_finish: bool, on_failure: bool, on_alarm: bool
) -> Preference:
    """What mail this person wants from now on."""
    wishes = {"scope": scope, "on_finish": on_finish, "on_failure": on_failure, "on_alarm": on_alarm}
    return Preference.objects.update_or_create(user=user, defaults=wishes)[0]
