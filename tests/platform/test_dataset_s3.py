"""The settings of imports from S3: strict, and our own key is never shown to another server."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from mapgan_site.policies import dataset_s3, s3_prefixes
from tests.platform.test_settings import refusal, settings_of

OURS = {
    "endpoint_url": "https://ours.example.org",
    "region_name": "us-east-1",
    "addressing_style": "auto",
    "access_key": "our-key",
    "secret_key": "our-secret",
}
NOTHING = dict.fromkeys(OURS, "")


def test_a_prefix_is_a_folder() -> None:
    assert s3_prefixes(["s3://tiles", "s3://tiles/a/b", "s3://tiles/c/"]) == [
        ("tiles", ""),
        ("tiles", "a/b/"),
        ("tiles", "c/"),
    ]


@pytest.mark.parametrize(
    "place",
    ["tiles/maps", "https://tiles/maps", "s3:/tiles", "s3://", "s3://T/maps", "s3://tiles/../x", "s3:///x"],
)
def test_what_is_no_prefix(place: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="s3://bucket/prefix"):
        s3_prefixes([place])


def test_another_server_needs_a_key_of_its_own() -> None:
    assert dataset_s3(NOTHING, OURS) == OURS
    theirs = {"endpoint_url": "https://theirs.example.org", "access_key": "k", "secret_key": "s"}
    found = dataset_s3({**NOTHING, **theirs}, OURS)
    assert {name: found[name] for name in theirs} == theirs
    for missing in theirs:
        if missing != "endpoint_url":
            with pytest.raises(ImproperlyConfigured, match="MAPGAN_DATASET_S3_"):
                dataset_s3({**NOTHING, **theirs, missing: ""}, OURS)
    with pytest.raises(ImproperlyConfigured, match="ENDPOINT_URL"):
        dataset_s3({**NOTHING, **theirs, "endpoint_url": "theirs/path"}, OURS)


def test_they_come_from_the_environment(tmp_path: Path) -> None:
    found = settings_of(
        tmp_path,
        "DATASET_S3_PREFIXES",
        "DATASET_S3",
        MAPGAN_DATASET_S3_PREFIXES="s3://tiles/maps, s3://more",
        MAPGAN_DATASET_S3_ENDPOINT_URL="https://theirs.example.org",
        MAPGAN_DATASET_S3_ACCESS_KEY_ID="k",
        MAPGAN_DATASET_S3_SECRET_ACCESS_KEY="s",
    )
    assert found["DATASET_S3_PREFIXES"] == [["tiles", "maps/"], ["more", ""]]
    assert found["DATASET_S3"]["secret_key"] == "s"
    assert "s3://bucket/prefix" in refusal(tmp_path, MAPGAN_DATASET_S3_PREFIXES="tiles")
    assert "must be one of" in refusal(tmp_path, MAPGAN_DATASET_S3_ADDRESSING_STYLE="odd")
