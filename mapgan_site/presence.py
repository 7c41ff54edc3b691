"""Who is at work: every Celery process signs a list in the broker, and /healthz reads it.

The list is one sorted set of names with the time they last signed, by the broker's clock: the machines' own
clocks need not agree. A worker signs from a thread, because a
solo worker's own loop stands still while it translates. Beat signs when it has published something, so
that a beat that lives but does not tick is missed as well.
"""

from __future__ import annotations

import logging
import os
import platform
import threading
from typing import Any

import redis
from celery.signals import after_task_publish, beat_init, worker_ready, worker_shutting_down
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

KEY = "mapgan:presence"
EVERY_SECONDS = 5.0
FRESH_SECONDS = 20.0  # a part not heard of for so long is down

_stop = threading.Event()


def client(timeout: float = 1.0) -> redis.Redis:
    """A connection to the broker that gives up after `timeout` seconds and does not try again."""
    once = Retry(NoBackoff(), retries=0)
    return redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=timeout, socket_connect_timeout=timeout, retry=once
    )


def fresh_seconds(name: str) -> float:
    """How long a signature counts: beat signs as often as it ticks."""
    return FRESH_SECONDS + (settings.JOB_RECONCILE_SECONDS if name.startswith("beat@") else 0)


def sign(broker: redis.Redis, name: str) -> None:
    """Write `name` into the list now, and strike out who has been silent for an hour."""
    now = _now(broker)
    with broker.pipeline(transaction=False) as pipe:
        pipe.zadd(KEY, {name: now})
        pipe.zremrangebyscore(KEY, "-inf", now - 3600)
        pipe.execute()


def sign_off(broker: redis.Redis, name: str) -> None:
    """Strike `name` out: it stops in good order."""
    broker.zrem(KEY, name)


def heard_of(broker: redis.Redis) -> dict[str, float]:
    """Name -> seconds since it signed, of everybody in the list."""
    now = _now(broker)
    entries: Any = broker.zrange(KEY, 0, -1, withscores=True)
    return {name.decode(): max(0.0, now - score) for name, score in entries}


def _now(broker: redis.Redis) -> float:
    """Seconds since the epoch by the broker's clock."""
    answer: Any = broker.time()
    seconds, microseconds = answer
    return float(seconds) + float(microseconds) / 1e6


def _name(role: str) -> str:
    return f"{role}@{platform.node()}:{os.getpid()}"


def _keep_signing(names: list[str]) -> None:
    """Sign until the process stops. A broker that is away is no news here: the worker says it itself."""
    broker = client()
    while not _stop.is_set():
        for name in names:
            try:
                sign(broker, name)
            except redis.RedisError as error:
                logger.debug("could not sign the presence list: %s", error)
        _stop.wait(EVERY_SECONDS)
    for name in names:
        try:
            sign_off(broker, name)
        except redis.RedisError as error:
            logger.debug("could not sign off: %s", error)


@worker_ready.connect(weak=False)
def worker_signs(sender: Any, **_: Any) -> None:
    """A worker signs once for each queue it takes from: "translate@host:pid"."""
    names = [_name(queue) for queue in sender.app.amqp.queues.consume_from]
    threading.Thread(target=_keep_signing, args=(names,), name="presence", daemon=True).start()


@worker_shutting_down.connect(weak=False)
def worker_signs_off(**_: Any) -> None:
    """The thread strikes the names out on its way."""
    _stop.set()


@beat_init.connect(weak=False)
def beat_signs(**_: Any) -> None:
    """Beat signs after each message it has published."""
    broker = client()
    name = _name("beat")

    def on_publish(**_: Any) -> None:
        try:
            sign(broker, name)
        except redis.RedisError as error:
            logger.debug("could not sign the presence list: %s", error)

    after_task_publish.connect(on_publish, weak=False)
