"""What the site does now and then by itself, in the maintenance worker."""

from celery import shared_task
from django.core.management import call_command


@shared_task(name="mapgan_site.clear_sessions")
def clear_sessions() -> None:
    """Delete sessions that have run out."""
    call_command("clearsessions")
