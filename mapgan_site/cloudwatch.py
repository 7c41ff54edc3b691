"""Queue lengths as Amazon CloudWatch metrics: what an auto-scaling group of workers grows and shrinks by.

Nothing here runs unless MAPGAN_CLOUDWATCH_NAMESPACE is set. The figures come from the database, which knows
what waits; the broker only has hints. ``Waiting`` leaves out what nobody may take now: held jobs and paused
queues. ``Backlog`` adds what runs, so that a group is not shrunk under a worker that is busy.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.db.models import Count

from jobs.models import NEVER, JobState, QueuePause
from jobs.selectors import job_models, queues

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef

logger = logging.getLogger(__name__)

PATIENCE = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "max_attempts": 2})


def queue_lengths() -> dict[str, tuple[int, int]]:
    """Queue -> (waiting, running), of every queue there is."""
    waiting: Counter[str] = Counter()
    running: Counter[str] = Counter()
    for model in job_models():
        rows = model._default_manager.exclude(state=JobState.QUEUED, not_before=NEVER)
        counts = rows.order_by().values_list("state").annotate(number=Count("pk"))
        by_state = dict(counts.filter(state__in=(JobState.QUEUED, JobState.RUNNING)))
        waiting[model.QUEUE] += by_state.get(JobState.QUEUED, 0)
        running[model.QUEUE] += by_state.get(JobState.RUNNING, 0)
    paused = set(QueuePause.objects.filter(resumed_at=None).values_list("queue", flat=True))
    return {name: (0 if name in paused else waiting[name], running[name]) for name in queues()}


def publish_queue_lengths() -> bool:
    """Send the figures of this moment; False when Amazon could not be told, which the next minute mends."""
    data: list[MetricDatumTypeDef] = []
    for queue, (waiting, running) in queue_lengths().items():
        for name, value in (("Waiting", waiting), ("Running", running), ("Backlog", waiting + running)):
            dimensions = [{"Name": "Queue", "Value": queue}]
            data.append({"MetricName": name, "Dimensions": dimensions, "Value": value, "Unit": "Count"})  # type: ignore[typeddict-item]
    try:
        client = boto3.client("cloudwatch", region_name=settings.S3["region_name"], config=PATIENCE)
        client.put_metric_data(Namespace=settings.CLOUDWATCH_NAMESPACE, MetricData=data)
    except (BotoCoreError, ClientError) as error:
        logger.warning(
            "Queue lengths could not be sent to CloudWatch (MAPGAN_CLOUDWATCH_NAMESPACE): %s", error
        )
        return False
    return True
