"""What the site does now and then by itself, in the maintenance worker."""

from celery import shared_task
from django.core.management import call_command

from mapgan_site import cloudwatch


@shared_task(name="mapgan_site.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that have run out."""
    call_command("clearsessions")


@shared_task(name="mapgan_site.publish_queue_lengths")
def publish_queue_lengths() -> None:
    """Tell Amazon CloudWatch how much waits; only where MAPGAN_CLOUDWATCH_NAMESPACE asks for it."""
    cloudwatch.publish_queue_lengths()
