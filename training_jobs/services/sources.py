"""Where pictures may be imported from: folders and S3 prefixes that the settings name, and no others."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings


class DatasetRefused(Exception):  # noqa: N818 - it names an outcome
    """It cannot be made or changed like this.

    Attributes:
        field: the form or API field at fault; empty when it is not one of them.
    """

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True)
class S3Place:
    """A prefix in a bucket.

    Attributes:
        prefix: of the keys; empty or with a slash at its end.
    """

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def holds(self, other: S3Place) -> bool:
        """Whether the other one is this one or lies in it."""
        return self.bucket == other.bucket and other.prefix.startswith(self.prefix)


def allowed_folder(text: str) -> Path:
    """The folder a person named, if it lies inside one of the configured roots.

    Raises:
        DatasetRefused: it does not, whether or not it exists: what else is there is nobody's business.
    """
    roots = [Path(root).resolve() for root in settings.DATASET_ROOTS]
    if not roots:
        raise DatasetRefused("This site takes no folders of the server; upload an archive.", field="folder")
    try:
        folder = Path(text.strip()).resolve()
    except (OSError, ValueError):  # a NUL, a loop of links
        folder = Path("/")
    inside = any(folder == root or root in folder.parents for root in roots)
    if not text.strip() or not inside or not folder.is_dir():
        names = ", ".join(map(str, roots))
        raise DatasetRefused(f"There is no such folder below {names}.", field="folder")
    return folder


def s3_places() -> list[S3Place]:
    """The configured prefixes."""
    return [S3Place(bucket, prefix) for bucket, prefix in settings.DATASET_S3_PREFIXES]


def allowed_s3(text: str) -> S3Place:
    """The S3 prefix a person named, if it is one of the configured ones or lies in it.

    Nothing is asked of the server: that is the worker's task.

    Raises:
        DatasetRefused: it does not.
    """
    allowed = s3_places()
    if not allowed:
        raise DatasetRefused("This site imports nothing from S3; upload an archive.", field="s3")
    bucket, _, prefix = text.strip().removeprefix("s3://").partition("/")
    place = S3Place(bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else "")
    odd = any(unicodedata.category(char).startswith("C") for char in text.strip())
    if odd or not any(each.holds(place) for each in allowed):
        names = ", ".join(map(str, allowed))
        raise DatasetRefused(f"Name a prefix at or below {names}.", field="s3")
    return place
