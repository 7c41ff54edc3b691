"""Huge pages are asked for where a process is started (tests/platform/test_run.py looks at a worker)."""

from __future__ import annotations

import pytest

from mapgan import hugepages


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ({}, "glibc.malloc.hugetlb=1"),
        ({"GLIBC_TUNABLES": ""}, "glibc.malloc.hugetlb=1"),
        ({"GLIBC_TUNABLES": "glibc.malloc.arena_max=2"}, "glibc.malloc.arena_max=2:glibc.malloc.hugetlb=1"),
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=0"}, None),
    ],
)
def test_what_is_asked_for(there: dict[str, str], wanted: str | None) -> None:
    assert hugepages.tunables(there) == wanted
