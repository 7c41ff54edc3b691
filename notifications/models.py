"""What happened, who wants to hear of it, and how telling them went."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone


class Topic(models.TextChoices):
    """What a person can wish to hear of."""

    FINISH = "finish", "It finished"
    FAILURE = "failure", "It failed"
    ALARM = "alarm", "The watchdog raised an alarm"
    TEST = "test", "A test"


class Scope(models.TextChoices):
    """Whose runs a person hears of."""

    NONE = "none", "No mail"
    MINE = "mine", "Runs that I started"
    ALL = "all", "Every run"


class DeliveryState(models.TextChoices):
    """Where one message to one receiver stands."""

    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Given up"
    DROPPED = "dropped", "Not wanted any more"


class Preference(models.Model):
    """What mail a member of the staff wants. Without a row: everything about the runs they started."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notification_preference"
    )
    scope = models.CharField(max_length=4, choices=Scope.choices, default=Scope.MINE)
    on_finish = models.BooleanField(default=True)
    on_failure = models.BooleanField(default=True)
    on_alarm = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(scope__in=Scope.values), name="notifications_preference_scope_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.get_scope_display().lower()}"

    def wants(self, topic: str, owner_id: int | None) -> bool:
        """Whether this person wants mail about this."""
        wished = {Topic.FINISH: self.on_finish, Topic.FAILURE: self.on_failure, Topic.ALARM: self.on_alarm}
        mine = self.scope == Scope.ALL or (self.scope == Scope.MINE and owner_id == self.user_id)
        return mine and wished.get(Topic(topic), False)


class Endpoint(models.Model):
    """Where webhooks go. The secret signs them and is shown once; its forerunner signs as well for a day."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80)
    url = models.CharField(max_length=500)
    kinds = models.JSONField(default=list, help_text="Names of the kinds of events it hears.")
    is_active = models.BooleanField(default=True)
    secret = models.CharField(max_length=100, editable=False)
    old_secret = models.CharField(max_length=100, blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True)
    switched_off = models.CharField(
        max_length=200, blank=True, help_text="Why it was switched off by itself."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["name", "created_at"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its page."""
        return reverse("notifications:endpoint", args=[self.pk])

    @property
    def secrets(self) -> list[str]:
        """Those that sign now, the newest first."""
        old = [self.old_secret] if self.old_secret_until and self.old_secret_until > timezone.now() else []
        return [self.secret, *old]


class Event(models.Model):
    """Something that happened, recorded once however often it is found (`key`)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    key = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=60)
    about = models.CharField(max_length=60, help_text="Id of what it happened to.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    title = models.CharField(max_length=200)
    reason = models.TextField()
    path = models.CharField(max_length=300)
    data = models.JSONField(default=dict)
    happened_at = models.DateTimeField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="notifications_newest"),
            models.Index(fields=["about", "kind", "-happened_at"], name="notifications_about"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.title}"

    @property
    def payload(self) -> dict[str, Any]:
        """What a webhook carries."""
        return {"type": self.kind, "timestamp": self.happened_at.isoformat(), "data": self.data}


class Delivery(models.Model):
    """One event on its way to one receiver: a person's mailbox or an endpoint.

    Delivered at least once: a worker that dies between sending and writing sends again.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    endpoint = models.ForeignKey(
        Endpoint, on_delete=models.CASCADE, null=True, blank=True, related_name="deliveries", db_index=False
    )
    state = models.CharField(max_length=9, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)
    log = models.JSONField(
        default=list, blank=True, help_text="The last attempts: at, status, error, ms, answer."
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state=DeliveryState.PENDING),
                name="notifications_due",
            ),
            models.Index(fields=["endpoint", "-created_at"], name="notifications_of_endpoint"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=DeliveryState.values), name="notifications_delivery_state_known"
            ),
            models.CheckConstraint(
                condition=Q(user=None, endpoint__isnull=False) | Q(user__isnull=False, endpoint=None),
                name="notifications_delivery_one_receiver",
            ),
            models.UniqueConstraint(fields=["event", "user"], name="notifications_mail_once"),
            models.UniqueConstraint(fields=["event", "endpoint"], name="notifications_webhook_once"),
        ]

    def __str__(self) -> str:
        return f"{self.event_id} ({self.state})"

    @property
    def channel(self) -> str:
        """How it goes."""
        return "webhook" if self.endpoint_id else "mail"

    @property
    def last(self) -> dict[str, Any]:
        """The last attempt; empty before the first."""
        return dict(self.log[-1]) if self.log else {}

    @property
    def can_redeliver(self) -> bool:
        """It is not on its way, so sending it again would change something."""
        return self.state != DeliveryState.PENDING and self.endpoint_id is not None
