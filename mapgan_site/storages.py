"""Where files go: a private S3 bucket, and static files under names made from their content."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from storages.backends.s3 import S3Storage
from storages.utils import clean_name
from whitenoise.storage import CompressedManifestStaticFilesStorage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PATIENCE = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "max_attempts": 3},
    # S3-compatible servers often lack the checksums that newer clients add by themselves
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Hashed names for ever, in the imports between our own JavaScript modules as well.

    Django can rewrite those imports, but then in every script of every app; in some of them a comment
    that shows an import line is enough to stop `collectstatic`.
    """

    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]),
    )


class PrivateS3Storage(S3Storage):
    """A bucket nobody reads without a link we signed.

    Inside a cluster the server is often reached under a name that browsers do not know
    (``http://s3:8333``). The host is part of the signature, so links for browsers are signed for
    `public_endpoint_url` from the start.
    """

    def __init__(self, **settings: Any) -> None:
        """django-storages' settings, `public_endpoint_url`, and time limits."""
        super().__init__(**settings)
        self.client_config: Config = self.client_config.merge(PATIENCE)

    def get_default_settings(self) -> dict[str, Any]:
        """django-storages' settings and one of ours."""
        return {**super().get_default_settings(), "public_endpoint_url": None}

    def url(
        self,
        name: str,
        parameters: dict[str, str] | None = None,
        expire: int | None = None,
        http_method: str | None = None,
    ) -> str:
        """A presigned link that works for a minute; make it when the user asks, and never store it."""
        if self.public_endpoint_url is None:
            return str(super().url(name, parameters, expire, http_method))
        return self._public_client.generate_presigned_url(
            "get_object",
            Params={
                **(parameters or {}),
                "Bucket": self.bucket_name,
                "Key": self._normalize_name(clean_name(name)),
            },
            ExpiresIn=self.querystring_expire if expire is None else expire,
            HttpMethod=http_method or "GET",
        )

    def client(self, config: Config, *, endpoint_url: str | None = None) -> S3Client:
        """A client with our key; `config` goes over the storage's own, `endpoint_url` too."""
        return boto3.Session(
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region_name,
        ).client(
            "s3",
            endpoint_url=endpoint_url or self.endpoint_url,
            config=self.client_config.merge(config),
        )

    @cached_property
    def _public_client(self) -> S3Client:
        """Signs for the public address; it never connects."""
        return self.client(Config(), endpoint_url=self.public_endpoint_url)
