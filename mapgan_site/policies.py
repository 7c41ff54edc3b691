"""Longer pieces of the settings, each with its reasons: security policy, storage, queue, API, logging."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from mapgan_site import addresses

S3_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# What can stand before a host: with a dot in it, no certificate covers the whole name.
S3_HOST_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("text", "json")


def content_security_policy() -> dict[str, Any]:
    """Everything from this site, nothing inline, nobody frames us."""
    return {
        "DIRECTIVES": {
            "default-src": ["'self'"],
            "script-src": ["'self'"],
            "style-src": ["'self'"],
            "img-src": ["'self'", "data:", "blob:"],
            "connect-src": ["'self'"],
            "object-src": ["'none'"],
            "base-uri": ["'self'"],
            "form-action": ["'self'"],
            "frame-ancestors": ["'none'"],
        }
    }


def allow_images_from(policy: dict[str, Any], origin: str) -> None:
    """Let pictures come from one more origin: the S3 server that file views redirect to."""
    policy["DIRECTIVES"]["img-src"].append(origin)


def local_storage(folder: Path) -> dict[str, Any]:
    """Files on this disk. There is no URL: they leave through views that check who asks."""
    return {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": folder,
            "base_url": None,
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    }


def s3_storage(s3: dict[str, Any], *, link_seconds: int) -> dict[str, Any]:
    """A private bucket: signed requests, no ACL, links that live for a minute, nothing overwritten.

    Without a key, boto3 looks where it always does: AWS_ variables, its own files, the machine's role.
    """
    key, secret, prefix = s3["access_key"], s3["secret_key"], s3["location"]
    if not s3["bucket_name"]:
        raise ImproperlyConfigured("MAPGAN_STORAGE=s3 needs MAPGAN_S3_BUCKET.")
    if bool(key) != bool(secret):
        missing = "MAPGAN_S3_SECRET_ACCESS_KEY" if key else "MAPGAN_S3_ACCESS_KEY_ID"
        raise ImproperlyConfigured(
            f"{missing} is missing. Give the key and its secret, or neither: then the machine's role is used."
        )
    if not re.fullmatch(r"([\w!.-]+(/[\w!.-]+)*)?", prefix, re.ASCII) or ".." in prefix:
        raise ImproperlyConfigured(
            "MAPGAN_S3_PREFIX is letters, digits and ! _ . - with single slashes between: sites/maps"
        )
    if s3["kms_key"] and s3["encryption"] != "aws:kms":
        raise ImproperlyConfigured("MAPGAN_S3_KMS_KEY_ID needs MAPGAN_S3_ENCRYPTION=aws:kms.")
    return {
        "BACKEND": "storage.s3.PrivateS3Storage",
        "OPTIONS": {
            **s3,
            "addressing_style": "virtual" if _bucket_in_host(s3) else "path",
            "security_token": None,
            "session_profile": None,
            "signature_version": "s3v4",
            "default_acl": None,
            "file_overwrite": False,
            "querystring_auth": True,
            "querystring_expire": link_seconds,
        },
    }


def s3_prefixes(places: list[str]) -> list[tuple[str, str]]:
    """Buckets and prefixes of ``s3://bucket/prefix``; a prefix ends with a slash, or is empty."""
    found = []
    for place in places:
        scheme, separator, rest = place.partition("://")
        bucket, _, prefix = rest.partition("/")
        parts = prefix.strip("/").split("/")
        if scheme != "s3" or not separator or not S3_BUCKET.fullmatch(bucket) or {".", ".."} & set(parts):
            raise ImproperlyConfigured(
                f"MAPGAN_DATASET_S3_PREFIXES: write s3://bucket/prefix, not {place!r}."
            )
        found.append((bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""))
    return found


def dataset_s3(own: dict[str, str], ours: dict[str, Any]) -> dict[str, Any]:
    """How to reach the S3 server that datasets are imported from.

    Another server is not shown our keys: with an endpoint or one key of its own, both keys must be its own.
    Without any, they are ours, or what boto3 finds.
    """
    if own["endpoint_url"]:
        addresses.origin(own["endpoint_url"], variable="MAPGAN_DATASET_S3_ENDPOINT_URL")
    keys = {
        "access_key": "MAPGAN_DATASET_S3_ACCESS_KEY_ID",
        "secret_key": "MAPGAN_DATASET_S3_SECRET_ACCESS_KEY",
    }
    apart = any(own[key] for key in ("endpoint_url", *keys))
    missing = [variable for key, variable in keys.items() if not own[key]]
    if apart and missing:
        raise ImproperlyConfigured(f"An S3 server for datasets needs {' and '.join(missing)}, too.")
    return {key: value or ours[key] or None for key, value in own.items()}


def _bucket_in_host(s3: dict[str, Any]) -> bool:
    """Whether links say ``https://bucket.host`` instead of ``https://host/bucket``.

    ``auto`` is settled here. Left to botocore, a link to Amazon names the host of all regions, which answers
    with a redirect that the browser's policy does not know.
    """
    style = s3["addressing_style"]
    amazon = not (s3["endpoint_url"] or s3["public_endpoint_url"])
    wanted = style == "virtual" or (style == "auto" and amazon)
    return wanted and S3_HOST_LABEL.fullmatch(s3["bucket_name"]) is not None


def s3_origin(s3: dict[str, Any]) -> str:
    """The origin that presigned links point to, as the browser's policy names it."""
    region = s3["region_name"]
    origin = f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
    for key, variable in (
        ("endpoint_url", "MAPGAN_S3_ENDPOINT_URL"),
        ("public_endpoint_url", "MAPGAN_S3_PUBLIC_ENDPOINT_URL"),
    ):
        if s3[key]:
            origin = addresses.origin(s3[key], variable=variable)
    scheme, host = origin.split("://")
    before = _bucket_in_host(s3) and not addresses.is_numeric(host)
    return f"{scheme}://{s3['bucket_name']}.{host}" if before else origin


def celery(*, reconcile_seconds: float) -> dict[str, Any]:
    """How Celery carries ids. The database holds the jobs: a lost message costs seconds, never a job."""
    return {
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_RESULT_SERIALIZER": "json",
        "CELERY_ACCEPT_CONTENT": ["json"],
        "CELERY_TASK_IGNORE_RESULT": True,
        "CELERY_TASK_ACKS_LATE": True,
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
        # A job whose worker lost the broker goes on: its row, not its message, says who owns it.
        "CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS": False,
        "CELERY_WORKER_ENABLE_REMOTE_CONTROL": False,  # mapgan_site.presence tells who lives
        "CELERY_WORKER_HIJACK_ROOT_LOGGER": False,
        "CELERY_TASK_DEFAULT_QUEUE": "maintenance",
        "CELERY_TASK_ROUTES": {
            "translator.translate": {"queue": "translate"},
            "translator.*": {"queue": "maintenance"},
            "notifications.*": {"queue": "maintenance"},
            "training_jobs.examine": {"queue": "data"},
            "training_jobs.publish": {"queue": "data"},
            "training_jobs.draw_timelapse": {"queue": "data"},
            "training_jobs.evaluate": {"queue": "evaluate"},
            "training_jobs.train": {"queue": "train"},
            "training_jobs.*": {"queue": "maintenance"},
            "jobs.*": {"queue": "maintenance"},
            "mapgan_site.*": {"queue": "maintenance"},
        },
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_BROKER_CONNECTION_MAX_RETRIES": None,  # workers wait for the broker for as long as it takes
        "CELERY_TASK_PUBLISH_RETRY": False,  # reconcile publishes again; a web request must not wait
        "CELERY_BROKER_TRANSPORT_OPTIONS": {
            "visibility_timeout": 3600,  # redelivery is the last resort: reconcile comes much earlier
            "socket_connect_timeout": 1,
            "socket_timeout": 5,
            "socket_keepalive": True,
            # the publisher's patience with a dead broker
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
            "interval_max": 0.1,
        },
        "CELERY_BEAT_SCHEDULE": {
            "reconcile": {
                "task": "jobs.reconcile",
                "schedule": reconcile_seconds,
                # ticks that nobody took in time are dropped instead of piling up
                "options": {"queue": "maintenance", "expires": reconcile_seconds},
            },
            "advance-sweeps": {
                "task": "training_jobs.advance_sweeps",
                "schedule": reconcile_seconds,
                "options": {"queue": "maintenance", "expires": reconcile_seconds},
            },
            "notify": {
                "task": "notifications.deliver",
                "schedule": reconcile_seconds,
                "options": {"queue": "maintenance", "expires": reconcile_seconds},
            },
            "sweep-notifications": {
                "task": "notifications.sweep",
                "schedule": 86400.0,
                "options": {"queue": "maintenance", "expires": 86400},
            },
            "remove-leftovers": {
                "task": "translator.remove_leftovers",
                "schedule": 60.0,
                "options": {"queue": "maintenance", "expires": 60},
            },
            "sweep-orphans": {
                "task": "translator.sweep_orphans",
                "schedule": 3600.0,
                "options": {"queue": "maintenance", "expires": 3600},
            },
            "sweep-uploads": {
                "task": "training_jobs.sweep_uploads",
                "schedule": 3600.0,
                "options": {"queue": "maintenance", "expires": 3600},
            },
            "clear-sessions": {
                "task": "mapgan_site.clear_sessions",
                "schedule": 86400.0,
                "options": {"queue": "maintenance", "expires": 86400},
            },
        },
    }


def publish_queue_lengths(schedule: dict[str, Any]) -> None:
    """Once a minute, which is as fine as CloudWatch's standard metrics are."""
    schedule["publish-queue-lengths"] = {
        "task": "mapgan_site.publish_queue_lengths",
        "schedule": 60.0,
        "options": {"queue": "maintenance", "expires": 60},
    }


REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "rest_framework.parsers.MultiPartParser",
        "rest_framework.parsers.FormParser",
    ],
    "DEFAULT_METADATA_CLASS": None,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "translator.problems.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR: dict[str, Any] = {
    "TITLE": "MapGAN API",
    "DESCRIPTION": "Turn map images into satellite images and back.",
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SERVE_INCLUDE_SCHEMA": False,
    "ENUM_NAME_OVERRIDES": {
        "JobStatusEnum": "jobs.models.JobState",
        "RunStatusEnum": "training_jobs.run_selectors.RUN_STATES",
        "SweepStatusEnum": "training_jobs.models.SweepState",
    },
}


def logging(level: str, log_format: str) -> dict[str, Any]:
    """One line an event on stderr, as text or JSON; errors of requests come with their traceback."""
    formatter = {"text": "TextFormatter", "json": "LineFormatter"}[log_format]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"mapgan_site.logs.{formatter}"}},
        "filters": {"context": {"()": "mapgan_site.logs.ContextFilter"}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["context"]}
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            # Celery and kombu at DEBUG would print message bodies; botocore prints signed headers
            "kombu": {"level": "WARNING"},
            "botocore": {"level": "WARNING"},
            "boto3": {"level": "WARNING"},
            "urllib3": {"level": "WARNING"},
            "PIL": {"level": "INFO"},
        },
    }
