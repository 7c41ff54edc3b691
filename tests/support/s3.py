"""A real S3 server: SeaweedFS from a wheel, with credentials that it enforces."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import spawn
from tests.support.waiting import free_ports, wait_until

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class S3Server:
    """One server, one key that may do everything in it, nothing for anybody else."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self.folder = Path(tempfile.mkdtemp(prefix="mapgan-s3-"))
        self.access_key = "mapgan-test"
        self.secret_key = secrets.token_hex(20)
        self._ports = free_ports(8)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._ports[0]}"

    def address(self, part: str) -> str:
        """Where the ``master`` or the ``filer`` listens, as SeaweedFS writes it."""
        names = ("s3", "master", "volume", "filer")
        http, grpc = self._ports[2 * names.index(part) :][:2]
        return f"127.0.0.1:{http}.{grpc}"

    def start(self) -> None:
        """Start, and wait until it answers S3 requests."""
        identity = {
            "name": "mapgan",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        config = self.folder / "s3.json"
        config.write_text(json.dumps({"identities": [identity]}))
        names = ["s3", "s3.grpc", "master", "master.grpc", "volume", "volume.grpc", "filer", "filer.grpc"]
        ports = dict(zip(names, self._ports, strict=True))
        options = {
            "dir": self.folder,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "volume.max": 500,  # they take no room before they are written to
            "master.volumeSizeLimitMB": 64,
            "filer": "true",
            "s3": "true",
            "s3.config": config,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "master.telemetry": "false",
        }
        for name, port in ports.items():
            part, _, grpc = name.partition(".")
            options[f"{part}.port.grpc" if grpc else f"{part}.port"] = port
        command = [str(Path(sys.executable).parent / "weed"), f"-logdir={self.folder}", "server"]
        command += [f"-{name}={value}" for name, value in options.items()]
        with (self.folder / "output.log").open("wb") as log:
            # one volume for a bucket instead of seven: tests make many buckets
            environment = os.environ | {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}
            self._process = spawn(command, stdout=log, stderr=log, cwd=self.folder, env=environment)
        wait_until(self._ready, seconds=60, what="SeaweedFS", every=0.1)

    def _ready(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"SeaweedFS ended: {(self.folder / 'output.log').read_text()[-2000:]}")
        try:
            urllib.request.urlopen(self.endpoint_url, timeout=2)  # noqa: S310 - our own server
        except urllib.error.HTTPError as error:
            return error.code == 403  # it is up and refuses those without a key
        except OSError:
            return False
        return False

    def client(self, *, secret_key: str | None = None) -> S3Client:
        """A boto3 client with the right key, or with a wrong one."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=secret_key or self.secret_key,
            config=Config(signature_version="s3v4", retries={"max_attempts": 1}),
        )

    def make_bucket(self, name: str) -> None:
        """Make a bucket; a new server may need a moment for its first."""

        def made() -> bool:
            from botocore.exceptions import ClientError

            try:
                self.client().create_bucket(Bucket=name)
                self.client().put_object(Bucket=name, Key="probe", Body=b"x")
                self.client().delete_object(Bucket=name, Key="probe")
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if "Invalid" in code:
                    raise
                return code.startswith("BucketAlready")
            return True

        wait_until(made, seconds=30, what=f"bucket {name}", every=0.2)

    def environment(self, bucket: str) -> dict[str, str]:
        """The variables that make MapGAN use this server."""
        return {
            "MAPGAN_STORAGE": "s3",
            "MAPGAN_S3_BUCKET": bucket,
            "MAPGAN_S3_ENDPOINT_URL": self.endpoint_url,
            "MAPGAN_S3_ADDRESSING_STYLE": "path",
            "MAPGAN_S3_ACCESS_KEY_ID": self.access_key,
            "MAPGAN_S3_SECRET_ACCESS_KEY": self.secret_key,
        }

    def close(self) -> None:
        """Stop and remove everything."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)
        for port in self._ports:  # it leaves its Unix sockets behind
            for path in Path(tempfile.gettempdir()).glob(f"seaweedfs-*-{port}.sock"):
                path.unlink(missing_ok=True)
