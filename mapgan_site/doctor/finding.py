"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

OK: Final = "ok"
WARN: Final = "warning"  # it works, and may not for long, or not as it should
FAIL: Final = "failure"
SKIP: Final = "skipped"  # not known without another part


@dataclass(frozen=True)
class Finding:
    """One part, how it is, and what to do.

    Attributes:
        advice: for who runs the site; names the settings to look at. Empty when all is well.
    """

    part: str
    status: str
    message: str
    advice: str = ""
