"""Huge pages for a process that translates: asked for in the environment it is started with.

A U-Net's file has hundreds of megabytes of weights, and a translation reads them all once. In pages of 4 kB
that is more than a processor's page table cache holds; in pages of 2 MB it is not (docs/benchmarks.md has
what it is worth). The GNU C library asks the system for them from version 2.35 on, where the system leaves
the choice to programs (``madvise``); an older one, another one, or another system ignores the wish.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

VARIABLE: Final = "GLIBC_TUNABLES"
TUNABLE: Final = "glibc.malloc.hugetlb"


def tunables(environment: Mapping[str, str]) -> str | None:
    """The variable's value for a new process; None where it already says something about huge pages.

    It is read when a process starts, so one that wants it has to be started again.
    """
    there = environment.get(VARIABLE, "")
    if TUNABLE in there:
        return None
    return ":".join(filter(None, [there, f"{TUNABLE}=1"]))
