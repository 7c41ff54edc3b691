"""What can go wrong with a storage: three errors that are safe to show, and words for who runs the site."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    SSLError,
)
from botocore.exceptions import ConnectionError as EndpointError

NETWORK = (EndpointError, HTTPClientError, IncompleteReadError)
FORBIDDEN_ERRNOS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
SERVER_BUSY = frozenset({"SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "Throttling"})
SKEW_SECONDS = 240  # S3 refuses signatures that are 15 minutes off; a clock this wrong is worth saying

SIGNATURE = (
    "The S3 server refuses our signature: MAPGAN_S3_SECRET_ACCESS_KEY does not belong to "
    "MAPGAN_S3_ACCESS_KEY_ID."
)
EXPIRED = "The S3 credentials are out of date: renew MAPGAN_S3_ACCESS_KEY_ID and its secret, or the role's."
REGION = "The bucket is in another region: set MAPGAN_S3_REGION to it."
WORDS: dict[str, str] = {
    "InvalidAccessKeyId": "The S3 server does not know our key: look at MAPGAN_S3_ACCESS_KEY_ID.",
    "SignatureDoesNotMatch": SIGNATURE,
    "NoSuchBucket": "There is no such bucket: look at MAPGAN_S3_BUCKET and MAPGAN_S3_REGION.",
    "AccessDenied": "The S3 server lets our key not do this: look at the rights in docs/storage.md, and at "
    "MAPGAN_S3_BUCKET and MAPGAN_S3_PREFIX.",
    "ExpiredToken": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "InvalidToken": EXPIRED,
    "PermanentRedirect": REGION,
    "AuthorizationHeaderMalformed": REGION,
    "IllegalLocationConstraintException": REGION,
    "QuotaExceeded": "The bucket is full: raise its quota, or delete what is not needed.",
}
UNKNOWN = "The S3 server answers with an error ({code}): look at MAPGAN_S3_BUCKET and the server's own log."
SILENT = "The S3 server does not answer: look at MAPGAN_S3_ENDPOINT_URL and at the server."
CERTIFICATE = "The S3 server's certificate is not accepted: look at MAPGAN_S3_ENDPOINT_URL and AWS_CA_BUNDLE."
NO_KEY = (
    "There are no S3 credentials: set MAPGAN_S3_ACCESS_KEY_ID and MAPGAN_S3_SECRET_ACCESS_KEY, or give this "
    "machine a role."
)
FULL = "The disk of MAPGAN_VAR_DIR is full."
FORBIDDEN = "The folder of MAPGAN_VAR_DIR cannot be written: look at its owner and its rights."


class StorageError(Exception):
    """The storage did not do what was asked. `str()` of it is safe to show: it names no path and no host.

    What the operator has to look at is a note on it, so that it stands in logs and in a job's details.
    """


class StorageUnavailable(StorageError):  # noqa: N818 - it names a condition
    """It may work a little later: a full disk, an endpoint that cannot be reached, a server's error."""

    def __init__(self) -> None:
        super().__init__("The storage cannot be used right now. Please try again in a little while.")


class StorageRefused(StorageError):  # noqa: N818 - it names a condition
    """It will not work until an operator changes something: permissions, credentials, a missing bucket."""

    def __init__(self) -> None:
        super().__init__("The storage does not let us in. The operator of this site has to look at it.")


class ObjectMissing(StorageError):  # noqa: N818 - it names a condition
    """There is no object of this key."""

    def __init__(self) -> None:
        super().__init__("This file no longer exists.")


OUTAGE: tuple[type[Exception], ...] = (StorageUnavailable, StorageRefused)
"""What ends by itself or by an operator's hand, and is no fault of the work that met it."""


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what file systems and S3 raise into the errors above; anything else passes."""
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing from error
    except (OSError, BotoCoreError, ClientError) as error:
        translated = (StorageUnavailable if _may_pass(error) else StorageRefused)()
        translated.add_note(explain(error))
        raise translated from error


def _may_pass(error: Exception) -> bool:
    """Whether it may be over without anybody doing anything."""
    if isinstance(error, NETWORK):  # before OSError: some of these are both
        return True
    if isinstance(error, ClientError):
        return status_of(error) >= 500 or code_of(error) in SERVER_BUSY
    return isinstance(error, OSError) and error.errno not in FORBIDDEN_ERRNOS


def status_of(error: ClientError) -> int:
    """The HTTP status that S3 answered with; 0 when it is not known."""
    metadata: Any = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode") or 0)


def code_of(error: ClientError) -> str:
    """S3's own word for the error; a bare number after a HEAD request, whose answers have no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def clock_ahead(headers: dict[str, Any] | None) -> float:
    """Seconds that our clock is ahead of the server that sent these headers; 0 if they do not say."""
    try:
        theirs = parsedate_to_datetime(str((headers or {})["date"]))
    except (KeyError, ValueError):
        return 0.0
    return (datetime.now(UTC) - theirs).total_seconds()


def clock_words(ahead: float) -> str:
    """What a wrong clock means, for the operator."""
    way = "ahead of" if ahead > 0 else "behind"
    return (
        f"This machine's clock is {abs(ahead) / 60:.0f} minutes {way} the S3 server's, which refuses what is "
        "15 minutes off: set the clock right (NTP)."
    )


def explain(error: BaseException) -> str:  # noqa: PLR0911 - a table of kinds
    """One sentence for who runs the site: what fails, and the settings to look at. No secret is in it."""
    if isinstance(error, SSLError):
        return CERTIFICATE
    if isinstance(error, NETWORK):
        return SILENT
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return NO_KEY
    if isinstance(error, ClientError):
        return _explain_answer(error)
    if isinstance(error, BotoCoreError):
        return f"The S3 settings cannot be used ({type(error).__name__}): look at the MAPGAN_S3_ variables."
    if isinstance(error, OSError) and error.errno in FULL_ERRNOS:
        return FULL
    if isinstance(error, OSError) and error.errno in FORBIDDEN_ERRNOS:
        return FORBIDDEN
    return f"The storage failed ({error!r}): look at MAPGAN_STORAGE and MAPGAN_VAR_DIR."


def _explain_answer(error: ClientError) -> str:
    code, status = code_of(error), status_of(error)
    headers: Any = error.response.get("ResponseMetadata", {}).get("HTTPHeaders")
    ahead = clock_ahead(headers)
    if code == "RequestTimeTooSkewed" or (status == 403 and abs(ahead) > SKEW_SECONDS):
        return clock_words(ahead)
    if code in WORDS:
        return WORDS[code]
    if status == 403:
        return WORDS["AccessDenied"]
    return UNKNOWN.format(code=code or status)
