"""Links to files lead where the browser's policy allows pictures from, whatever the settings say."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from mapgan_site.policies import s3_origin, s3_storage
from storage.s3 import PrivateS3Storage

NAMED = "https://s3.example.org:9000"
KEYS = {"access_key": "k", "secret_key": "s", "location": "", "encryption": "", "kms_key": ""}


def options(
    bucket: str, style: str, *, inside: str = "", outside: str = "", region: str
) -> dict[str, str | None]:
    """What the settings make of the variables."""
    return {
        "bucket_name": bucket,
        "endpoint_url": inside or None,
        "public_endpoint_url": outside or None,
        "region_name": region,
        "addressing_style": style,
        **KEYS,
    }


def link_of(s3: dict[str, str | None]) -> str:
    """The origin of a link as botocore signs it."""
    parts = urlsplit(PrivateS3Storage(**s3_storage(s3, link_seconds=60)["OPTIONS"]).url("results/1.png"))
    return f"{parts.scheme}://{parts.netloc}"


@pytest.mark.parametrize("style", ["auto", "path", "virtual"])
@pytest.mark.parametrize("bucket", ["maps", "maps.example.org"])
def test_pictures_come_from_where_the_policy_allows(style: str, bucket: str) -> None:
    endpoints = [
        ("", ""),
        (NAMED, ""),
        ("http://seaweedfs:8333", "https://files.example.org"),
        ("http://10.0.0.1:8333", ""),
        ("", "https://files.example.org"),
        ("https://s3.eu-central-1.amazonaws.com", ""),
    ]
    for inside, outside in endpoints:
        for region in ("us-east-1", "eu-central-1", "cn-north-1") if not inside else ("eu-central-1",):
            s3 = options(bucket, style, inside=inside, outside=outside, region=region)
            assert link_of(s3) == s3_origin(s3), s3


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_amazon_is_asked_in_the_buckets_own_region(region: str) -> None:
    """The host of all regions answers with a redirect, which a signed link does not survive."""
    assert s3_origin(options("maps", "auto", region=region)) == f"https://maps.s3.{region}.amazonaws.com"
    assert s3_origin(options("maps.org", "auto", region=region)) == f"https://s3.{region}.amazonaws.com"
