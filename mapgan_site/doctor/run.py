"""All checks in their order; one that fails in a way nobody thought of is a finding, too."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

from mapgan_site.doctor import services, site
from mapgan_site.doctor.finding import FAIL, Finding

logger = logging.getLogger(__name__)

Check = Callable[[], Iterable[Finding]]


def services_findings() -> list[Finding]:
    """The servers that every process needs, for its first lines in the log."""
    return [
        *_safely("database", services.database),
        *_safely("broker", services.broker),
    ]


def examine() -> Iterator[Finding]:
    """Every part, as soon as it is known."""
    yield from _safely("settings", site.configuration)
    found = _safely("database", services.database)
    yield from found
    usable = all(each.status != FAIL for each in found if each.part == "database")
    yield from _safely("broker", services.broker)
    yield from _safely("storage", services.files)
    yield from _safely("clock", lambda: services.clocks(with_database=usable))
    yield from _safely("disk", site.disks)
    yield from _safely("workers", lambda: site.workers(with_database=usable))
    yield from _safely("generators", lambda: site.generators(with_database=usable))
    yield from _safely("mail", services.mail)


def _safely(part: str, check: Check) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check())
    except Exception as error:  # a doctor that faints helps nobody
        logger.exception("The check of %s failed.", part)
        advice = "This is an error of MapGAN's: the log has the details."
        found.append(Finding(part, FAIL, f"It could not be examined ({type(error).__name__}).", advice))
    return found
