"""A private bucket of any S3-compatible server, on top of django-storages."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError
from storages.backends.s3 import S3Storage
from storages.utils import clean_name

from storage.errors import SKEW_SECONDS, clock_ahead, status_of
from storage.multipart import LARGE, PART_LEAST, PARTS_LIMIT, MultipartUploads

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

Check = Callable[[], None]

PATIENCE: Final = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "max_attempts": 3},
    max_pool_connections=32,
    # S3-compatible servers often lack the checksums that newer clients add by themselves
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)
MEMORY: Final = 16 * 2**20  # a file that is opened is held in memory up to so much, then on the disk
KEPT_FOR_BROWSERS: Final = "private, no-store"
KMS: Final = "aws:kms"
DELETE_LIMIT: Final = 1_000  # keys in one request, by S3's own rule
INCOMING: Final = "incoming"  # the folder of large files that are on their way


class PrivateS3Storage(S3Storage):
    """A bucket nobody reads without a link we signed.

    Inside a cluster the server is often reached under a name that browsers do not know
    (``http://s3:8333``). The host is part of the signature, so links for browsers are signed for
    `public_endpoint_url` from the start.
    """

    access_key: str | None
    secret_key: str | None
    large: int = LARGE  # bytes from which on a file goes up in parts that outlive an interruption

    def __init__(self, **settings: Any) -> None:
        """django-storages' settings and those of `get_default_settings`."""
        super().__init__(**settings)
        # Amazon's first region goes by its own name, as the others do: browsers are told of one host alone
        names: Any = {"addressing_style": self.addressing_style, "us_east_1_regional_endpoint": "regional"}
        self.client_config: Config = self.client_config.merge(PATIENCE).merge(Config(s3=names))
        self.max_memory_size = MEMORY
        # Without keys of our own, boto3 looks where it always does: variables, files, the machine's role.
        self.access_key, self.secret_key = self.access_key or None, self.secret_key or None
        if self.encryption:
            how = {"ServerSideEncryption": self.encryption}
            self.object_parameters = how | ({"SSEKMSKeyId": self.kms_key} if self.kms_key else {})
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None
        self._clients: dict[str | None, S3Client] = {}

    def get_default_settings(self) -> dict[str, Any]:
        """django-storages' settings and three of ours."""
        own = {"public_endpoint_url": None, "encryption": "", "kms_key": ""}
        return {**super().get_default_settings(), **own}

    # --- Clients -----------------------------------------------------------------------------------------

    def _create_session(self) -> boto3.Session:
        """One session for all threads: a machine's role is asked for its credentials once, then renewed."""
        with self._lock:
            if self._session is None:
                self._session = super()._create_session()
                self._session.get_credentials()
            return self._session

    def client(self, config: Config, *, endpoint_url: str | None = None) -> S3Client:
        """A client with our key; `config` goes over the storage's own, `endpoint_url` too."""
        session = self._create_session()
        with self._lock:  # making clients is not thread-safe, using them is
            return session.client(
                "s3",
                region_name=self.region_name,
                endpoint_url=endpoint_url or self.endpoint_url,
                config=self.client_config.merge(config),
            )

    def _client(self, endpoint_url: str | None = None) -> S3Client:
        """The client that all threads share."""
        if endpoint_url not in self._clients:
            self._clients[endpoint_url] = self.client(Config(), endpoint_url=endpoint_url)
        return self._clients[endpoint_url]

    def full_key(self, name: str) -> str:
        """The key in the bucket, under our prefix."""
        return str(self._normalize_name(clean_name(name)))

    # --- Out ---------------------------------------------------------------------------------------------

    def blocks(self, name: str, *, start: int, size: int) -> Iterator[bytes]:
        """The object's bytes from ``start`` on, as they come from the server.

        Raises:
            FileNotFoundError: there is no such object (and there is the bucket).
        """
        part: dict[str, Any] = {"Range": f"bytes={start}-"} if start else {}
        try:
            answer = self._client().get_object(Bucket=self.bucket_name, Key=self.full_key(name), **part)
        except ClientError as error:
            if status_of(error) == 416:  # nothing comes after the last byte
                return
            raise self._missing(error, name) from error
        with contextlib.closing(answer["Body"]) as body:
            yield from body.iter_chunks(size)

    def head(self, name: str) -> Any:
        """What the server says of the object.

        Raises:
            FileNotFoundError: there is no such object (and there is the bucket).
        """
        try:
            return self._client().head_object(Bucket=self.bucket_name, Key=self.full_key(name))
        except ClientError as error:
            raise self._missing(error, name) from error

    def _missing(self, error: ClientError, name: str) -> Exception:
        """What a 404 means: without the bucket every object is missing, and none of them is lost.

        Answers to HEAD have no words for a refusal either; those to a list have.
        """
        if status_of(error) not in (403, 404):
            return error
        self._client().list_objects_v2(Bucket=self.bucket_name, MaxKeys=1, Prefix=self.full_key(name))
        return FileNotFoundError(name) if status_of(error) == 404 else error

    def exists(self, name: str) -> bool:
        """Whether there is such an object."""
        try:
            self.head(name)
        except FileNotFoundError:
            return False
        return True

    def _open(self, name: str, mode: str = "rb") -> Any:
        if "r" in mode:
            self.head(name)
        return super()._open(name, mode)

    def keys_below(self, folder: str) -> Iterator[str]:
        """Every name below ``folder``, a thousand a request."""
        return (name for name, _ in self.sizes_below(folder))

    def sizes_below(self, folder: str) -> Iterator[tuple[str, int]]:
        """The same with how many bytes each has."""
        root = self.location.strip("/")
        prefix = f"{self.full_key(folder)}/"
        pages = self._client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket_name, Prefix=prefix):
            for entry in page.get("Contents", ()):
                yield entry["Key"].removeprefix(f"{root}/" if root else ""), entry["Size"]

    # --- Links -------------------------------------------------------------------------------------------

    def url(
        self,
        name: str,
        parameters: dict[str, str] | None = None,
        expire: int | None = None,
        http_method: str | None = None,
    ) -> str:
        """A presigned link that works for a minute; make it when the user asks, and never store it."""
        return self._client(self.public_endpoint_url).generate_presigned_url(
            "get_object",
            Params={**(parameters or {}), "Bucket": self.bucket_name, "Key": self.full_key(name)},
            ExpiresIn=self.querystring_expire if expire is None else expire,
            HttpMethod=http_method or "GET",
        )

    def link(self, name: str, *, content_type: str, disposition: str, seconds: int) -> str:
        """A presigned link that works for ``seconds`` by the server's clock, whatever ours says.

        Raises:
            FileNotFoundError: there is no such object.
        """
        ahead = clock_ahead(self.head(name)["ResponseMetadata"]["HTTPHeaders"])
        if abs(ahead) > SKEW_SECONDS:
            logger.warning("This machine's clock is %.0f s ahead of the S3 server's: set it right.", ahead)
        # A link is dated by our clock. When that is behind, a minute would be over before it began.
        behind = max(0, round(-ahead))
        parameters = {
            "ResponseContentType": content_type,
            "ResponseContentDisposition": disposition,
            "ResponseCacheControl": KEPT_FOR_BROWSERS,
        }
        return self.url(name, parameters, expire=seconds + (behind if behind > 1 else 0))

    # --- In ----------------------------------------------------------------------------------------------

    def _uploads(self) -> MultipartUploads:
        return MultipartUploads(
            self._client(),
            self.bucket_name,
            parameters=dict(self.object_parameters),
            etags_are_md5=self.encryption != KMS,
        )

    def put(self, name: str, data: bytes) -> None:
        """Store bytes under exactly this name, in one request; the server refuses what came damaged."""
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        self._client().put_object(
            Bucket=self.bucket_name,
            Key=self.full_key(name),
            Body=data,
            ContentMD5=base64.b64encode(digest).decode(),
            **self._get_write_parameters(name),
        )

    def put_large(self, name: str, path: Path, check: Check = lambda: None) -> None:
        """Store a file in parts; what an earlier try with the same content left is not sent again."""
        stage = f"{INCOMING}/"
        self._uploads().put(self.full_key(name), path, check, stage=lambda what: self.full_key(stage + what))

    def try_parts(self, name: str) -> None:
        """Begin a multipart upload and give it up: whether our key may."""
        self._uploads().try_out(self.full_key(name))

    def can_join(self, sizes: Sequence[int]) -> bool:
        """Whether S3 takes objects of these sizes as parts: all but the last must have 5 MiB."""
        if not 1 <= len(sizes) <= PARTS_LIMIT or min(sizes) <= 0:
            return False
        return all(size >= PART_LEAST for size in sizes[:-1])

    def join(self, name: str, parts: Mapping[str, int], check: Check = lambda: None) -> None:
        """Store what objects give one after the other, without their bytes leaving the server."""
        sources = {self.full_key(part): size for part, size in parts.items()}
        self._uploads().join(self.full_key(name), sources, check)

    def delete_many(self, names: Sequence[str]) -> dict[str, str]:
        """Delete objects, a thousand a request; returns those that are left, with the server's word for why.

        What is not there counts as deleted.
        """
        by_key = {self.full_key(name): name for name in names}
        left: dict[str, str] = {}
        keys = list(by_key)
        for start in range(0, len(keys), DELETE_LIMIT):
            some: Any = [{"Key": key} for key in keys[start : start + DELETE_LIMIT]]
            answer = self._client().delete_objects(
                Bucket=self.bucket_name, Delete={"Objects": some, "Quiet": True}
            )
            left |= {by_key[each["Key"]]: each.get("Code", "") for each in answer.get("Errors", ())}
        return left

    def copy(self, source: str, target: str) -> None:
        """Copy an object inside the server."""
        self._client().copy(
            {"Bucket": self.bucket_name, "Key": self.full_key(source)},
            self.bucket_name,
            self.full_key(target),
            ExtraArgs=dict(self.object_parameters),
            Config=TransferConfig(multipart_threshold=256 * 2**20, multipart_chunksize=256 * 2**20),
        )

    def abort_stale_uploads(self, folder: str, *, before: datetime) -> int:
        """End multipart uploads below ``folder`` that were begun before then; returns how many."""
        return self._uploads().abort_stale(f"{self.full_key(folder)}/", before=before)
