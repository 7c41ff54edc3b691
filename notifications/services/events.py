"""Recording what happened, and the fenced writes of its deliveries."""

from __future__ import annotations

import logging
import random
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from jobs.lifecycle import from_now
from notifications.models import Delivery, DeliveryState, Event, Topic
from notifications.selectors import endpoints_hearing, keys_known, mail_readers
from notifications.sources import SOURCES, News, Source, topic_of

logger = logging.getLogger(__name__)

WINDOW = timedelta(days=7)  # how long the maintenance worker may be away without losing news
KEPT = timedelta(days=90)  # much longer than the window, or old news would be found again
ALARM_QUIET = timedelta(hours=1)  # mail about alarms of one thing comes once in so long

CLAIM_SECONDS = 120.0  # a worker that dies while it sends is followed by another attempt after so long
RETRY_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)  # about three days in all
LOG_LENGTH = 12
OF_ONE_ENDPOINT = 4  # at a time: a dead one must not keep the others waiting


def events_collect() -> int:
    """Record everything that happened lately and is not recorded yet; returns how much that was."""
    since = timezone.now() - WINDOW
    recorded = 0
    for source in SOURCES:
        try:
            recorded += _collect(source, since)
        except DatabaseError:
            raise
        except Exception:  # what one app cannot tell must not silence the others
            logger.exception("News of one source could not be told.")
    return recorded


def _collect(source: Source, since: datetime) -> int:
    keys = source.keys(since)
    known = keys_known(keys)
    fresh = [key for key in keys if key not in known]
    return sum(event_record(news=news) is not None for news in (source.tell(fresh) if fresh else ()))


def event_record(*, news: News) -> Event | None:
    """The event and its deliveries, in one transaction; None when it is recorded already."""
    try:
        with transaction.atomic():
            event = Event.objects.create(
                key=news.key,
                kind=news.kind,
                about=news.about,
                owner_id=news.owner_id,
                title=news.title[:200],
                reason=news.reason,
                path=news.path,
                data=news.data,
                happened_at=news.at,
            )
            deliveries = [Delivery(event=event, endpoint=each) for each in endpoints_hearing(event.kind)]
            if not (news.quiet or _is_noise(event)):
                topic = topic_of(event.kind)
                deliveries += [
                    Delivery(event=event, user=user)
                    for user, preference in mail_readers()
                    if preference.wants(topic, event.owner_id)
                ]
            Delivery.objects.bulk_create(deliveries)
    except IntegrityError:
        return None  # another worker found it at the same time
    logger.info("Event %s: %d deliveries.", event, len(deliveries))
    return event


def _is_noise(event: Event) -> bool:
    """An alarm soon after another of the same run: whoever reads the first mail sees them all on the page."""
    if topic_of(event.kind) != Topic.ALARM:
        return False
    earlier = Event.objects.filter(about=event.about, kind=event.kind).exclude(pk=event.pk)
    near = Q(happened_at__gt=event.happened_at - ALARM_QUIET, happened_at__lte=event.happened_at)
    return earlier.filter(near).exists()


def deliveries_claim(*, most: int) -> list[Delivery]:
    """Take up to ``most`` deliveries that are due; nobody else sends them for `CLAIM_SECONDS`."""
    due = Delivery.objects.filter(state=DeliveryState.PENDING, next_attempt_at__lte=Now())
    claimed: list[Delivery] = []
    taken: Counter[Any] = Counter()
    for row in due.select_related("event", "endpoint", "user").order_by("next_attempt_at")[: most * 20]:
        if len(claimed) >= most:
            break
        if row.endpoint_id and taken[row.endpoint_id] >= OF_ONE_ENDPOINT:
            continue
        mine = due.filter(pk=row.pk, attempts=row.attempts)
        if mine.update(attempts=F("attempts") + 1, next_attempt_at=from_now(CLAIM_SECONDS)):
            row.attempts += 1
            taken[row.endpoint_id] += 1
            claimed.append(row)
    return claimed


def delivery_settle(
    *,
    delivery: Delivery,
    state: str,
    status: int | None = None,
    error: str = "",
    answer: str = "",
    ms: int = 0,
) -> None:
    """Write how an attempt ended. Nothing is written when somebody else has taken it since.

    Args:
        state: ``pending`` for another attempt, as long as there are any left.
    """
    entry = {
        "at": timezone.now().isoformat(timespec="seconds"),
        "status": status,
        "error": error,
        "answer": answer[:500],
        "ms": ms,
    }
    fields: dict[str, Any] = {"log": [*delivery.log, entry][-LOG_LENGTH:]}
    if state == DeliveryState.PENDING:
        left = delivery.attempts <= len(RETRY_SECONDS)
        state = DeliveryState.PENDING if left else DeliveryState.FAILED
        if left:
            wait = RETRY_SECONDS[delivery.attempts - 1] * random.uniform(0.9, 1.1)  # noqa: S311 - spreads load
            fields["next_attempt_at"] = from_now(wait)
    if state == DeliveryState.DELIVERED:
        fields["delivered_at"] = Now()
    mine = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts, state=DeliveryState.PENDING)
    mine.update(state=state, **fields)


def delivery_redeliver(*, delivery: Delivery) -> bool:
    """Send it once more, with a full set of attempts. False when it is on its way, or went by mail."""
    again = Delivery.objects.filter(pk=delivery.pk, endpoint__isnull=False)
    changed = again.exclude(state=DeliveryState.PENDING).update(
        state=DeliveryState.PENDING, attempts=0, next_attempt_at=Now(), delivered_at=None
    )
    delivery.refresh_from_db()
    return bool(changed)


def events_sweep() -> int:
    """Forget what is long past, with its deliveries; returns how many events that were."""
    old = Event.objects.filter(created_at__lt=timezone.now() - KEPT)
    count = old.count()
    old.delete()
    return count
