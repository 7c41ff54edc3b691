"""Large files to S3 in parts that outlive an interruption, and objects joined inside the server.

A file goes up under a name made of its content's hash, ``incoming/SHA256-SIZE``, and is copied to its own key
inside the server when it is whole. So whoever stores the same content next, another attempt on another
machine, finds the parts that are there, by S3's own list; no row and no local file knows of them. Two that do
it at once send the same parts; one of them completes, the other finds the object. No row ever names it, so
that an attempt that lost its lease can take nothing from the one that came after it.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from storage.errors import code_of, status_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LARGE: Final = 64 * 2**20  # bytes; below, an interrupted upload simply begins again
PART: Final = 16 * 2**20
PART_LEAST: Final = 5 * 2**20  # S3's own limits, except for the last part
PARTS_LIMIT: Final = 10_000
COPY_PART: Final = 256 * 2**20
SENDERS: Final = 4  # parts on their way at the same time, each in memory
ROUNDS: Final = 8
"""How often to begin again because somebody else completed, took or swept what we were sending to: each of n
that store the same content at once does it to another twice, by completing an upload and by deleting it."""
GONE: Final = {"NoSuchUpload", "NoSuchKey", "InvalidPart"}
LOOK: Final = 0.5  # seconds in which a wish to stop may go unnoticed

Check = Callable[[], None]


class MultipartUploads:
    """What is on its way to one bucket.

    Args:
        parameters: of every new object (encryption).
        etags_are_md5: whether the server's word for a part is the MD5 of its content; not with KMS.
    """

    def __init__(
        self, client: S3Client, bucket: str, *, parameters: dict[str, Any], etags_are_md5: bool
    ) -> None:
        self._client, self._bucket, self._parameters = client, bucket, parameters
        self._etags_are_md5 = etags_are_md5

    # --- Files -------------------------------------------------------------------------------------------

    def put(self, key: str, path: Path, check: Check, *, stage: Callable[[str], str]) -> None:
        """Store a file under ``key``.

        Args:
            check: asked twice a second; what it raises ends the sending, and what is sent stays for the next.
            stage: makes the key under which content of this hash and size is on its way.
        """
        size = path.stat().st_size
        staged = stage(f"{_sha256(path, check)}-{size}")
        for attempt in range(1, ROUNDS + 1):
            try:
                if self._size(staged) != size:
                    self._send(staged, path, size, check)
                self._copy(staged, key)
                break
            except ClientError as error:
                gone = code_of(error) in GONE or status_of(error) == 404
                if not gone or attempt == ROUNDS:
                    raise
        self._client.delete_object(Bucket=self._bucket, Key=staged)

    def _size(self, key: str) -> int | None:
        try:
            return self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"]
        except ClientError as error:
            if status_of(error) != 404:
                raise
            return None

    def _send(self, key: str, path: Path, size: int, check: Check) -> None:
        """Send the parts that are not there yet, and complete the upload."""
        length = max(PART, -(-size // PARTS_LIMIT))
        upload = self._unfinished(key) or self._begin(key)
        there = self._parts(key, upload)
        numbers = range(1, -(-size // length) + 1)

        def send(number: int) -> str:
            with path.open("rb") as file:
                file.seek((number - 1) * length)
                data = file.read(length)
            digest = hashlib.md5(data, usedforsecurity=False)
            known = there.get(number)
            if known and known[1] == len(data) and self._is_of(known[0], digest.hexdigest()):
                return known[0]
            answer = self._client.upload_part(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload,
                PartNumber=number,
                Body=data,
                ContentMD5=base64.b64encode(digest.digest()).decode(),  # the server refuses damage
            )
            return answer["ETag"]

        # Who cancels does not wait for parts that are under way on a slow line: they arrive, or go out again.
        self._complete(key, upload, _in_parallel(send, numbers, check, settle=False))

    def _is_of(self, etag: str, md5: str) -> bool:
        return not self._etags_are_md5 or etag.strip('"') == md5

    def _begin(self, key: str) -> str:
        answer = self._client.create_multipart_upload(Bucket=self._bucket, Key=key, **self._parameters)
        return answer["UploadId"]

    def _unfinished(self, key: str) -> str | None:
        """The newest upload of this key that was begun and neither completed nor aborted."""
        found = [entry for entry in self._listed(key) if entry["Key"] == key]
        return max(found, key=lambda entry: entry["Initiated"])["UploadId"] if found else None

    def _listed(self, prefix: str) -> Iterable[Any]:
        for page in self._client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=prefix
        ):
            yield from page.get("Uploads", ())

    def _parts(self, key: str, upload: str) -> dict[int, tuple[str, int]]:
        """Number -> ETag and size of the parts that are there."""
        pages = self._client.get_paginator("list_parts").paginate(
            Bucket=self._bucket, Key=key, UploadId=upload
        )
        parts = (part for page in pages for part in page.get("Parts", ()))
        return {part["PartNumber"]: (part["ETag"], part["Size"]) for part in parts}

    def _complete(self, key: str, upload: str, etags: list[str]) -> None:
        parts: Any = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, start=1)]
        self._client.complete_multipart_upload(
            Bucket=self._bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts}
        )

    def _copy(self, source: str, target: str) -> None:
        """Inside the server, in large parts at the same time where the object is large."""
        self._client.copy(
            {"Bucket": self._bucket, "Key": source},
            self._bucket,
            target,
            ExtraArgs=self._parameters,
            Config=TransferConfig(multipart_threshold=COPY_PART, multipart_chunksize=COPY_PART),
        )

    # --- Joined objects ----------------------------------------------------------------------------------

    def join(self, key: str, sources: Mapping[str, int], check: Check) -> None:
        """Make one object of several, in their order; nothing is left of it after an error.

        Args:
            sources: keys and sizes in bytes.
        """
        upload = self._begin(key)
        names = list(sources)

        def take(number: int) -> str:
            answer = self._client.upload_part_copy(
                Bucket=self._bucket,
                Key=key,
                UploadId=upload,
                PartNumber=number,
                CopySource={"Bucket": self._bucket, "Key": names[number - 1]},
            )
            return answer["CopyPartResult"]["ETag"]

        try:
            self._complete(key, upload, _in_parallel(take, range(1, len(names) + 1), check, settle=True))
        except BaseException:
            with contextlib.suppress(BotoCoreError, ClientError):  # the sweep ends it then
                self.abort(key, upload)
            raise
        if self._size(key) != sum(sources.values()):
            self._client.delete_object(Bucket=self._bucket, Key=key)
            raise OSError("The server joined objects into one of another size.")

    # --- What was given up -------------------------------------------------------------------------------

    def try_out(self, key: str) -> None:
        """Begin one, find it in the list, and end it."""
        upload = self._begin(key)
        try:
            list(self._listed(key))
        finally:
            self.abort(key, upload)

    def abort(self, key: str, upload: str) -> None:
        """End an upload and drop its parts; one that is over already is nothing to complain of."""
        try:
            self._client.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload)
        except ClientError as error:
            if status_of(error) != 404:
                raise

    def abort_stale(self, prefix: str, *, before: datetime) -> int:
        """End those that were begun before then; returns how many."""
        stale = [entry for entry in self._listed(prefix) if entry["Initiated"] < before]
        for entry in stale:
            self.abort(entry["Key"], entry["UploadId"])
        return len(stale)


def _in_parallel(
    work: Callable[[int], str], numbers: Iterable[int], check: Check, *, settle: bool
) -> list[str]:
    """The results of all numbers, in order. The first error ends it.

    Args:
        settle: whether it ends only when those under way are through.
    """
    pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="s3")
    futures: list[Future[str]] = [pool.submit(work, number) for number in numbers]
    try:
        waiting: set[Future[str]] = set(futures)
        while waiting:
            check()
            done, waiting = wait(waiting, timeout=LOOK, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
    except BaseException:
        pool.shutdown(wait=settle, cancel_futures=True)
        raise
    pool.shutdown()
    return [future.result() for future in futures]


def _sha256(path: Path, check: Check) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(PART):
            digest.update(block)
            check()
    return digest.hexdigest()
