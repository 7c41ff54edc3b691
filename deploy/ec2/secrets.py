"""Fetches the secrets of one machine into /secrets. `start` runs it inside an image of ours, which has boto3.

The machine's role may read these secrets and no others. An address is put together with its password here, so
that neither stands in the machine's user data.
"""

from __future__ import annotations

import os
from pathlib import Path

import boto3

FOLDER = Path("/secrets")


def main() -> None:
    """One file for each secret that docker-compose.yml names."""
    client = boto3.client("secretsmanager", region_name=os.environ["REGION"])

    def secret(variable: str) -> str:
        return str(client.get_secret_value(SecretId=os.environ[variable])["SecretString"])

    for name, content in contents(
        secret_key=secret("SECRET_KEY"),
        database=(secret("DATABASE_SECRET"), os.environ["DATABASE_HOST"]),
        broker=(secret("BROKER_SECRET"), os.environ["BROKER_HOST"]),
        mail=secret("MAIL_SECRET"),
    ).items():
        path = FOLDER / f"{name}.new"
        path.write_text(content + "\n")
        path.chmod(0o444)  # the folder is root's alone; containers' users have other numbers
        path.rename(FOLDER / name)


def contents(
    *, secret_key: str, database: tuple[str, str], broker: tuple[str, str], mail: str
) -> dict[str, str]:
    """What each file holds. A host without a dot is a container beside us; others are Amazon's, over TLS."""
    (database_password, database_host), (broker_password, broker_host) = database, broker
    sslmode = "?sslmode=require" if "." in database_host else ""
    scheme = "rediss" if "." in broker_host else "redis"
    return {
        "secret_key": secret_key,
        "postgres_password": database_password,
        "database_url": f"postgresql://mapgan:{database_password}@{database_host}:5432/mapgan{sslmode}",
        "redis.conf": f"requirepass {broker_password}",
        "redis_url": f"{scheme}://:{broker_password}@{broker_host}:6379/0",
        "email_url": mail,
        # the machine's role is its key to S3; docker compose wants the files to be there
        "s3_access_key_id": "unused",
        "s3_secret_access_key": "unused",
        "s3.json": "{}",
    }


if __name__ == "__main__":
    main()
