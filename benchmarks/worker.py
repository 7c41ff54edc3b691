"""One contestant's own process: makes one piece of work when asked, and sleeps in between.

Standard library only, because the contestant may live in an environment that has nothing of ours.
:mod:`benchmarks.contest` is the other end. Requests and answers are lines: an empty line asks for one piece
of work, the answer is a JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TypeAlias

Settings: TypeAlias = dict[str, Any]
Work: TypeAlias = Callable[[], dict[str, Any] | None]
"""One piece of work; what it returns travels with the answer."""


def serve(build: Callable[[Settings], tuple[Work, dict[str, Any]]]) -> None:
    """Build the contestant from the settings in ``sys.argv[1]`` (JSON), then work until the input ends.

    Args:
        build: gives the work and facts about it (versions, parameters); both are prepared and checked when
            it returns, but the work is not warmed up.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print may not get between the answers
    work, facts = build(json.loads(sys.argv[1]))
    print(json.dumps({"facts": facts}), file=answers)
    slept = time.process_time()
    while sys.stdin.readline():
        # Threads that spin while the rival works would slow it: their processor time is told.
        woken, start = time.process_time(), time.perf_counter()
        extra = work()
        seconds, cpu = time.perf_counter() - start, time.process_time() - woken
        answer = {**(extra or {}), "seconds": seconds, "cpu": cpu, "idle_cpu": woken - slept}
        print(json.dumps(answer), file=answers)
        slept = time.process_time()
