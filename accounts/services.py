"""Writes on accounts."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from accounts.models import ApiToken, User

TOKEN_PREFIX = "mapgan_"  # noqa: S105 - a prefix that secret scanners can recognise, not a secret
LAST_USED_RESOLUTION = timedelta(minutes=1)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def api_token_create(*, user: User, name: str) -> tuple[ApiToken, str]:
    """Make a token. The second value is the token itself, shown once and never stored."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    hint = token[: len(TOKEN_PREFIX) + 4]
    return ApiToken.objects.create(user=user, name=name, token_hash=_hash(token), hint=hint), token


def api_token_use(*, token: str) -> ApiToken | None:
    """The token's row when it is valid and its owner active; notes the use (at most once a minute)."""
    row = (
        ApiToken.objects.select_related("user").filter(token_hash=_hash(token), user__is_active=True).first()
    )
    if row is None:
        return None
    now = timezone.now()
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - LAST_USED_RESOLUTION)
    ApiToken.objects.filter(stale, pk=row.pk).update(last_used_at=now)
    return row


def api_token_revoke(*, user: User, token_id: uuid.UUID) -> bool:
    """Delete one of the user's own tokens. False when there is none of that id."""
    deleted, _ = ApiToken.objects.filter(user=user, pk=token_id).delete()
    return deleted > 0
