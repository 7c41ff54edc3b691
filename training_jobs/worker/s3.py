"""Pictures below an S3 prefix, streamed into one tar. Another attempt goes on where this one ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, IncompleteReadError
from django.conf import settings

from jobs.errors import JobFailed
from jobs.runner import Attempt
from storage.objects import BLOCK
from training_jobs.services.sources import S3Place
from training_jobs.worker.packing import Member, MemberChanged, Packing
from translator.storage import StorageRefused, StorageUnavailable, translated_errors

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_OBJECTS: Final = 100_000  # as many as an archive may have
CHANGED: Final = frozenset({"PreconditionFailed", "NoSuchKey", "404", "412"})


def pack_prefix(place: S3Place, packing: Packing, attempt: Attempt, share: float) -> None:
    """Copy every object below a prefix into the tar.

    Args:
        share: of the attempt's bar, for all of it.

    Raises:
        JobFailed: there is nothing, too much, it may not be read, or it changes meanwhile.
        StorageUnavailable: worth another attempt.
    """
    with _spoken(place):
        client = _client()
        wanted = list(_listed(client, place, attempt))
        if not wanted:
            raise JobFailed("nothing_there", f"There are no objects below {place}.")
        total = sum(member.size for member in wanted)
        kept = packing.resume(wanted)
        done = sum(member.size for member in wanted[:kept])
        for member in wanted[kept:]:
            body = client.get_object(
                Bucket=place.bucket, Key=f"{place.prefix}{member.name}", IfMatch=member.mark
            )["Body"]
            with contextlib.closing(body):
                packing.add(member, _blocks(body, attempt))
            done += member.size
            attempt.report(share * done / max(total, 1))


def _listed(client: S3Client, place: S3Place, attempt: Attempt) -> Iterator[Member]:
    """What lies below the prefix, in the order of the keys; not more than a dataset may have."""
    count = size = 0
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=place.bucket, Prefix=place.prefix)
    for page in pages:
        attempt.check()
        for each in page.get("Contents", []):
            key = each["Key"]
            if key.endswith("/"):  # how some programs mark a folder
                continue
            count, size = count + 1, size + each["Size"]
            if count > MAX_OBJECTS:
                message = f"There are more than {MAX_OBJECTS:,} objects below {place}."
                raise JobFailed("too_large", message)
            if size > settings.DATASET_MAX_BYTES:
                limit = settings.DATASET_MAX_BYTES / 1e9
                message = f"The objects below {place} have more than the {limit:g} GB that are accepted."
                raise JobFailed("too_large", message)
            yield Member(key.removeprefix(place.prefix), each["Size"], each["ETag"])


def _blocks(body: Any, attempt: Attempt) -> Iterator[bytes]:
    """The object's bytes, a megabyte at a time."""
    while block := body.read(BLOCK):
        attempt.check()
        yield block


@contextlib.contextmanager
def _spoken(place: S3Place) -> Iterator[None]:
    """What goes wrong with S3, in words for whoever named the prefix."""
    try:
        with translated_errors():
            try:
                yield
            except IncompleteReadError as error:  # the connection was cut
                raise StorageUnavailable from error
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in CHANGED:
                    raise _changed(place) from error
                raise
    except MemberChanged as error:
        raise _changed(place) from error
    except StorageRefused as error:
        cause = error.__cause__
        details = str(cause) if isinstance(cause, ClientError | BotoCoreError) else repr(cause)
        message = (
            f"The S3 server does not let us read {place}: the bucket is not there, or the site's key may not "
            "read it. Tell the operator of this site."
        )
        raise JobFailed("s3_refused", message, details=details) from error


def _changed(place: S3Place) -> JobFailed:
    message = f"The objects below {place} changed while they were copied. Import them again."
    return JobFailed("s3_changed", message)


def _client() -> S3Client:
    """With the key of the settings, and patience for large objects."""
    options = settings.DATASET_S3
    return boto3.Session(
        aws_access_key_id=options["access_key"],
        aws_secret_access_key=options["secret_key"],
        region_name=options["region_name"],
    ).client(
        "s3",
        endpoint_url=options["endpoint_url"],
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": options["addressing_style"]},
            connect_timeout=5,
            read_timeout=60,
            retries={"mode": "standard", "max_attempts": 3},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
