"""Sending what is due: mail over one connection, webhooks side by side. Threads here touch no database.

The maintenance worker has other things to do: a round ends after `ROUND_SECONDS`, and the next one goes on.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from queue import Empty, Queue
from time import monotonic, time

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db.models.functions import Now
from django.template.loader import render_to_string

from accounts.access import is_staff
from notifications import http, signing
from notifications.http import Answer
from notifications.models import Delivery, DeliveryState, Endpoint
from notifications.services import deliveries_claim, delivery_settle, endpoint_switch_off, events_collect

logger = logging.getLogger(__name__)

AT_ONCE = 8
ROUND_SECONDS = 12.0
WAIT_SECONDS = http.WHOLE_SECONDS + http.CONNECT_SECONDS * 2 + 1  # for a sender, before it counts as silent
GONE = 410  # "and will not be back"

Send = Callable[[], dict[str, Answer]]


def round_of_work() -> int:
    """Find news, then send what is due; returns how many were sent or tried."""
    events_collect()
    began, tried = monotonic(), 0
    while monotonic() - began < ROUND_SECONDS:
        claimed = deliveries_claim(most=AT_ONCE)
        if not claimed:
            break
        _send(claimed)
        tried += len(claimed)
    return tried


def _send(claimed: Sequence[Delivery]) -> None:
    wanted = [each for each in claimed if _is_wanted(each)]
    mails = [each for each in wanted if each.endpoint is None]
    sends = [_posting(each, each.endpoint) for each in wanted if each.endpoint is not None]
    if mails:
        sends.append(_mailing(mails))
    answers = _at_once(sends)
    for each in wanted:
        _settle(each, answers.get(str(each.pk)) or Answer(None, "No answer in time.", "", WAIT_SECONDS))


def _is_wanted(delivery: Delivery) -> bool:
    """Somebody may have been locked out, or an endpoint switched off, since it was queued."""
    if delivery.endpoint is not None:
        wanted = delivery.endpoint.is_active or delivery.event.about == str(delivery.endpoint_id)
    else:
        wanted = delivery.user is not None and is_staff(delivery.user) and bool(delivery.user.email)
    if not wanted:
        delivery_settle(delivery=delivery, state=DeliveryState.DROPPED, error="Not wanted any more.")
    return wanted


def _posting(delivery: Delivery, endpoint: Endpoint) -> Send:
    body = json.dumps(delivery.event.payload, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "MapGAN-Webhooks",
        **signing.headers(endpoint.secrets, f"msg_{delivery.event_id.hex}", int(time()), body),
    }
    url, number = endpoint.url, str(delivery.pk)
    return lambda: {number: http.post(url, body, headers, networks=settings.WEBHOOK_NETWORKS)}


def mail_about(delivery: Delivery) -> EmailMessage:
    """The mail: what happened, why, and where to look."""
    event = delivery.event
    word = {"finished": "Finished", "failed": "Failed", "alarm": "Alarm"}.get(
        event.kind.partition(".")[2], "News"
    )
    context = {
        "event": event,
        "url": settings.SITE_URL + event.path,
        "preferences": f"{settings.SITE_URL}/notifications/preferences/",
    }
    return EmailMessage(
        subject=f"[MapGAN] {word}: {' '.join(event.title.split())}",
        body=render_to_string("notifications/mail.txt", context),
        to=[delivery.user.email] if delivery.user else [],
        headers={"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"},
    )


def _mailing(mails: Sequence[Delivery]) -> Send:
    messages = [(str(each.pk), mail_about(each)) for each in mails]

    def send() -> dict[str, Answer]:
        began = monotonic()
        connection = get_connection()
        try:
            connection.open()
        except Exception as error:  # noqa: BLE001 - sockets, TLS and SMTP have many kinds of errors
            silent = _mail_refused(error, monotonic() - began)
            return {number: silent for number, _ in messages}
        answers: dict[str, Answer] = {}
        for number, message in messages:
            try:
                connection.send_messages([message])
                answers[number] = Answer(200, "", "", monotonic() - began)
            except Exception as error:  # noqa: BLE001 - one address that is refused stops no other
                answers[number] = _mail_refused(error, monotonic() - began)
        connection.close()
        return answers

    return send


def _mail_refused(error: Exception, seconds: float) -> Answer:
    words = f"The mail server did not take it ({type(error).__name__}). Look at EMAIL_URL."
    return Answer(None, words, str(error)[:300], seconds)


def _at_once(sends: Sequence[Send]) -> dict[str, Answer]:
    """What they answered. Who is not back in time is not waited for: its thread ends by itself."""
    arrived: Queue[dict[str, Answer]] = Queue()

    def work(send: Send) -> None:
        try:
            arrived.put(send())
        except Exception:  # the boundary of a thread: nothing may end it in silence
            logger.exception("A notification could not be sent.")
            arrived.put({})

    for send in sends:
        threading.Thread(target=work, args=(send,), name="notification", daemon=True).start()
    answers: dict[str, Answer] = {}
    deadline = monotonic() + WAIT_SECONDS
    for _ in sends:
        try:
            answers |= arrived.get(timeout=max(deadline - monotonic(), 0.01))
        except Empty:
            break
    return answers


def _settle(delivery: Delivery, answer: Answer) -> None:
    state = DeliveryState.DELIVERED if answer.ok else DeliveryState.PENDING
    endpoint = delivery.endpoint
    if endpoint is not None:
        rows = Endpoint.objects.filter(pk=endpoint.pk)
        if answer.ok:
            rows.exclude(failing_since=None).update(failing_since=None)
        else:
            rows.filter(failing_since=None).update(failing_since=Now())
        if answer.status == GONE:
            state = DeliveryState.FAILED
    delivery_settle(
        delivery=delivery,
        state=state,
        status=answer.status if endpoint is not None else None,
        error=answer.error,
        answer=answer.body,
        ms=round(answer.seconds * 1000),
    )
    if endpoint is not None and answer.status == GONE:
        endpoint_switch_off(endpoint=endpoint, reason="It answered 410: gone for good.")
    if not answer.ok:
        logger.warning("Delivery %s, attempt %d: %s", delivery.pk, delivery.attempts, answer.error)
